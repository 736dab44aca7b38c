"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samr_jax.runtime.errors import InputError

MAX_JSON = 2**26
"""Most characters of a JSON file; this package writes none that is larger."""

MAX_FOLDERS = 200
"""Most folders within each other. Python's recursion ends at about a thousand."""

_NAME = re.compile(r"\w[\w .+()-]{0,99}")


def check_name(name: str, *, source: str) -> str:
    """Returns `name` if it may be part of a file's name.

    Allowed are at most 100 letters, digits, blanks and ``_ . + - ( )``, the first one a
    letter, a digit or ``_``. Such a name cannot lead out of its folder, hide a file or
    break an HTML page.

    Args:
      name: the name.
      source: file or setting that the name comes from, for the error.

    Raises:
      InputError: the name is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{source}: name {name[:100]!r}, expected letters, digits, blanks and "
            "_ . + - ( ), at most 100, the first one a letter or digit"
        )
    return name


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turns an error of the file system into an `InputError` that names `path`."""
    folders = len(Path(path).parts)
    if folders > MAX_FOLDERS:
        raise InputError(
            f"{path}: {folders} folders within each other, expected at most "
            f"{MAX_FOLDERS}"
        )
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error})"
        ) from error


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path, which is renamed to `path` if no exception occurred.

    Raises:
      InputError: the file system refuses (full, read-only, no permission).
    """
    path = Path(path)
    # The suffix stays at the end, since libraries choose the format by it.
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _to_disk(partial)
            os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(path: Path | str) -> Iterator[Path]:
    """Yields a temporary folder, which is renamed to `path` if no exception occurred.

    Raises:
      InputError: `path` exists and is not empty, or the file system refuses.
    """
    path = check_new_directory(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}.partial-", dir=path.parent
        ) as scratch:
            partial = Path(scratch, "new")
            partial.mkdir()
            yield partial
            # Another process may have been faster.
            if check_new_directory(path).exists():
                path.rmdir()
            os.replace(partial, path)


def check_new_directory(path: Path | str) -> Path:
    """Returns `path` if a directory can be made there; an empty one may exist.

    Commands call this before their work, so that a mistake is told at once.

    Raises:
      InputError: something is there, the name is that of a NIfTI file, or the file
        system refuses.
    """
    path = Path(path)
    if path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path}: name of a file, expected that of a new directory")
    with writing(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path}: exists already, expected a new directory")
    return check_writable(path)


def check_new_file(path: Path | str) -> Path:
    """Returns `path` if a file can be made there; see `check_new_directory`.

    Raises:
      InputError: something is there, or the file system refuses.
    """
    path = Path(path)
    with writing(path):
        if path.exists():
            raise InputError(f"{path}: exists already, expected a new file")
    return check_writable(path)


def check_writable(path: Path | str) -> Path:
    """Returns `path` if a file or directory can be made, or replaced, there.

    Raises:
      InputError: the file system refuses.
    """
    path = Path(path)
    if not path.name:
        raise InputError(f"{path}: has no name of its own, expected a new name")
    with writing(path):
        path.exists()  # Raises if the name is too long.
        folder = next(above for above in path.absolute().parents if above.exists())
        # Only an attempt tells: a file system that is read-only refuses root, too.
        os.rmdir(tempfile.mkdtemp(prefix=".", dir=folder))
    return path


def _to_disk(path: Path) -> None:
    """Flushes a file to the disk, or it could be empty after a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's content; an `InputError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error})"
        ) from error


def write_text(path: Path | str, text: str) -> None:
    """Writes a text file; it appears whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text)


def write_json(path: Path | str, content: Any) -> None:
    """Writes a JSON file; it appears whole or not at all. NaN raises a ValueError."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Reads a JSON file; an `InputError` says if that is not possible, and why."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_JSON + 1)
        if len(text) > MAX_JSON:
            raise ValueError(f"more than {MAX_JSON} characters")
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turns an error about the content of a file into an `InputError` that names it.

    It serves code that takes fields from a record which this package has written, and
    which may have been damaged since.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as e:
        raise InputError(f"{path}: field missing or damaged ({e!r:.200})") from e


@contextlib.contextmanager
def locked(path: Path | str, *, wait: bool) -> Iterator[None]:
    """Holds a lock on a file; the lock ends with the process at the latest.

    Args:
      path: the lock file; its folder is made when missing.
      wait: whether to wait while another process holds the lock.

    Raises:
      InputError: the folder cannot be written, or another process holds the lock and
        `wait` is false.
    """
    path = Path(path)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(
                f"{path.parent}: another run is using it, expected a directory of its "
                "own"
            ) from None
        yield


def cache_directory() -> Path:
    """The folder for built datasets and compiled programs."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "samr_jax"
    return Path(os.environ.get("SAMR_JAX_CACHE", default)).expanduser()
