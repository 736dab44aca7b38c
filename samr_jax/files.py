"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samr_jax.errors import InputError


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
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


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
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written ({error.strerror})"
        ) from error
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
