"""Finds the subjects of a folder of DICOM series, and converts their scans."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from samr_jax.prepare.dicom.annotation import Masks, clean_copy, masks_by_study
from samr_jax.prepare.dicom.choice import Choice, check_known, choose
from samr_jax.prepare.dicom.convert import check_converter, convert
from samr_jax.prepare.dicom.headers import check_pydicom
from samr_jax.prepare.dicom.series import Study, read_studies
from samr_jax.prepare.dicom.table import read_table, write_table
from samr_jax.prepare.find.layouts import DICOM
from samr_jax.prepare.find.raw import LABELS_ROLE, Found, RawSubject
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_text
from samr_jax.runtime.processes import run_all
from samr_jax.sequences import SEQUENCES

TABLE = "series.tsv"
FOLDERS = "folders.csv"
"""Tells which folder of the source holds which study. It is not to be shared."""

Log = Callable[[str], None]


def find_dicom(
    root: Path, work: Path, *, table: Path | None, log: Log, **pool: Any
) -> Found:
    """Finds and converts the studies of a folder.

    Every study with a usable series is a subject, and its patient is the one that the
    headers name. Neither the result, nor the lines, nor the files hold a name, a date
    or a UID; only `FOLDERS` names folders of the source.

    Args:
      root: the folder.
      work: gets the volumes, the table of all series and `FOLDERS`.
      table: the user's corrected table, or None.
      log: receives lines for the user.
      **pool: of `samr_jax.runtime.processes.run_all`.

    Raises:
      InputError: a tool is missing, the table does not fit, or no series can be used.
    """
    check_pydicom()
    check_converter()
    wanted = {} if table is None else read_table(table)
    studies, unreadable = read_studies(root)
    if unreadable:
        log(f"{unreadable} DICOM files are left out: damaged, or without an image")
    try:
        check_known(wanted, studies)
        choices = [choose(study, wanted) for study in studies]
    except InputError as error:
        raise InputError(f"{table}: {error}") from error
    write_table(work / TABLE, choices)
    _write_folders(work / FOLDERS, root, studies)
    for choice in choices:
        for line in _lines(choice):
            log(line)
    log(f"to choose other series, correct {work / TABLE} and name it by --series")
    choices = [choice for choice in choices if choice.chosen]
    if not choices:
        raise InputError(
            f"{root}: no series of a known sequence among {len(studies)} studies, "
            f"expected one or more; see {work / TABLE}"
        )
    masks, stray = masks_by_study(root, [choice.study for choice in choices])
    if stray:
        log(f"{stray} NIfTI files are left out: not in the folder of one study")
    files = _convert_all(choices, work, log, **pool)
    subjects = []
    for choice in choices:
        name = choice.study.name
        held = files[name] | _masks(choice, masks[name], work, log)
        expected = _expected(choice, work)
        subjects.append(RawSubject(name, choice.study.patient, held, expected))
    return Found(DICOM, tuple(subjects), "samr", common_space=False)


def _lines(choice: Choice) -> list[str]:
    """What is used of a study, and what cannot be used."""
    used = ", ".join(f"{role} is {series}" for role, series in choice.chosen.items())
    others = len(choice.rows) - len(choice.chosen)
    return [
        f"{choice.study.name}: {used or 'no sequence'}; {others} series not used",
        *choice.refused,
    ]


def _convert_all(
    choices: Sequence[Choice], work: Path, log: Log, **pool: Any
) -> dict[str, dict[str, Path]]:
    """Name of a study -> sequence -> volume; `log` receives why one is missing."""
    keys = [
        (choice.study.name, role, series)
        for choice in choices
        for role, series in choice.chosen.items()
    ]
    calls = [
        functools.partial(convert, series, work / name, role)
        for name, role, series in keys
    ]
    files: dict[str, dict[str, Path]] = {choice.study.name: {} for choice in choices}
    results = run_all(calls, label="converting", **pool)
    for (name, role, series), found in zip(keys, results, strict=True):
        if isinstance(found, str):
            log(f"{name}, {series}, {role}: {found}")
        else:
            files[name][role] = found
    return files


def _masks(choice: Choice, masks: Masks, work: Path, log: Log) -> dict[str, Path]:
    """The annotation and the brain mask of a study, as clean copies."""
    copies = {}
    for role, paths in masks.items():
        if len(paths) > 1:
            log(f"{choice.study.name}: {len(paths)} files of {role}, expected one")
            continue
        found = clean_copy(paths[0], work / choice.study.name, role)
        if isinstance(found, str):
            log(f"{choice.study.name}: {found}")
        else:
            copies[role] = found
    return copies


def _expected(choice: Choice, work: Path) -> dict[str, Path]:
    """Role -> where it was looked for, as text for the error if it is missing."""
    where = f"a series of {choice.study.name} in {work / TABLE}"
    labels = f"one NIfTI file in the folder of {choice.study.name} ({work / FOLDERS})"
    return {LABELS_ROLE: Path(labels)} | dict.fromkeys(SEQUENCES, Path(where))


def _write_folders(path: Path, root: Path, studies: Sequence[Study]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("subject", "folder"))
    rows.writerows((study.name, study.folder.relative_to(root)) for study in studies)
    write_text(path, text.getvalue())
