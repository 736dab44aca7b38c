"""Recognising which layout a folder of scans has."""

from __future__ import annotations

from pathlib import Path

from samr_jax.prepare.find.bids import find_bids
from samr_jax.prepare.find.manifest import MANIFEST, find_manifest
from samr_jax.prepare.find.named_files import NAMED_LAYOUTS
from samr_jax.prepare.find.raw import Found, dicom_files, is_dicom
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name

DICOM = "dicom"

LAYOUTS = ("manifest", "bids", DICOM, *NAMED_LAYOUTS)


def find_subjects(
    root: str | Path, layout: str = "auto", *, aptw_suffix: str = "APTw"
) -> Found:
    """Finds the subjects of a folder.

    Args:
      root: the folder, or a manifest.
      layout: a name of `LAYOUTS`. ``auto`` takes the manifest if there is one, then
        BIDS if there are ``sub-*/anat`` folders, then the naming scheme that most files
        follow.
      aptw_suffix: suffix of APTw files in BIDS.

    Raises:
      InputError: the folder does not exist, the layout is unknown, or no subject is
        found.
    """
    root = Path(root)
    if not root.exists():
        raise InputError(f"{root}: no such folder, expected one with subjects")
    if layout != "auto" and layout not in LAYOUTS:
        raise InputError(
            f"layout {layout!r} is unknown, expected auto or {', '.join(LAYOUTS)}"
        )
    if layout == DICOM:
        raise InputError(f"{root}: layout {DICOM}, expected a folder of DICOM series")
    manifest = root / MANIFEST if root.is_dir() else root
    if layout == "manifest" or (layout == "auto" and manifest.is_file()):
        found = find_manifest(manifest)
    elif layout == "bids" or (layout == "auto" and _looks_like_bids(root)):
        found = find_bids(root, aptw_suffix=aptw_suffix)
    else:
        found = _best_scheme(root, NAMED_LAYOUTS if layout == "auto" else (layout,))
    if not found.subjects:
        raise InputError(
            f"{root}: no subjects of layout {found.layout} in it, expected some; "
            f"the layouts are {', '.join(LAYOUTS)}"
        )
    for raw in found.subjects:
        for name in (raw.name, raw.patient):
            check_name(name, source=str(root))
    return found


def holds_dicom(root: str | Path, layout: str = "auto") -> bool:
    """Whether a folder is one of DICOM series, which `find_subjects` does not read.

    ``auto`` takes a folder for one if it has a DICOM file, but neither a manifest nor
    the folders of BIDS.
    """
    root = Path(root)
    if layout != "auto" or not root.is_dir():
        return layout == DICOM and root.is_dir()
    if (root / MANIFEST).is_file() or _looks_like_bids(root):
        return False
    return any(is_dicom(path) for path in dicom_files(root))


def _looks_like_bids(root: Path) -> bool:
    return any(root.glob("sub-*/anat")) or any(root.glob("sub-*/ses-*/anat"))


def _best_scheme(root: Path, names) -> Found:
    """The naming scheme that most files follow."""
    found = [NAMED_LAYOUTS[name].find(root, name) for name in names]
    best = max(found, key=lambda f: sum(len(s.files) for s in f.subjects))
    if not best.subjects and len(found) > 1:
        raise InputError(
            f"{root}: no subjects of a known layout in it, expected one of "
            f"{', '.join(LAYOUTS)}"
        )
    return best
