"""The files of one subject, whatever the layout they come in."""

from __future__ import annotations

import dataclasses
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


def nifti_files(root: Path, pattern: str = "*") -> list[Path]:
    """NIfTI files under `root` whose names match, sorted, without hidden files."""
    paths = (p for p in root.rglob(f"{pattern}.nii*") if is_nifti(p))
    return sorted(p for p in paths if not p.name.startswith("."))


def dicom_files(root: Path) -> list[Path]:
    """All files of a folder that may be DICOM, sorted, without hidden files."""
    paths = (path for path in root.rglob("*") if not is_nifti(path) and path.is_file())
    return sorted(path for path in paths if not path.name.startswith("."))


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
