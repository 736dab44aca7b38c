"""The training runs behind a table: of every row, seed and fold."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections

from samr_jax.config import check_size, flatten, set_field
from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.evaluate import add_judged_scores, table
from samr_jax.evaluation.scores.pooling import pool_folds
from samr_jax.evaluation.stored import METRICS, read_evaluation
from samr_jax.inference.given_lesions import GivenLesions
from samr_jax.runs.model import build_method, load_model
from samr_jax.runs.workdir import claim
from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.files import write_json, write_text
from samr_jax.tables.folds import fold_dataset
from samr_jax.tables.rows import SEGMENTER, SHARES, Row
from samr_jax.tables.run_record import (
    RECORD,
    device_and_commit,
    seconds_of,
)
from samr_jax.tables.trials import FOLDER as TRIALS
from samr_jax.tables.trials import Grid, choose, chosen_fields
from samr_jax.training.data import training_dataset
from samr_jax.training.loop import train_and_evaluate

_log = logging.getLogger(__name__)

Configs = Callable[[Row], ml_collections.ConfigDict]
"""A row to the config that its file has, in the variant of the table."""


@dataclasses.dataclass(frozen=True)
class TableRuns:
    """The training runs of a table: of every row, seed and fold.

    Attributes:
      workdir: holds the runs, ``<row>/seed-<n>``; with folds, ``fold-<k>/<row>/...``.
      configs: a row to its config, without the row's overrides.
      budget: the row whose data and number of epochs all rows have.
      seeds: one run of every row for each.
      overrides: fields of every config, such as ``{"steps": 10}``. The budget's row
        must have all of them; another row takes the fields that its method has.
      segmenter: further fields of the segmenter's config, such as ``{"steps": 800}``.
      folds: of a cross-validation by patient; 0 takes the dataset's own split.
      train_patients: with folds, how many patients each fold is trained on; by default
        all that it does not test or validate on.
      lesions: of the synthesized training data of Table II; by default the training
        patients' own lesions are edited.
      shares: further volumes of Table II's mixes for each real training volume.
      grid: the learning rates that every row may choose from, see `choose`; None keeps
        those of the config files.
    """

    workdir: Path
    configs: Configs
    budget: Row
    seeds: Sequence[int] = (0,)
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    segmenter: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    folds: int = 0
    train_patients: int | None = None
    lesions: GivenLesions | None = None
    shares: Sequence[float] = SHARES
    grid: Grid | None = None

    @functools.cached_property
    def dataset(self) -> Dataset:
        """What every row is trained and evaluated on; with folds, all patients."""
        return training_dataset(self.config(self.budget, self.seeds[0]))

    @functools.cached_property
    def parts(self) -> tuple[TableRuns, ...]:
        """The runs of each fold, which have a dataset of their own; without folds, the
        runs themselves."""
        if not self.folds:
            return (self,)
        return tuple(self._part(fold) for fold in range(self.folds))

    def _part(self, fold: int) -> TableRuns:
        dataset = fold_dataset(
            self.dataset,
            self.workdir / "datasets" / f"fold-{fold}",
            fold=fold,
            folds=self.folds,
            train_patients=self.train_patients,
        )
        return dataclasses.replace(
            self,
            workdir=self.workdir / f"fold-{fold}",
            overrides={**self.overrides, "data.dir": str(dataset.directory)},
            folds=0,
            train_patients=None,
        )

    def pooled(self, evaluate: Callable[[TableRuns], Sequence[dict]]) -> list[dict]:
        """Evaluations over the test patients of all folds.

        Args:
          evaluate: the runs of a fold to its evaluations, such as one for each seed.

        Returns:
          As many evaluations, each pooled over the folds.
        """
        by_part = [evaluate(part) for part in self.parts]
        return [pool_folds(folds) for folds in zip(*by_part, strict=True)]

    def config(self, row: Row, seed: int, **changes: Any) -> ml_collections.ConfigDict:
        """The config of a row: that of its file, with the budget's data and epochs.

        With a grid, the learning rates are those that the row has chosen, if it has.

        Raises:
          InputError: an override names no field, or does not fit it.
        """
        chosen = chosen_fields(self.trials(row)) if self.grid else {}
        return self._unchosen(row, seed, **chosen, **changes)

    def choose(self, rows: Sequence[Row]) -> dict[str, list[dict]]:
        """Has every row choose from the grid; trials that are missing are trained.

        Args:
          rows: of the table.

        Returns:
          The row's title -> the choice of each fold, see `samr_jax.tables.trials`;
          empty without a grid.
        """
        grid = self.grid
        if grid is None:
            return {}
        return {
            row.title: [
                choose(
                    part._unchosen(row, part.seeds[0]),
                    part.trials(row),
                    part.dataset,
                    grid,
                )
                for part in self.parts
            ]
            for row in rows
        }

    def trials(self, row: Row) -> Path:
        """The directory of a row's trials, which has no folds."""
        return self.workdir / TRIALS / row.key

    def _unchosen(
        self, row: Row, seed: int, **changes: Any
    ) -> ml_collections.ConfigDict:
        """`config` with the learning rates of the row's config file."""
        config = self.configs(row)
        if row != SEGMENTER:
            budget = self.configs(self.budget)
            config.epochs = budget.epochs
            config.constant_epochs = budget.constant_epochs
        config.data = self.configs(self.budget).data
        config.seed = seed
        known = flatten(config)
        overrides = self.overrides
        if row != self.budget:
            overrides = {name: x for name, x in overrides.items() if name in known}
        if row == SEGMENTER:
            overrides = {**overrides, **self.segmenter}
        for field, value in {**row.overrides, **overrides, **changes}.items():
            set_field(config, field, value)
        return config

    def check(self, rows: Sequence[Row]) -> None:
        """Checks all rows against the dataset, before hours of training.

        Raises:
          InputError: a method cannot be trained on this dataset.
        """
        for row in (*rows, SEGMENTER):
            method = build_method(self.config(row, self.seeds[0]), self.dataset)
            source = f"{self.dataset.directory}, {method.name}"
            check_size(self.dataset.grid.size, method.downsamplings, source=source)

    def directory(self, row: Row, seed: int) -> Path:
        """The work directory of a run, which has no folds."""
        return self.workdir / row.key / f"seed-{seed}"

    def directories(self, row: Row) -> list[Path]:
        """The work directories of a row's runs, of all folds and seeds."""
        return [p.directory(row, seed) for p in self.parts for seed in self.seeds]

    def evaluations(self, row: Row, *, follow: bool = False) -> list[dict]:
        """The evaluations of a row, one a seed. Runs that are missing are trained.

        Args:
          row: of the table.
          follow: whether to add the scores that need a segmenter, by that of the first
            seed.
        """
        return self.pooled(lambda part: part._evaluations(row, follow=follow))

    def _evaluations(self, row: Row, *, follow: bool) -> list[dict]:
        """`evaluations`, without folds."""
        results = []
        for seed in self.seeds:
            directory = self.directory(row, seed)
            result = run(self.config(row, seed), directory, self.dataset)
            if follow and "mask_follow" not in result:
                result = self._add_judged_scores(result, directory)
            results.append(result)
        return results

    def trained_segmenter(self) -> Path:
        """The run of the U-Net on real images, of the first seed; trained if missing.

        It belongs to one dataset, so that it is a fold's.
        """
        seed = self.seeds[0]
        directory = self.directory(SEGMENTER, seed)
        run(self.config(SEGMENTER, seed), directory, self.dataset)
        return directory

    def _add_judged_scores(self, result: dict, directory: Path) -> dict:
        result = add_judged_scores(
            result,
            load_model(directory),
            load_model(self.trained_segmenter()),
            self.dataset,
            batch_size=self.config(self.budget, 0).eval_batch_size,
        )
        write_json(directory / METRICS, result)
        write_text(directory / "table.md", table(result))
        return result


def run(config: ml_collections.ConfigDict, directory: Path, dataset: Dataset) -> dict:
    """The evaluation of a run, which is trained to its end if it is not finished.

    Raises:
      InputError: the directory holds a run of another config or dataset, or an
        evaluation that is damaged.
      TrainingError: the run was asked to stop.
    """
    if (directory / METRICS).exists():
        claim(directory, config, {"dataset_hash": dataset.content_hash})
        return read_evaluation(directory)
    record = directory / RECORD
    spent = seconds_of(directory)
    _log.info("training %s", directory)
    start = time.monotonic()
    result = train_and_evaluate(config, directory)
    write_json(
        record, {"seconds": spent + time.monotonic() - start, **device_and_commit()}
    )
    if result is None:
        raise TrainingError(
            f"{directory}: stopped before its end; the same command goes on from there"
        )
    return result


def check_comparable(results: Mapping[str, Mapping]) -> None:
    """Checks that all evaluations are of one split of one dataset.

    Raises:
      InputError: one is not; the error names it.
    """
    (first, reference), *others = results.items()
    for name, result in others:
        for field in ("split", "dataset_hash"):
            if result[field] != reference[field]:
                raise InputError(
                    f"{name}: evaluated on {field} {result[field]!r}, expected "
                    f"{reference[field]!r} as {first} in the same table"
                )
        for part, patients in _patients(result).items():
            if patients != _patients(reference).get(part, patients):
                raise InputError(
                    f"{name}: {part} is of other patients than in {first}, expected "
                    "the same patients in a table"
                )


def _patients(result: Mapping) -> dict[str, set[str]]:
    """The patients of an evaluation's scores, and of its segmentation's."""
    parts = {"synthesis": result, "segmentation": result.get("segmentation", {})}
    parts["dice"] = result.get("dice", {})
    return {
        part: set(scores["subjects"])
        for part, scores in parts.items()
        if "subjects" in scores
    }
