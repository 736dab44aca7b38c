"""The series of a study that serve as its sequences: the best ones or the user's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from samr_jax.prepare.dicom.geometry import Geometry
from samr_jax.prepare.dicom.recognise import recognise
from samr_jax.prepare.dicom.series import Series, Study
from samr_jax.runtime.errors import InputError

Row = tuple[Series, str | None, str]
"""A series, the sequence that it serves as or None, and the reason."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The use of every series of a study.

    Attributes:
      study: the study.
      rows: in the order of the study's series.
      refused: one line for each series that is a sequence but cannot be used.
    """

    study: Study
    rows: tuple[Row, ...]
    refused: tuple[str, ...]

    @property
    def chosen(self) -> dict[str, Series]:
        """Sequence -> series."""
        return {role: series for series, role, _ in self.rows if role is not None}


def choose(study: Study, wanted: Mapping[str, str | None]) -> Choice:
    """Chooses the series of a study.

    Of several series that are the same sequence the one with the smallest voxels is
    chosen, and of equal ones the last, since scans are repeated if they failed.

    Args:
      study: the study.
      wanted: the user's table: key of a series -> sequence or None. Series that it does
        not name are recognised.

    Raises:
      InputError: the table gives one sequence to two series of the study.
    """
    found = {series.key: _found(series, wanted) for series in study.series}
    stated = [role for key, (role, _) in found.items() if role and key in wanted]
    for role in stated:
        if stated.count(role) > 1:
            raise InputError(
                f"{stated.count(role)} series of {study.name} are {role}, expected one"
            )
    best = {
        role: _best([s for s in study.series if found[s.key][0] == role], wanted)
        for role in {role for role, _ in found.values() if role}
    }
    rows, refused = [], []
    for series in study.series:
        role, reason = found[series.key]
        if role and isinstance(series.volume, str):
            refused.append(f"{study.name}, {series}, {role}: {series.volume}")
            role, reason = None, f"{reason}, but {series.volume}"
        elif role and series is not best[role]:
            reason = f"{reason}, but {best[role]} is preferred"
            role = None
        rows.append((series, role, reason))
    return Choice(study, tuple(rows), tuple(refused))


def check_known(wanted: Mapping[str, str | None], studies: Sequence[Study]) -> None:
    """Raises an `InputError` if a table names a series that is not there."""
    known = {series.key for study in studies for series in study.series}
    missing = [key for key in wanted if key not in known]
    if missing:
        raise InputError(
            f"{len(missing)} of its keys are no series of the input, "
            f"the first is {missing[0]!r}, expected the table of this input"
        )


def _found(series: Series, wanted: Mapping[str, str | None]) -> tuple[str | None, str]:
    if series.key in wanted:
        return wanted[series.key], "the table says so"
    return recognise(series)


def _best(candidates: Sequence[Series], wanted: Mapping[str, str | None]) -> Series:
    """The user's series, else the finest of those that are volumes."""

    def order(indexed: tuple[int, Series]) -> tuple[bool, bool, float, int]:
        index, series = indexed
        volume = series.volume
        whole = isinstance(volume, Geometry)
        size = np.prod(volume.spacing) if isinstance(volume, Geometry) else 0.0
        return series.key not in wanted, not whole, round(float(size), 2), -index

    return min(enumerate(candidates), key=order)[1]
