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
    """Key of the image that is registered in place of a map: APTw's unsaturated S0."""
    return f"{sequence}-reference"


@dataclasses.dataclass(frozen=True)
class RawSubject:
    """The files of one time point of one patient.

    Attributes:
      name: identifier in the source, unique in it.
      patient: who it is; several time points share one.
      files: sequence name or another role -> file. The others are `LABELS_ROLE`,
        `BRAIN_ROLE`, ``APTw-reference``, and WM, GM and CSF for the user's own maps.
      expected: the same keys -> the file that the layout would have there.
      registered: whether the layout promises that the files lie together.
    """

    name: str
    patient: str
    files: Mapping[str, Path]
    expected: Mapping[str, Path]
    registered: bool = False

    def file(self, role: str) -> Path:
        """The file of `role`; its absence is an `InputError` that names it."""
        if role not in self.files:
            wanted = self.expected.get(role, "none: the layout has no such file")
            raise InputError(f"{role} is missing, expected {wanted}")
        return self.files[role]


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
      layout: how its files are named.
      subjects: sorted by name.
      labels: a preset's name, or values -> codes, of the annotation.
      common_space: whether the layout promises that subjects lie alike, as the
        challenges do, which align them with an atlas.
    """

    layout: str
    subjects: tuple[RawSubject, ...]
    labels: str | Mapping[int, int]
    common_space: bool


def nifti_files(root: Path, pattern: str = "*") -> list[Path]:
    """NIfTI files under `root` that match, sorted; hidden ones are left out."""
    paths = (p for p in root.rglob(f"{pattern}.nii*") if _is_nifti(p))
    return sorted(p for p in paths if not p.name.startswith("."))


def stem(path: Path) -> str:
    """The file's name without ``.nii`` and what follows."""
    return path.name.split(".nii")[0]


def _is_nifti(path: Path) -> bool:
    return path.name.endswith((".nii", ".nii.gz"))
