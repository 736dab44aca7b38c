"""The low-data curve: Table II by the number of real training patients."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from samr_jax.evaluation.drawing.charts import DicePoint, dice_chart
from samr_jax.evaluation.reports.markdown import gain_cell, page
from samr_jax.evaluation.scores.comparisons import corrected, subject_differences
from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from samr_jax.tables.augmentation_tables import ALONE
from samr_jax.tables.rows import BASELINE

REAL = "real images alone"

Subjects = dict[str, dict[str, float | None]]
"""Patient -> label -> Dice; None where the reference has no such label."""


@dataclasses.dataclass(frozen=True)
class SegmenterTable:
    """Table II with one number of training patients.

    Attributes:
      patients: that number.
      folds: of the cross-validation.
      dataset: hash of the dataset.
      steps: what segmenters were trained on -> their optimizer steps.
      lesions: mask files whose lesions the synthesized volumes have; None for edited
        lesions of the training patients.
      simulated: whether the patients are.
      points: what segmenters were trained on -> label -> Dice and interval.
      subjects: what segmenters were trained on -> Dice of each patient.
    """

    patients: int
    folds: int
    dataset: str
    steps: dict[str, int]
    lesions: list[str] | None
    simulated: bool
    points: dict[str, dict[str, DicePoint]]
    subjects: dict[str, Subjects]

    @property
    def rows(self) -> list[str]:
        """What segmenters were trained on, real images first."""
        return sorted(self.points, key=lambda name: (name != REAL, name))

    @property
    def tested(self) -> list[str]:
        """The test patients."""
        return sorted({name for found in self.subjects.values() for name in found})


def draw_low_data_curve(workdirs: Sequence[Path | str], path: Path | str) -> str:
    """Draws Dice against the number of training patients, one panel a label.

    Args:
      workdirs: folders with a ``table2.json``, each made with another number of
        ``--train_patients`` and otherwise alike.
      path: PNG to write.

    Returns:
      A page of Markdown: the gain over real images alone, each patient's averaged over
      the numbers of training patients.

    Raises:
      InputError: a folder has no such table, or the tables cannot be compared.
    """
    read = {Path(workdir): _read(Path(workdir) / "table2.json") for workdir in workdirs}
    tables = sorted(read.values(), key=lambda table: table.patients)
    first_place, first = next(iter(read.items()))
    for place, table in read.items():
        for field in ("dataset", "folds", "lesions", "rows", "steps", "tested"):
            ours, theirs = getattr(table, field), getattr(first, field)
            if ours != theirs:
                raise InputError(
                    f"{place}: {field} {ours!r:.200}, expected that of {first_place}, "
                    f"{theirs!r:.200}"
                )
    counts = [table.patients for table in tables]
    if len(set(counts)) < max(2, len(workdirs)):
        raise InputError(
            f"tables with {counts} training patients, expected two or more numbers"
        )
    curves = {name: [table.points[name] for table in tables] for name in first.rows}
    dice_chart(curves, counts, path=path, simulated=first.simulated)
    return _gains_page(tables)


def _read(path: Path) -> SegmenterTable:
    if not path.exists():
        raise InputError(f"{path.parent}: no {path.name}, expected a made table 2")
    content = read_json(path)
    try:
        results = {
            _name(block, title): result
            for block, results in content["results"].items()
            for title, result in results.items()
        }
        dices = {name: result["dice"] for name, result in results.items()}
        table = SegmenterTable(
            content["train_patients"],
            content["folds"],
            content["dataset"]["hash"],
            {name: result["step"] for name, result in results.items()},
            content["lesions"],
            content["dataset"]["simulated"],
            {name: _points(dice) for name, dice in dices.items()},
            {name: _subjects(dice) for name, dice in dices.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: field missing or damaged ({error!r:.200})"
        ) from error
    if REAL not in table.points:
        raise InputError(f"{path}: no row of {REAL}, expected table 2")
    if not isinstance(table.patients, int):
        raise InputError(
            f"{path}: train_patients {table.patients!r}, expected a number, from "
            "--train_patients"
        )
    return table


def _name(block: str, title: str) -> str:
    """What the segmenters of one row of one block were trained on."""
    if title == BASELINE:
        return REAL
    if block == ALONE:
        return f"{title} alone"
    return f"real + {float(block):g} × {title}"


def _points(dice: Mapping) -> dict[str, DicePoint]:
    return {
        label: DicePoint(float(dice["dice"][label]), dice["intervals"].get(label))
        for label in LESIONS
    }


def _subjects(dice: Mapping) -> Subjects:
    return {
        name: {label: found[label] for label in LESIONS}
        for name, found in dice["subjects"].items()
    }


def _averaged(tables: Sequence[SegmenterTable], name: str) -> Subjects:
    """Each patient's Dice, averaged over the tables."""

    def average(patient: str, label: str) -> float | None:
        found = [table.subjects[name][patient][label] for table in tables]
        known = [value for value in found if value is not None]
        return statistics.fmean(known) if known else None

    patients = tables[0].subjects[name]
    return {p: {label: average(p, label) for label in LESIONS} for p in patients}


def _gains_page(tables: Sequence[SegmenterTable]) -> str:
    """Gains over real images alone, corrected for their number."""
    theirs = _averaged(tables, REAL)
    rows = tables[0].rows[1:]
    gains = corrected(
        {
            (name, label): found
            for name in rows
            for label, found in subject_differences(
                _averaged(tables, name), theirs, LESIONS
            ).items()
        }
    )
    counts = ", ".join(str(table.patients) for table in tables)
    return page(
        f"Gain over real images alone, mean of {counts} training patients",
        ["Trained on", *(f"{label} gain" for label in LESIONS)],
        [
            [name, *(gain_cell(gains[name, label], "{:+.3f}") for label in LESIONS)]
            for name in rows
        ],
        [
            "Each patient's Dice is averaged over the numbers of training patients "
            "first. Gain: mean difference over patients, its 95 % interval, and the "
            "p-value of the paired t-test, with Holm's correction for all cells."
        ],
        simulated=tables[0].simulated,
    )
