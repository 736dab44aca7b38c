"""Finds a scan that is there twice, under the names of two patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from samr_jax.prepare.find.raw import RawSubject
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import digest_of


def check_patients_differ(
    subjects: Sequence[RawSubject], sequences: Sequence[str]
) -> None:
    """Refuses a scan that two patients share, since a test would see training data.

    Only files of equal size are read. Time points of one patient may share a scan.

    Args:
      subjects: the subjects that were found.
      sequences: the sequences to compare.

    Raises:
      InputError: names the first two files with the same content.
    """
    owners: dict[str, tuple[RawSubject, Path]] = {}
    for raw, path in _of_equal_size(subjects, sequences):
        try:
            other, first = owners.setdefault(digest_of(path), (raw, path))
        except OSError:
            continue  # The reason is told when the subject itself is prepared.
        if other.patient != raw.patient:
            raise InputError(
                f"{path}: has the same content as {first}, expected different scans of "
                f"the patients {raw.patient} and {other.patient}; if they are one "
                "patient, say so in the column patient of a manifest"
            )


def _of_equal_size(
    subjects: Sequence[RawSubject], sequences: Sequence[str]
) -> Iterator[tuple[RawSubject, Path]]:
    """The scans that have the same size as another scan, in the subjects' order."""
    by_size: dict[int, list[tuple[RawSubject, Path]]] = defaultdict(list)
    for raw in subjects:
        for name in sequences:
            path = raw.files.get(name)
            if path is not None and path.is_file():
                by_size[path.stat().st_size].append((raw, path))
    for scans in by_size.values():
        if len(scans) > 1:
            yield from scans
