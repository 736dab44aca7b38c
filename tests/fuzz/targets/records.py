"""What a finished run and a preparation say about themselves, in JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from unittest import mock

import numpy as np

from tests.fuzz.guard import Mutant
from tests.fuzz.mutate import mutate_json

ROW = "Pix2Pix"
SEEDS = (0, 1)


class Record:
    """The files that a table is made from, and the record of a preparation."""

    def __init__(self, folder: Path):
        from samr_jax.config import named_config
        from samr_jax.runtime.files import write_json
        from samr_jax.tables.rows import TABLES
        from samr_jax.tables.table_runs import TableRuns
        from samr_jax.tables.trials import Grid
        from tests.tiny import shrink, tiny_dataset

        self._input = folder / "input"
        dataset = tiny_dataset(folder / "output" / "dataset", subjects=4)
        workdir = folder / "output" / "tables"
        workdir.mkdir()
        for name in ("pix2pix", "trials"):
            (self._input / name).mkdir()
            (workdir / name).symlink_to(self._input / name)
        overrides = {"data.dir": str(dataset.directory), "steps": 4}
        self._runs = TableRuns(
            workdir=workdir,
            configs=lambda row: shrink(named_config(row.config, "demo")),
            budget=TABLES[1].budget,
            seeds=SEEDS,
            overrides=overrides,
            grid=Grid((1e-3, 2e-3), steps=2),
        )
        self._row = next(row for row in TABLES[1].rows if row.title == ROW)
        self._write_runs(dataset)
        self._write_trials()
        self._dataset = dataclasses.replace(
            dataset, directory=self._input, provenance=_STANDARD
        )
        write_json(self._input / "subjects.json", _subjects(dataset))
        found = sorted(p for p in self._input.rglob("*.json*") if p.is_file())
        self._good = {str(p.relative_to(self._input)): p.read_text() for p in found}

    def _write_runs(self, dataset) -> None:
        from samr_jax.runs.workdir import claim
        from samr_jax.runtime.files import write_json

        for seed in SEEDS:
            run = self._runs.directory(self._row, seed)
            config = self._runs.config(self._row, seed)
            claim(run, config, {"dataset_hash": dataset.content_hash})
            write_json(run / "metrics.json", full_evaluation(dataset, seed))
            record = {"seconds": 3.5, "device": "1 x cpu", "jax": "1", "commit": None}
            write_json(run / "run.json", record)
            write_json(run / "start.json", {"from": {"step": 3}, "sequences": ["T1w"]})

    def _write_trials(self) -> None:
        from samr_jax.runtime.files import write_json

        trials = self._runs.trials(self._row)
        for place in ("0.001-1", "0.002-1"):
            (trials / place).mkdir(parents=True)
            lines = [{"step": step, "val/score": 0.5 + step / 10} for step in (1, 2)]
            log = "".join(json.dumps(line) + "\n" for line in lines)
            (trials / place / "metrics.jsonl").write_text(log)
        fields = {"learning_rate": 1e-3, "disc_lr_scale": 1.0}
        # The choice leaves the rate of the config, so that the runs above fit it.
        config = self._runs.config(self._row, 0).to_dict()
        fields = {name: config[name] for name in fields}
        write_json(trials / "choice.json", {"fields": fields, "scores": []})

    def mutant(self, rng: np.random.Generator) -> Mutant:
        names = sorted(self._good)
        heavy = [name for name in names if name.endswith(("metrics.json", "cts.json"))]
        name = str(rng.choice(heavy if rng.random() < 0.6 else names))
        good = self._good[name]
        if not name.endswith("l"):
            return Mutant(name, mutate_json(rng, good))
        first, *others = good.splitlines()
        lines = [mutate_json(rng, first), *(line.encode() for line in others)]
        return Mutant(name, b"\n".join(lines))

    def read(self) -> None:
        from samr_jax.inference.native_space import native_space
        from samr_jax.runs.model import read_start
        from samr_jax.tables import make
        from samr_jax.tables.folds import _fold_standard, _Source
        from samr_jax.tables.table_runs import TableRuns
        from samr_jax.tables.trials import finished

        with (
            mock.patch.object(make, "_trivial", lambda *_: {}),
            mock.patch.object(make.TableRuns, "choose", lambda *_: {}),
            mock.patch.object(TableRuns, "_add_judged_scores", lambda _, r, __: r),
        ):
            page = make.make_table(1, self._runs, only=[ROW]).read_text()
        assert ROW in page
        for directory in self._runs.directories(self._row):
            assert isinstance(read_start(directory), dict)
        for trial in self._runs.trials(self._row).iterdir():
            if trial.is_dir():
                assert finished(trial, 2) in (True, False)
        native = native_space(self._dataset, "blob-0", "T1w")
        assert min(native.shape) > 0 and np.isfinite(native.from_dataset).all()
        source = _Source(self._dataset)
        with mock.patch.object(_Source, "subject", lambda *_: None):
            assert source.marks.keys() and _fold_standard is not None


_SCALE = list(map(float, range(10, 120, 10)))
_STANDARD = {"standard": {"scales": {"T1w": _SCALE}}}


def _subjects(dataset) -> dict:
    place = {"shape": [8, 9, 10], "affine": np.diag([1.0, 1, 2, 1]).tolist()}
    record = {
        "scans": {"T1w": {**place, "from_dataset": np.eye(4).tolist()}},
        "sha256": {"T1w": "0" * 64},
        "landmarks": {"T1w": _SCALE},
    }
    return {name: record for names in dataset.splits.values() for name in names}


def full_evaluation(dataset, seed: int) -> dict:
    """All scores, of slices that are the real ones with noise."""
    from samr_jax.data.window import unpack
    from samr_jax.evaluation.evaluate import description
    from samr_jax.evaluation.scores.dice import DiceScores
    from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals
    from samr_jax.evaluation.scores.registry import slice_scores, split_scores
    from samr_jax.evaluation.scores.score import Judge, ScoredSlices, Setting

    rng = np.random.default_rng(seed)
    items = list(dataset.split("test"))
    labels = np.stack([item["labels"] for item in items])
    subjects = [item["subject"] for item in items]
    heights = [int(item["slice"]) for item in items]
    real = unpack(np.stack([item["images"] for item in items]))
    noisy = np.clip(real + rng.normal(0, 0.1, real.shape), -1, 1).astype(np.float32)
    half = noisy[:, ::2, ::2]
    slices = ScoredSlices(
        noisy, real, labels, subjects, heights, half, np.clip(half, 0.1, 0.9)
    )
    judge = Judge(
        "U-Net",
        lambda images: np.roll(labels, 1, 1)[: len(images)],
        lambda images: images.mean(axis=(1, 2)),
    )
    result = description("Pix2Pix", "none", dataset, "test") | {"step": 4}
    scores = {
        "": slice_scores(dataset.sequences),
        **split_scores(Setting(dataset, "test", 0.1, judge)),
    }
    for each in scores.values():
        each.add(slices)
    found = {name: each.summary() for name, each in scores.items()}
    result |= found.pop("") | {k: v for k, v in found.items() if v is not None}
    dice = DiceScores(dataset.grid.spacing[::-1])
    dice.add(np.roll(labels, 1, 1), labels, subjects, heights)
    result["segmentation"] = dice.summary()
    result["segmentation"]["intervals"] = dice_intervals(result["segmentation"])
    result["intervals"] = average_intervals(result)
    return result
