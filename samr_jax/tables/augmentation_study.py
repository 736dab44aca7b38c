"""The augmentation experiment: segmenters trained on real and further volumes.

All segmenters take the same number of optimizer steps and are tested on the same real
patients, so that they differ in their training data alone.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset
from samr_jax.evaluation.evaluate import evaluate
from samr_jax.evaluation.stored import METRICS, read_evaluation
from samr_jax.inference.augment import geometric_set, mixed, synthesized_set
from samr_jax.runs.model import load_model
from samr_jax.runs.workdir import claim, read_facts
from samr_jax.runtime.errors import InputError
from samr_jax.tables.rows import SEGMENTER, Row
from samr_jax.tables.table_runs import TableRuns, run

_log = logging.getLogger(__name__)

FOLDER = "augmentation"
CONTROL = "geometric"


def augmented_evaluations(
    table_runs: TableRuns, row: Row | None, share: float, *, with_real: bool = True
) -> list[dict]:
    """Evaluations of segmenters trained on real volumes and a share of further ones.

    A seed is that of the synthesizing run, of the manipulated masks and of the
    segmenter.

    Args:
      table_runs: their runs synthesize.
      row: the row that synthesizes; None for ordinary geometric transforms.
      share: further volumes for each real training volume.
      with_real: whether the real volumes are trained on, too. If not, the segmenter has
        seen synthesized images alone: its Dice on real patients says how useful the
        images are by themselves.

    Returns:
      One evaluation a seed, over the test patients of all folds.
    """
    return table_runs.pooled(
        lambda part: [
            _evaluation(part, row, share, seed, with_real) for seed in part.seeds
        ]
    )


def augmented_directories(
    table_runs: TableRuns, row: Row | None, share: float, *, with_real: bool = True
) -> list[Path]:
    """The work directories of the segmenters' runs, of all folds and seeds."""
    return [
        _directory(part, row, share, seed, with_real)
        for part in table_runs.parts
        for seed in part.seeds
    ]


def real_steps(table_runs: TableRuns, seed: int) -> int:
    """Optimizer steps of the segmenter that is trained on real data alone."""
    config = table_runs.config(SEGMENTER, seed)
    slices = len(table_runs.dataset.split("train"))
    return config.steps or config.epochs * max(1, slices // config.batch_size)


def volumes_of(table_runs: TableRuns, share: float) -> int:
    """How many further volumes: a share of the real training volumes, at least 1."""
    return max(1, round(share * len(table_runs.dataset.splits["train"])))


def _directory(
    table_runs: TableRuns, row: Row | None, share: float, seed: int, with_real: bool
) -> Path:
    mix = f"share-{share:g}" if with_real else f"alone-{share:g}"
    return _home(table_runs, row) / mix / f"seed-{seed}"


def _home(table_runs: TableRuns, row: Row | None) -> Path:
    """The folder of a row's further volumes and of the segmenters that learn from them.

    Given lesions have a folder of their own. The control has the patients' own lesions.
    """
    name = CONTROL if row is None else row.key
    if row is not None and table_runs.lesions is not None:
        name += f"-lesions-{table_runs.lesions.digest}"
    return table_runs.workdir / FOLDER / name


def _evaluation(
    table_runs: TableRuns, row: Row | None, share: float, seed: int, with_real: bool
) -> dict:
    """The evaluation of one segmenter, which is trained if it is not finished."""
    directory = _directory(table_runs, row, share, seed, with_real)
    config = table_runs.config(SEGMENTER, seed, steps=real_steps(table_runs, seed))
    if (directory / METRICS).exists():
        claim(directory, config, read_facts(directory))  # the mix itself is gone
        result = read_evaluation(directory)
        if result["dataset_hash"] == table_runs.dataset.content_hash:
            return result
    further = _further(table_runs, row, seed, share)
    table_runs.workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=table_runs.workdir, prefix=".mix-") as scratch:
        mix = mixed(
            table_runs.dataset,
            further,
            Path(scratch, "mix"),
            volumes=volumes_of(table_runs, share),
            with_real=with_real,
        )
        config.data.dir = str(mix.directory)
        run(config, directory, mix)
    # Once more, on the real dataset itself rather than the mix's copy of it.
    return evaluate(
        load_model(directory),
        table_runs.dataset,
        "test",
        directory,
        batch_size=config.eval_batch_size,
    )


def _further(
    table_runs: TableRuns, row: Row | None, seed: int, share: float
) -> Dataset:
    """The further volumes of a share, made once for each row and seed.

    Shares up to 1 have one set, of which they take the first volumes.
    """
    name = f"set-{seed}" if share <= 1 else f"set-{seed}-share-{share:g}"
    directory = _home(table_runs, row) / name
    count = volumes_of(table_runs, max(1.0, share))
    if (directory / DESCRIPTION).exists():
        found = open_dataset(directory)
        source = found.provenance.get("masks_of", found.provenance.get("volumes_of"))
        if source != table_runs.dataset.content_hash:
            raise InputError(
                f"{directory}: made of another dataset, expected another --workdir"
            )
        return found
    if row is None:
        return geometric_set(table_runs.dataset, directory, count=count, seed=seed)
    table_runs.evaluations(row)
    model = load_model(table_runs.directory(row, seed))
    _log.info("synthesizing %d volumes by %s", count, row.title)
    return synthesized_set(
        model,
        table_runs.dataset,
        directory,
        count=count,
        seed=seed,
        lesions=table_runs.lesions,
    )
