"""The NIfTI files among DICOM files: annotations of lesions, and masks of brains.

A viewer writes them with its own header, so they are written anew without free text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from samr_jax.data.nifti import read_labels, write_volume
from samr_jax.prepare.cohort.cache import cache_key
from samr_jax.prepare.dicom.series import Study
from samr_jax.prepare.find.raw import BRAIN_ROLE, LABELS_ROLE, nifti_files, stem
from samr_jax.runtime.errors import InputError

Masks = dict[str, list[Path]]
"""Role (`LABELS_ROLE` or `BRAIN_ROLE`) -> files."""


def masks_by_study(
    root: Path, studies: Sequence[Study]
) -> tuple[dict[str, Masks], int]:
    """Finds the study that each NIfTI file belongs to.

    It is the only study with images in the file's folder and below, or else in the
    nearest folder above that has any. A file is a brain mask if its name has the word
    "brain" in it, and an annotation otherwise.

    Returns:
      Name of a study -> its masks, and the number of files that belong to no study or
      to several.
    """
    found: dict[str, Masks] = {study.name: defaultdict(list) for study in studies}
    stray = 0
    for path in nifti_files(root):
        owners = _owners(path.parent, root, studies)
        if len(owners) == 1:
            role = BRAIN_ROLE if "brain" in stem(path).lower() else LABELS_ROLE
            found[owners[0].name][role].append(path)
        else:
            stray += 1
    return found, stray


def _owners(folder: Path, root: Path, studies: Sequence[Study]) -> list[Study]:
    for place in (folder, *folder.parents):
        owners = [study for study in studies if _lies_under(study, place)]
        if owners or place == root:
            return owners
    return []


def _lies_under(study: Study, folder: Path) -> bool:
    """Whether the study has images in a folder or below."""
    if study.folder.is_relative_to(folder):
        return True
    if not folder.is_relative_to(study.folder):
        return False
    paths = (path for series in study.series for path in series.files)
    return any(path.is_relative_to(folder) for path in paths)


def clean_copy(path: Path, folder: Path, role: str) -> Path | str:
    """Copies a mask without the free text of its header, unless that has been done.

    Returns:
      The copy, or one line that says why the mask cannot be read.
    """
    copy = folder / f"{role}_{cache_key({role: path}, {})[:12]}.nii.gz"
    if copy.is_file():
        return copy
    try:
        mask = read_labels(path)
    except InputError as error:
        return str(error).replace(str(path), f"the file of {role}")
    write_volume(copy, mask.data, mask.affine)
    return copy
