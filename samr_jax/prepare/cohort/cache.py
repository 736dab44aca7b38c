"""Prepared subjects on disk, so that a second run goes on where the first run ended."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.subject import Subject
from samr_jax.prepare.subject.pictures import STAGES
from samr_jax.prepare.subject.prepare_subject import Prepared
from samr_jax.runtime.files import replacing

VERSION = 7
"""To be raised whenever a change of the code changes a prepared subject."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A prepared subject in a file, and the little that the whole cohort needs of it.

    Attributes:
      name: the subject's name in the dataset.
      patient: the patient's name in the dataset.
      path: the file.
      profile: number of brain voxels in each slice ``(Z,)``.
      record: what each step did.
      channels: the channels of the file that are read, in this order; None for all.
    """

    name: str
    patient: str
    path: Path
    profile: np.ndarray
    record: Mapping
    channels: tuple[int, ...] | None = None

    def has(self, sequences: Sequence[str]) -> bool:
        """Whether the subject has all of these sequences."""
        return set(sequences) <= set(self.record["sequences"])

    def only(self, sequences: Sequence[str]) -> Stored:
        """The subject with some of its sequences, in this order."""
        held = self.record["sequences"]
        coverage = {name: self.record["coverage"][name] for name in sequences}
        return dataclasses.replace(
            self,
            record={**self.record, "coverage": coverage},
            channels=tuple(held.index(name) for name in sequences),
        )

    @property
    def _read(self) -> list[int] | slice:
        return slice(None) if self.channels is None else list(self.channels)

    def load(self) -> Subject:
        """The subject itself."""
        with np.load(self.path, allow_pickle=False) as arrays:
            labels = arrays["labels"]
            values = arrays["values"][:, self._read]
            images = np.zeros((*labels.shape, values.shape[-1]), np.float32)
            images[labels > 0] = values
            tissue = arrays.get("tissue")
        if tissue is not None:
            tissue = tissue.astype(np.float32) / 255
        return Subject(self.name, images, labels, tissue, self.patient)

    def working(self) -> np.ndarray:
        """The images on the working grid, ``(Z, H, W, S)`` float32."""
        with np.load(self.path, allow_pickle=False) as arrays:
            images = arrays["working"][..., self._read].astype(np.float32)
            return images * arrays["peaks"][self._read]

    def pictures(self) -> dict[str, np.ndarray]:
        """The pictures of the subject after each step."""
        with np.load(self.path, allow_pickle=False) as arrays:
            names = [n for n in arrays.files if n.startswith("picture ")]
            found = {name.removeprefix("picture "): arrays[name] for name in names}
        return found | {stage: found[stage][self._read] for stage in STAGES}


def cache_key(files: Mapping[str, Path], settings: Mapping) -> str:
    """A hash of everything that a result depends on.

    It covers the path, size and time of each input file, and the settings.
    """
    stamps = {
        role: (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for role, path in sorted(files.items())
        if path.exists()
    }
    text = json.dumps([VERSION, stamps, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def store(prepared: Prepared, path: Path) -> Stored:
    """Writes a subject to `path`; the file appears whole or not at all."""
    subject = prepared.subject
    arrays: dict[str, Any] = {
        "labels": subject.labels,
        "values": subject.images[subject.labels > 0],
        "profile": prepared.profile,
        "record": np.array(json.dumps(prepared.record)),
        **{f"picture {name}": view for name, view in prepared.pictures.items()},
    }
    if subject.tissue is not None:
        arrays["tissue"] = np.round(subject.tissue * 255).astype(np.uint8)
    if prepared.working is not None:
        peaks = np.maximum(np.abs(prepared.working).max(axis=(0, 1, 2)), 1e-6)
        # Half precision has three digits, more than a scanner gives.
        arrays["working"] = (prepared.working / peaks).astype(np.float16)
        arrays["peaks"] = peaks.astype(np.float32)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return Stored(
        subject.name,
        subject.patient or subject.name,
        path,
        prepared.profile,
        prepared.record,
    )


def find_stored(name: str, patient: str, path: Path) -> Stored | None:
    """The subject that an earlier run wrote to `path`; None if absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            record = json.loads(str(arrays["record"]))
            return Stored(name, patient, path, arrays["profile"], record)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
