"""A CSV manifest: the layout for everything that has no layout."""

from __future__ import annotations

import csv
from pathlib import Path

from samr_jax.prepare.find.raw import LABELS_ROLE, Found, RawSubject
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name

MANIFEST = "manifest.csv"

MAX_SIZE = 2**25
"""Size in bytes beyond which a file cannot be a list of subjects."""

_IDENTITY = ("subject", "patient")


def find_manifest(path: Path) -> Found:
    """Reads a manifest.

    The columns are ``subject``, ``labels`` and the sequences' names. Optional columns
    are ``patient`` (if patients have several time points), ``brain`` (a mask),
    ``APTw-reference``, and ``WM``, ``GM`` and ``CSF`` (the user's tissue maps). A cell
    holds a file name relative to the manifest; an empty cell means that the file is
    missing. Values of the label maps are the paper's codes unless ``--labels`` says
    otherwise.

    Raises:
      InputError: a column or cell is missing, or a subject occurs twice.
    """
    columns, rows = _read(path)
    for name in ("subject", LABELS_ROLE, *filter(None, columns)):
        if columns.count(name) != 1:
            raise InputError(
                f"{path}: {columns.count(name)} columns {name!r}, expected one"
            )
    subjects: dict[str, RawSubject] = {}
    for line, row in enumerate(rows, start=2):
        raw = _subject(path, line, row, columns)
        if raw.name in subjects:
            raise InputError(f"{path}: line {line}: subject {raw.name!r} occurs twice")
        subjects[raw.name] = raw
    ordered = tuple(subjects[name] for name in sorted(subjects))
    return Found("manifest", ordered, "samr", common_space=False)


def _read(path: Path) -> tuple[list[str], list[dict]]:
    """The names of the columns, and each line as a dict by column."""
    try:
        if path.stat().st_size > MAX_SIZE:
            raise csv.Error(f"more than {MAX_SIZE} bytes")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [c.strip() for c in reader.fieldnames or ()]
            reader.fieldnames = columns
            return columns, list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from error


def _subject(path: Path, line: int, row: dict, columns: list[str]) -> RawSubject:
    where = f"{path}: line {line}"
    name = (row["subject"] or "").strip()
    if not name:
        raise InputError(f"{where}: subject is empty, expected a name")
    roles = [c for c in columns if c and c not in _IDENTITY]
    files = {role: _file(path, row[role], f"{where}: {role}") for role in roles}
    return RawSubject(
        name=check_name(name, source=where),
        patient=check_name((row.get("patient") or "").strip() or name, source=where),
        files={role: file for role, file in files.items() if file is not None},
        expected={role: Path(f"{path}, line {line}, column {role}") for role in roles},
    )


def _file(path: Path, cell: str | None, where: str) -> Path | None:
    """The file that a cell names, whether or not it exists; None for an empty cell."""
    cell = (cell or "").strip()
    if not cell:
        return None
    try:
        if not cell.isprintable():
            raise ValueError("control characters")
        (path.parent / cell).is_file()
    except (OSError, ValueError):
        raise InputError(f"{where} is {cell[:100]!r}, expected a file's name") from None
    return path.parent / cell
