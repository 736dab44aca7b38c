"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samr_jax.runtime.errors import InputError

MAX_JSON = 2**26
"""Bytes; a larger file is not one of ours."""

_NAME = re.compile(r"\w[\w .+()-]{0,99}")


def check_name(name: str, *, source: str) -> str:
    """Returns a name that may become part of a file's name, or refuses it.

    Letters, digits, blanks and ``_ . + - ( )`` are allowed, at most 100 and not a dot
    at the start: no name leads out of its folder, hides a file or breaks a page.

    Raises:
      InputError: says which name of `source` it is.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{source}: name {name[:100]!r}, expected letters, digits, blanks and "
            "_ . + - ( ), at most 100, the first one a letter or digit"
        )
    return name


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turns what the file system refuses into an `InputError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error})"
        ) from error


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which it becomes if all went well.

    Raises:
      InputError: the file system refuses (full, read-only, no permission).
    """
    path = Path(path)
    # The suffix stays last: libraries choose the format by it.
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
    """Yields a folder beside `path`, which it becomes if all went well.

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
            if path.exists():
                path.rmdir()
            os.replace(partial, path)


def check_new_directory(path: Path | str) -> Path:
    """Raises `InputError` if a path exists and is not an empty directory."""
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists already, expected a new directory")
    return path


def _to_disk(path: Path) -> None:
    """Waits for the disk: else the new name may outlive a power cut, empty."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(path: Path | str, text: str) -> None:
    """Writes a text file in one piece."""
    with replacing(path) as partial:
        partial.write_text(text)


def write_json(path: Path | str, content: Any) -> None:
    """Writes JSON in one piece; NaN is not JSON and is refused."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Reads JSON, or raises an `InputError` that says what is wrong with the file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_JSON + 1)
        if len(text) > MAX_JSON:
            raise ValueError(f"more than {MAX_JSON} characters")
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error


@contextlib.contextmanager
def locked(path: Path | str, *, wait: bool) -> Iterator[None]:
    """Holds a lock file; the lock dies with its process.

    Args:
      path: the lock file; its folder is made when missing.
      wait: for another holder to let go, rather than giving up.

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
    """Where built datasets and compiled programs are kept."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "samr_jax"
    return Path(os.environ.get("SAMR_JAX_CACHE", default)).expanduser()
