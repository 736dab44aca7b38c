"""The files of one subject, whatever the layout they come in."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from samr_jax.runtime.errors import InputError

LABELS_ROLE = "labels"
"""Key of the lesion label map among a subject's files."""

BRAIN_ROLE = "brain"
"""Key of the user's own brain mask, on the voxels of the T1-weighted scan."""


def companion(sequence: str) -> str:
    """Key of the image that is registered instead of a map: APTw's unsaturated S0."""
    return f"{sequence}-reference"


@dataclasses.dataclass(frozen=True)
class RawSubject:
    """The files of one time point of one patient.

    Attributes:
      name: the identifier in the source, unique there.
      patient: the identifier of the patient, which all time points share.
      files: role -> file. A role is the name of a sequence, `LABELS_ROLE`,
        `BRAIN_ROLE`, ``APTw-reference``, or WM, GM or CSF for the user's own maps.
      expected: role -> the file name by which the layout would call it.
      registered: whether the layout promises that the scans are co-registered.
    """

    name: str
    patient: str
    files: Mapping[str, Path]
    expected: Mapping[str, Path]
    registered: bool = False

    def file(self, role: str) -> Path:
        """The file of `role`; an `InputError` names the file that is missing."""
        if role not in self.files:
            wanted = self.expected.get(role, "none: the layout has no such file")
            raise InputError(f"{role} is missing, expected {wanted}")
        return self.files[role]


@dataclasses.dataclass(frozen=True)
class Found:
    """The subjects that a folder holds.

    Attributes:
      layout: name of the layout.
      subjects: sorted by name.
      labels: label preset of the annotation, or value -> label code.
      common_space: whether the layout promises that all subjects are aligned with one
        atlas, as in the challenges.
    """

    layout: str
    subjects: tuple[RawSubject, ...]
    labels: str | Mapping[int, int]
    common_space: bool


def files_under(root: Path) -> list[Path]:
    """All files of a folder and of the folders below it, sorted, without hidden ones.

    Links to folders are followed, since git-annex, DataLad and many archives link to
    the folders of the subjects. A folder that can be reached in several ways is read
    once, without a link if possible, so that links cannot form an endless loop. A link
    that leads to a folder above itself is not followed.
    """
    read: set[Path] = set()
    found: list[Path] = []
    starts = [root]
    while starts:
        links = []
        for folder, below, names in itertools.chain.from_iterable(map(os.walk, starts)):
            place = Path(folder).resolve()
            # `os.walk` goes on into the folders that are left in `below`, except links.
            below[:] = [] if place in read else filter(_is_shown, below)
            if place not in read:
                read.add(place)
                found += [Path(folder, name) for name in filter(_is_shown, names)]
            for path in (Path(folder, name) for name in below):
                if path.is_symlink() and not place.is_relative_to(path.resolve()):
                    links.append(path)
        starts = sorted(links)
    return sorted(found)


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def nifti_files(root: Path, start: str = "") -> list[Path]:
    """NIfTI files under `root` whose names begin with `start`; see `files_under`."""
    return [p for p in files_under(root) if is_nifti(p) and p.name.startswith(start)]


def dicom_files(root: Path) -> list[Path]:
    """All files of a folder that may be DICOM; see `files_under`."""
    return [p for p in files_under(root) if not is_nifti(p) and p.is_file()]


def is_dicom(path: Path) -> bool:
    """Whether a file says of itself that it is DICOM."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def stem(path: Path) -> str:
    """The file's name up to ``.nii``."""
    return path.name.split(".nii")[0]


def is_nifti(path: Path) -> bool:
    """Whether a file's name is that of a NIfTI file."""
    return path.name.endswith((".nii", ".nii.gz"))
