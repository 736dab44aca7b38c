"""Training in stages: each has larger slices and the weights of the stage before."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import ml_collections

from samr_jax.config import named_config, set_field
from samr_jax.tables.rows import ANATOMY, Row
from samr_jax.tables.table_runs import run
from samr_jax.training.data import training_dataset

VARIANT = "pretrained"
"""Variant of the configs of all stages."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training of several.

    Attributes:
      size: rows and columns of a slice.
      batch_size: slices of a step.
      steps: optimizer steps.
      learning_rate: Adam's, of the generator.
    """

    size: int
    batch_size: int
    steps: int
    learning_rate: float


STAGES = (
    Stage(64, 8, 600, 7e-4),
    Stage(128, 4, 240, 7e-4),
    Stage(256, 2, 360, 5e-4),
    Stage(256, 2, 90, 2e-4),
)
"""The stages of the packaged weights.

Most of the training is done at 64 x 64, where a slice costs a sixteenth of the time.
The later stages learn the texture that small slices do not have. The last stage has a
low rate and settles the intensities.
"""


def train_earlier_stages(workdir: Path) -> None:
    """Trains all stages but the last; a stage that is finished is not trained again.

    Args:
      workdir: gets one work directory a stage.

    Raises:
      InputError: a work directory holds a run of another config.
      TrainingError: a training was asked to stop.
    """
    for index, stage in enumerate(STAGES[:-1]):
        config = _config(workdir, STAGES[: index + 1])
        run(config, _directory(workdir, stage), training_dataset(config))


def last_stage(row: Row, workdir: Path) -> ml_collections.ConfigDict:
    """The config of the last stage, or of another method at the last stage's size.

    Args:
      row: of a table.
      workdir: as of `train_earlier_stages`.
    """
    if row == ANATOMY:
        return _config(workdir, STAGES)
    return named_config(row.config, VARIANT)


def _config(workdir: Path, stages: Sequence[Stage]) -> ml_collections.ConfigDict:
    """The config of the last of some stages."""
    *earlier, stage = stages
    config = named_config(ANATOMY.config, VARIANT)
    fields = {
        "data.size": stage.size,
        "batch_size": stage.batch_size,
        "steps": stage.steps,
        "learning_rate": stage.learning_rate,
        "start_from": str(_directory(workdir, earlier[-1])) if earlier else "",
    }
    if earlier:
        # No later stage is as long as an epoch, at whose end λ_cm would be lowered.
        fields["loss.lambda_cm"] = config.loss.lambda_cm_late
    for field, value in fields.items():
        set_field(config, field, value)
    return config


def _directory(workdir: Path, stage: Stage) -> Path:
    return workdir / "stages" / str(stage.size)
