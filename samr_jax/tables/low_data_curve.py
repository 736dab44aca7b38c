"""The low-data curve: Table II by the number of real training patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from samr_jax.evaluation.drawing.charts import DicePoint, dice_chart
from samr_jax.labels import LABELS, LESION_LABELS
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from samr_jax.tables.augmentation_tables import ALONE
from samr_jax.tables.rows import BASELINE

REAL = "real images alone"


def draw_low_data_curve(workdirs: Sequence[Path | str], path: Path | str) -> None:
    """Draws Dice against the number of training patients, one panel a label.

    Args:
      workdirs: folders with a ``table2.json``, each made with another number of
        ``--train_patients`` and otherwise alike.
      path: PNG to write.

    Raises:
      InputError: a folder has no such table, or the tables cannot be compared.
    """
    tables = {Path(workdir): _read(Path(workdir)) for workdir in workdirs}
    first_place, first = next(iter(tables.items()))
    for place, table in tables.items():
        for field in ("hash", "folds", "series"):
            if table[field] != first[field]:
                raise InputError(
                    f"{place}: {field} {table[field]!r:.200}, expected that of "
                    f"{first_place}, {first[field]!r:.200}"
                )
    by_patients = {table["patients"]: table for table in tables.values()}
    if len(by_patients) < max(2, len(tables)):
        found = sorted(table["patients"] for table in tables.values())
        raise InputError(
            f"tables with {found} training patients, expected two or more numbers"
        )
    curves = {
        name: [by_patients[count]["points"][name] for count in sorted(by_patients)]
        for name in first["series"]
    }
    dice_chart(curves, sorted(by_patients), path=path, simulated=first["simulated"])


def _read(workdir: Path) -> dict:
    """What one table says: its number of patients, and a Dice for each label."""
    path = workdir / "table2.json"
    if not path.exists():
        raise InputError(f"{workdir}: no table2.json, expected a made table 2")
    content = read_json(path)
    try:
        points = {
            _name(block, title): _point(result["dice"])
            for block, results in content["results"].items()
            for title, result in results.items()
        }
        found = {
            "patients": content["train_patients"],
            "folds": content["folds"],
            "hash": content["dataset"]["hash"],
            "simulated": content["dataset"]["simulated"],
            "series": sorted(points, key=lambda name: (name != REAL, name)),
            "points": points,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: field missing or damaged ({error!r:.200})"
        ) from error
    if not isinstance(found["patients"], int):
        raise InputError(
            f"{path}: train_patients {found['patients']!r}, expected a number, from "
            "--train_patients"
        )
    return found


def _name(block: str, title: str) -> str:
    """What the segmenters of one row of one block were trained on."""
    if title == BASELINE:
        return REAL
    if block == ALONE:
        return f"{title} alone"
    return f"real + {float(block):g} × {title}"


def _point(dice: dict) -> dict[str, DicePoint]:
    """The mean Dice of each label and its interval."""
    return {
        label: DicePoint(float(dice["dice"][label]), dice["intervals"].get(label))
        for label in (LABELS[code] for code in LESION_LABELS)
    }
