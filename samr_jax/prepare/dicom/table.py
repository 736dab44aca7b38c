"""The table of all series, which a user can correct and give back.

A line is a series. Only the columns ``sequence`` and ``key`` are read. ``sequence`` is
what the series is used as, or ``-`` for a series that is not used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from samr_jax.prepare.dicom.choice import Choice
from samr_jax.prepare.dicom.geometry import Geometry
from samr_jax.prepare.dicom.series import Series
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name, write_text

UNUSED = "-"
MAX_SIZE = 2**25
"""Size in bytes beyond which a file cannot be a table of series."""

_FACTS: Mapping[str, Callable[[Series], str]] = {
    "series": lambda one: str(one.number or ""),
    "description": lambda one: one.description,
    "contrast_agent": lambda one: "yes" if one.contrast else "no",
    "TE_ms": lambda one: _number(one.echo_time),
    "TR_ms": lambda one: _number(one.repetition_time),
    "TI_ms": lambda one: _number(one.inversion_time),
    "voxels": lambda one: _product(one, "shape"),
    "size_mm": lambda one: _product(one, "spacing"),
    "key": lambda one: one.key,
}


def write_table(path: Path, choices: Sequence[Choice]) -> None:
    """Writes what was chosen and why, with the parameters of all series."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter="\t", lineterminator="\n")
    rows.writerow(("subject", "sequence", "reason", *_FACTS))
    for choice in choices:
        for series, role, reason in choice.rows:
            facts = [fact(series) for fact in _FACTS.values()]
            rows.writerow((choice.study.name, role or UNUSED, reason, *facts))
    write_text(path, text.getvalue())


def read_table(path: Path) -> dict[str, str | None]:
    """Key of a series -> sequence, or None for a series that is not used.

    Raises:
      InputError: the file is no such table.
    """
    try:
        if path.stat().st_size > MAX_SIZE:
            raise csv.Error(f"more than {MAX_SIZE} bytes")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a table ({error})") from error
    if not rows or not {"key", "sequence"} <= set(rows[0]):
        raise InputError(
            f"{path}: expected a table with columns sequence and key, separated by tabs"
        )
    wanted: dict[str, str | None] = {}
    for line, row in enumerate(rows, start=2):
        key, role = ((row[name] or "").strip() for name in ("key", "sequence"))
        if not key or key in wanted:
            fault = "occurs twice" if key else "is empty"
            raise InputError(f"{path}: line {line}: key {key!r} {fault}, expected one")
        if not role:
            raise InputError(
                f"{path}: line {line}: sequence is empty, expected a sequence or "
                f"{UNUSED}"
            )
        where = f"{path}: line {line}"
        wanted[key] = None if role == UNUSED else check_name(role, source=where)
    return wanted


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _product(series: Series, field: str) -> str:
    """Numbers of three axes, as in ``256 x 256 x 24``; empty without a volume."""
    if not isinstance(series.volume, Geometry):
        return ""
    return " x ".join(f"{value:.4g}" for value in getattr(series.volume, field))
