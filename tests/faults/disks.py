"""Disks that are small or must not be written, for as long as a test needs them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class NotAllowed(Exception):
    """Only the administrator may mount, and not in every container."""


@contextlib.contextmanager
def small_disk(path: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system of its own, in memory, of a fixed size."""
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))
    try:
        yield path
    finally:
        _unmount(path)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[None]:
    """The folder refuses to be written; permissions would not stop the superuser."""
    _mount("--bind", str(path), str(path))
    try:
        _mount("-o", "remount,bind,ro", str(path))
        yield
    finally:
        _unmount(path)


@contextlib.contextmanager
def filled(disk: Path, *, leaving: int) -> Iterator[None]:
    """Fills the disk up to the last so many bytes, for a while."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(
            file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - leaving)
        )
    try:
        yield
    finally:
        ballast.unlink()


def _mount(*arguments: str) -> None:
    done = subprocess.run(
        ["mount", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotAllowed(f"mounting is not allowed here ({done.stderr.strip()})")


def _unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=True)
