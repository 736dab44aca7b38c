"""Syntheses of a folder of masks, with one compiled network in every process."""

from __future__ import annotations

import functools
import glob
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.inference.written import PROVENANCE
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name, check_writable
from samr_jax.runtime.processes import run_all
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
    read: Callable[[], Synthesizer],
    masks: Mapping[str, Path],
    output: Path,
    *,
    scheduler: str | None = None,
) -> list[Path]:
    """Synthesizes every mask into a folder of its name.

    What is done already is kept, so that the same call goes on after a crash. A mask
    that cannot be used does not stop the others.

    Args:
      read: gives what makes one synthesis. With a scheduler, it is called on other
        machines, so that it has to be picklable.
      masks: name -> file.
      output: directory of the folders.
      scheduler: address of a Dask scheduler whose workers see the same files.

    Returns:
      The folders.

    Raises:
      InputError: masks have failed; it names them after all others are done. Or the
        scheduler does not answer.
    """
    if output.is_file():
        raise InputError(f"{output}: a file, expected a directory")
    check_writable(output / PROVENANCE)
    synthesizer = read()
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

    def tell(result: tuple[str, str]) -> None:
        name, error = result
        if error:
            failed.append(name)
            _log.warning("failed: %s", error)

    calls = [
        functools.partial(_attempt, read, name, path, output.absolute() / name)
        for name, path in left.items()
    ]
    if scheduler:
        run_all(calls, label="masks", on_result=tell, scheduler=scheduler)
    else:
        with progress(len(calls), "masks") as shown:
            for call in calls:
                result = call()
                with shown.aside():
                    tell(result)
                shown.update()
    if failed:
        raise InputError(
            f"{len(failed)} of {len(masks)} masks failed: {', '.join(failed)}"
        )
    return [output / name for name in masks]


def _attempt(
    read: Callable[[], Synthesizer], name: str, mask: Path, folder: Path
) -> tuple[str, str]:
    """Synthesizes a mask; its name, and why it failed or an empty text."""
    try:
        read()(mask, folder)
    except InputError as error:
        return name, str(error)
    return name, ""


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
