"""A CSV manifest: the layout for everything that has no layout."""

from __future__ import annotations

import csv
from pathlib import Path

from samr_jax.errors import InputError
from samr_jax.prepare.raw import LABELS_ROLE, Found, RawSubject

MANIFEST = "manifest.csv"

_IDENTITY = ("subject", "patient")


def find_manifest(path: Path) -> Found:
    """Reads a manifest.

    Its columns are ``subject``, optionally ``patient`` (where one has several time
    points), ``labels``, and the sequences' names; further ``brain`` (a mask),
    ``APTw-reference``, ``WM``, ``GM`` and ``CSF`` (the user's maps). Cells are files,
    relative to the manifest; an empty cell is a missing file. Values of the label maps
    are the paper's own codes unless ``--labels`` says otherwise.

    Raises:
      InputError: a column or cell is missing, or a subject occurs twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [c.strip() for c in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from error
    for needed in ("subject", LABELS_ROLE):
        if needed not in columns:
            raise InputError(f"{path}: no column {needed!r}, expected it in line 1")
    subjects: dict[str, RawSubject] = {}
    for line, row in enumerate(rows, start=2):
        raw = _subject(path, line, row, columns)
        if raw.name in subjects:
            raise InputError(f"{path}: line {line}: subject {raw.name!r} occurs twice")
        subjects[raw.name] = raw
    ordered = tuple(subjects[name] for name in sorted(subjects))
    return Found("manifest", ordered, "samr", common_space=False)


def _subject(path: Path, line: int, row: dict, columns: list[str]) -> RawSubject:
    name = (row["subject"] or "").strip()
    if not name:
        raise InputError(f"{path}: line {line}: subject is empty, expected a name")
    roles = [c for c in columns if c and c not in _IDENTITY]
    cells = {role: (row[role] or "").strip() for role in roles}
    return RawSubject(
        name=name,
        patient=(row.get("patient") or "").strip() or name,
        files={role: path.parent / cell for role, cell in cells.items() if cell},
        expected={role: Path(f"{path}, line {line}, column {role}") for role in roles},
    )
