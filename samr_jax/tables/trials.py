"""Equal chances: every row's learning rates are chosen from one grid, by validation.

A method trained at a rate that suits another method looks worse than it is. So every
row is trained shortly with each combination of a grid, and the combination with the
best score on validation patients is the row's. With folds, every fold chooses by its
own validation patients, since they are test patients of another fold. Test patients
have no part in the choice.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections

from samr_jax.config import flatten, set_field
from samr_jax.data.dataset import Dataset
from samr_jax.runs.workdir import claim
from samr_jax.runtime.errors import DivergenceError, InputError, TrainingError
from samr_jax.runtime.files import reading, write_json
from samr_jax.runtime.records import COUNT, NUMBER, each, fields, read_record
from samr_jax.training.loop import train

FOLDER = "trials"
CHOICE = "choice.json"
SCORE = "val/score"

_SCORED = fields({"step": COUNT, SCORE: NUMBER})


@dataclasses.dataclass(frozen=True)
class Grid:
    """What every row may choose from.

    Attributes:
      learning_rates: of the generator, or of the segmenter.
      disc_lr_scales: the discriminators' learning rate, as a multiple of the
        generator's, for methods that have discriminators.
      steps: optimizer steps of a trial.
    """

    learning_rates: tuple[float, ...]
    disc_lr_scales: tuple[float, ...] = (1.0,)
    steps: int = 200

    def candidates(self, config: ml_collections.ConfigDict) -> list[dict[str, float]]:
        """All combinations of the fields that a config has."""
        axes = {
            "learning_rate": self.learning_rates,
            "disc_lr_scale": self.disc_lr_scales,
        }
        known = flatten(config)
        axes = {name: values for name, values in axes.items() if name in known}
        return [
            dict(zip(axes, values, strict=True))
            for values in itertools.product(*axes.values())
        ]


def directory_of(directory: Path, candidate: Mapping[str, float]) -> Path:
    """The work directory of a trial, within the directory of a row's trials."""
    return directory / "-".join(f"{value:g}" for value in candidate.values())


def choose(
    config: ml_collections.ConfigDict, directory: Path, dataset: Dataset, grid: Grid
) -> dict[str, Any]:
    """The combination with the best validation score; missing trials are trained.

    Args:
      config: of the row, with the rates of its config file.
      directory: gets a work directory for each trial, and the choice.
      dataset: whose validation patients decide. All combinations have the same seed.
      grid: the combinations.

    Returns:
      ``fields``, the chosen combination, and ``scores`` of all combinations.

    Raises:
      InputError: the dataset has no validation patients, or the directory holds trials
        of another config or dataset.
      TrainingError: a trial was asked to stop, or all trials have diverged.
    """
    if not dataset.splits["val"]:
        raise InputError(
            f"{dataset.directory}: no validation patients, by which learning rates are "
            "chosen, expected one or more"
        )
    candidates = grid.candidates(config)
    scores = [
        _score(config, candidate, directory_of(directory, candidate), dataset, grid)
        for candidate in candidates
    ]
    found = {place: score for place, score in enumerate(scores) if score is not None}
    if not found:
        raise TrainingError(f"{directory}: all trials have diverged")
    choice = {
        "fields": candidates[max(found, key=found.__getitem__)],
        "scores": [
            {**candidate, "score": score}
            for candidate, score in zip(candidates, scores, strict=True)
        ],
    }
    write_json(directory / CHOICE, choice)
    return choice


def chosen_fields(directory: Path) -> dict[str, float]:
    """The chosen combination; empty before there is a choice."""
    path = directory / CHOICE
    if not path.exists():
        return {}
    return read_record(path, fields({"fields": each(NUMBER)}))["fields"]


def _score(
    config: ml_collections.ConfigDict,
    candidate: Mapping[str, float],
    directory: Path,
    dataset: Dataset,
    grid: Grid,
) -> float | None:
    """The best validation score of one trial; None if the training diverged."""
    config = config.copy_and_resolve_references()
    for field, value in {**candidate, "steps": grid.steps}.items():
        set_field(config, field, value)
    if not finished(directory, grid.steps):
        try:
            if not train(config, directory):
                raise TrainingError(
                    f"{directory}: stopped before its end; the same command goes on"
                )
        except DivergenceError:
            return None
    claim(directory, config, {"dataset_hash": dataset.content_hash})
    return max(score for _, score in _scores(directory))


def finished(directory: Path, steps: int) -> bool:
    """Whether a trial has a validation score of its last step."""
    return any(step == steps for step, _ in _scores(directory))


def _scores(directory: Path) -> list[tuple[int, float]]:
    """Steps of a trial, and the validation scores at these steps."""
    log = directory / "metrics.jsonl"
    if not log.exists():
        return []
    with reading(log):
        try:
            records = list(map(json.loads, log.read_text().splitlines()))
        except RecursionError as error:
            raise InputError(f"{log}: nested too deeply, expected records") from error
        scored = [one for one in records if SCORE in one]
        for number, one in enumerate(scored):
            _SCORED(f"{log}: score {number + 1}", one)
        return [(one["step"], one[SCORE]) for one in scored]


def choices_page(choices: Mapping[str, Sequence[Mapping]], grid: Grid) -> str:
    """A page that prints what every row chose, and from what.

    Args:
      choices: row's title -> what `choose` returned, for each fold.
      grid: what the rows chose from.
    """
    rates = ", ".join(f"{rate:g}" for rate in grid.learning_rates)
    scales = ", ".join(f"{scale:g}" for scale in grid.disc_lr_scales)
    lines = [
        "# Learning rates",
        "",
        f"- Every row chose among the learning rates {rates}, and among {scales} times "
        "that rate for its discriminators, by its validation score after "
        f"{grid.steps} steps. Test patients had no part in the choice.",
    ]
    for title, found in choices.items():
        chosen = "; ".join(
            ", ".join(f"{value:g}" for value in choice["fields"].values())
            for choice in found
        )
        lines.append(f"- {title}: {chosen}.")
    return "\n".join(lines) + "\n"
