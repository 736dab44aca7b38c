"""Syntheses of a folder of masks, one after the other, with one compiled network."""

from __future__ import annotations

import glob
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.inference.written import PROVENANCE
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name, check_writable
from samr_jax.runtime.progress import progress
from samr_jax.runtime.records import anything, each, read_record

_log = logging.getLogger(__name__)

_SUFFIXES = (".nii", ".nii.gz")


def find_masks(given: Sequence[str]) -> dict[str, Path]:
    """The mask files that a user means, by names that differ.

    Args:
      given: files, folders, whose NIfTI files are taken, and patterns such as
        ``BraTS/*/*_seg.nii.gz``.

    Returns:
      Name -> file. The name is the file's up to ``.nii``, preceded by the names of its
      folders as far as files of the same name need them.

    Raises:
      InputError: a folder or pattern has no mask.
    """
    paths = sorted({path.absolute() for text in given for path in _expand(text)})
    depth, names = 1, [_name(path, 1) for path in paths]
    while len(set(names)) < len(names) and depth < max(len(p.parts) for p in paths):
        depth += 1
        names = [_name(path, depth) for path in paths]
    for name, path in zip(names, paths, strict=True):
        if names.count(name) > 1:
            raise InputError(f"{path}: has the name of another mask, expected one name")
        check_name(name, source=str(path))
    return dict(zip(names, paths, strict=True))


def synthesize_masks(
    synthesizer: Synthesizer, masks: Mapping[str, Path], output: Path
) -> list[Path]:
    """Synthesizes every mask into a folder of its name.

    What is done already is kept, so that the same call goes on after a crash. A mask
    that cannot be used does not stop the others.

    Args:
      synthesizer: makes one synthesis.
      masks: name -> file.
      output: directory of the folders.

    Returns:
      The folders.

    Raises:
      InputError: masks have failed; it names them after all others are done.
    """
    if output.is_file():
        raise InputError(f"{output}: a file, expected a directory")
    check_writable(output / PROVENANCE)
    failed: list[str] = []
    left: dict[str, Path] = {}
    for name, path in masks.items():
        try:
            if not _is_done(synthesizer, path, output / name):
                left[name] = path
        except InputError as error:
            failed.append(name)
            _log.warning("failed: %s", error)
    if done := len(masks) - len(left) - len(failed):
        _log.info("%d of %d masks are done already", done, len(masks))
    with progress(len(left), "masks") as shown:
        for name, path in left.items():
            try:
                synthesizer(path, output / name)
            except InputError as error:
                failed.append(name)
                with shown.aside():
                    _log.warning("failed: %s", error)
            shown.update()
    if failed:
        raise InputError(
            f"{len(failed)} of {len(masks)} masks failed: {', '.join(failed)}"
        )
    return [output / name for name in masks]


def _is_done(synthesizer: Synthesizer, mask: Path, folder: Path) -> bool:
    """Whether a folder has the synthesis of a mask.

    Raises:
      InputError: the folder has something else.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return False
    record = folder / PROVENANCE
    made_from = read_record(record, each(anything)) if record.exists() else {}
    if made_from.get("request") != synthesizer.request(mask):
        raise InputError(
            f"{folder}: made from another mask or with other options, expected another "
            "--output"
        )
    return True


def _expand(text: str) -> list[Path]:
    """The mask files that one of a user's texts means."""
    path = Path(text)
    if path.is_dir():
        found = [file for file in path.iterdir() if _is_mask(file)]
        expected = f"masks in it, or a pattern such as {text}/*/*seg.nii.gz"
    elif is_pattern(text):
        found = [Path(file) for file in glob.glob(text, recursive=True)]
        found = [file for file in found if _is_mask(file)]
        expected = "files that match"
    else:
        found, expected = [path] if path.is_file() else [], "a mask"
    if not found:
        raise InputError(f"{text}: no NIfTI file, expected {expected}")
    return found


def is_pattern(text: str) -> bool:
    """Whether a path has the wildcards ``*``, ``?`` or ``[...]``."""
    return glob.has_magic(text)


def _is_mask(path: Path) -> bool:
    return path.name.endswith(_SUFFIXES) and not path.name.startswith(".")


def _name(path: Path, depth: int) -> str:
    """A file's name up to ``.nii``, after ``depth - 1`` names of its folders."""
    folders, stem = path.parent.parts[1:], path.name.split(".nii")[0]
    return "_".join((*folders[max(len(folders) - depth + 1, 0) :], stem))
