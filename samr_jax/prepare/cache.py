"""Prepared subjects on disk, so that a second run goes on where the first one ended."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from samr_jax.data.subject import Subject
from samr_jax.files import replacing


@dataclasses.dataclass(frozen=True)
class Stored:
    """A subject in a file, with what is needed to plan the dataset from it.

    Attributes:
      name: the subject's name.
      path: the file.
      profile: brain voxels of each slice ``(Z,)``.
    """

    name: str
    path: Path
    profile: np.ndarray

    def load(self) -> Subject:
        """The subject itself."""
        with np.load(self.path, allow_pickle=False) as arrays:
            labels = arrays["labels"]
            images = np.zeros((*labels.shape, arrays["values"].shape[-1]), np.float32)
            images[labels > 0] = arrays["values"]
            tissue = arrays.get("tissue")
            patient = str(arrays["patient"])
        return Subject(self.name, images, labels, tissue, patient)


def cache_key(files: Mapping[str, Path], settings: Mapping) -> str:
    """Names what a result depends on: each input's size and time, and the settings."""
    stamps = {
        role: (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for role, path in sorted(files.items())
        if path.exists()
    }
    text = json.dumps([stamps, settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def store(subject: Subject, path: Path) -> Stored:
    """Writes the subject's brain voxels to `path`, all of it or nothing."""
    arrays = {
        "labels": subject.labels,
        "values": subject.images[subject.labels > 0],
        "patient": np.array(subject.patient or subject.name),
    }
    if subject.tissue is not None:
        arrays["tissue"] = subject.tissue
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return Stored(subject.name, path, _profile(subject.labels))


def find_stored(name: str, path: Path) -> Stored | None:
    """The subject that an earlier run left at `path`, if there is one."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return Stored(name, path, _profile(arrays["labels"]))


def _profile(labels: np.ndarray) -> np.ndarray:
    return np.count_nonzero(labels, axis=(1, 2))
