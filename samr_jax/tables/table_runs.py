"""The runs behind a table: one dataset, one budget, every row and seed a directory."""

from __future__ import annotations

import dataclasses
import functools
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import ml_collections

from samr_jax.config import check_size, set_field
from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.evaluate import add_mask_follow, table
from samr_jax.runs.model import build_method, load_model
from samr_jax.runs.workdir import claim
from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.files import read_json, write_json, write_text
from samr_jax.tables.rows import SEGMENTER, Row
from samr_jax.training.data import training_dataset
from samr_jax.training.loop import train_and_evaluate

_log = logging.getLogger(__name__)

METRICS, RECORD = "metrics.json", "run.json"

Configs = Callable[[str], ml_collections.ConfigDict]
"""Name of a file in ``configs/`` to its config."""


@dataclasses.dataclass(frozen=True)
class Bench:
    """What all runs of a table share.

    Attributes:
      workdir: ``<row>/seed-<n>`` below it are the runs.
      configs: where config files come from.
      budget: the row whose data and epochs all have.
      seeds: of the runs of each row.
      overrides: fields of every config, such as ``{"steps": 10}``.
    """

    workdir: Path
    configs: Configs
    budget: Row
    seeds: Sequence[int] = (0,)
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def dataset(self) -> Dataset:
        """What every row is trained and evaluated on."""
        return training_dataset(self.config(self.budget, self.seeds[0]))

    def config(self, row: Row, seed: int, **changes: Any) -> ml_collections.ConfigDict:
        """The config of a row: its file's, on the budget's data and epochs.

        Raises:
          InputError: an override names no field, or does not fit it.
        """
        config = self.configs(row.config)
        if row != SEGMENTER:
            budget = self.configs(self.budget.config)
            config.epochs = budget.epochs
            config.constant_epochs = budget.constant_epochs
        config.data = self.configs(self.budget.config).data
        config.seed = seed
        for field, value in {**row.overrides, **self.overrides, **changes}.items():
            set_field(config, field, value)
        return config

    def check(self, rows: Sequence[Row]) -> None:
        """Fails before hours of training where a row cannot be had."""
        for row in (*rows, SEGMENTER):
            method = build_method(self.config(row, self.seeds[0]), self.dataset)
            size, source = (
                self.dataset.grid.size,
                f"{self.dataset.directory}, {method.name}",
            )
            check_size(size, method.downsamplings, source=source)

    def evaluations(self, row: Row, *, follow: bool = False) -> list[dict]:
        """The row's evaluations, one a seed; what is missing is trained.

        Args:
          row: of the table.
          follow: whether to score the mask-follow Dice, too, by the segmenter of the
            first seed.
        """
        results = []
        for seed in self.seeds:
            directory = self.workdir / row.key / f"seed-{seed}"
            result = run(self.config(row, seed), directory, self.dataset)
            if follow and "mask_follow" not in result:
                result = self._add_mask_follow(result, directory)
            results.append(result)
        return results

    def segmenter(self) -> Path:
        """The run of the U-Net on real images alone, of the first seed."""
        directory = self.workdir / SEGMENTER.key / f"seed-{self.seeds[0]}"
        run(self.config(SEGMENTER, self.seeds[0]), directory, self.dataset)
        return directory

    def _add_mask_follow(self, result: dict, directory: Path) -> dict:
        result = add_mask_follow(
            result,
            load_model(directory),
            load_model(self.segmenter()),
            self.dataset,
            batch_size=self.config(self.budget, 0).eval_batch_size,
        )
        write_json(directory / METRICS, result)
        write_text(directory / "table.md", table(result))
        return result


def run(config: ml_collections.ConfigDict, directory: Path, dataset: Dataset) -> dict:
    """The evaluation of a run that is finished, or finished now.

    Raises:
      InputError: the directory holds a run of another config or dataset.
      TrainingError: the run was asked to stop.
    """
    if (directory / METRICS).exists():
        claim(directory, config, {"dataset_hash": dataset.content_hash})
        return read_json(directory / METRICS)
    record = directory / RECORD
    spent = read_json(record)["seconds"] if record.exists() else 0.0
    _log.info("training %s", directory)
    start = time.monotonic()
    result = train_and_evaluate(config, directory)
    write_json(record, {"seconds": spent + time.monotonic() - start, **circumstances()})
    if result is None:
        raise TrainingError(
            f"{directory}: stopped before its end; the same command goes on from there"
        )
    return result


def circumstances() -> dict[str, str | None]:
    """Where and by which code a run was made."""
    devices = jax.devices()
    here = Path(__file__).parent
    try:
        git = ["git", "-C", str(here), "rev-parse", "HEAD"]
        done = subprocess.run(git, capture_output=True, text=True, check=True)
        commit = done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    return {
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "jax": jax.__version__,
        "commit": commit,
    }


def account(directory: Path) -> dict:
    """What a table says of a run: its config, budget and circumstances."""
    config = read_json(directory / "config.json")["config"]
    metrics = read_json(directory / METRICS)
    record = directory / RECORD
    return {
        "workdir": str(directory),
        "seed": config["seed"],
        "steps": metrics["step"],
        "batch_size": config["batch_size"],
        "images_seen": metrics["step"] * config["batch_size"],
        "config": config,
        **(read_json(record) if record.exists() else {}),
    }


def check_comparable(results: Mapping[str, Mapping]) -> None:
    """Raises unless all evaluations are of one split of one dataset.

    Raises:
      InputError: names the first that is not.
    """
    (first, reference), *others = results.items()
    for name, result in others:
        for field in ("split", "dataset_hash"):
            if result[field] != reference[field]:
                raise InputError(
                    f"{name}: evaluated on {field} {result[field]!r}, expected "
                    f"{reference[field]!r} as {first} in the same table"
                )
