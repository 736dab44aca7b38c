"""The slices of a dataset's split: random access to its TFDS records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.window import pack
from samr_jax.labels import LABELS
from samr_jax.runtime.errors import InputError

if TYPE_CHECKING:
    from samr_jax.data.dataset import Dataset

RECORDS = Path("samr_slices") / "1.0.0"
"""Folder of the records in a dataset's folder."""


class Instances(Protocol):
    """Random access to instances, which is what batches need; see `Slices`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict: ...


class Slices:
    """The instances of a split, as a sequence with random access.

    ``slices[i]`` is a dictionary of ``labels [H, W]`` uint8, ``images [H, W, S]`` and
    ``atlas [H, W, 3 S]`` int16 (network intensity times 32767), ``tissue [H, W, 3]``
    uint8 (probability times 255), ``subject`` and ``slice``.
    """

    def __init__(self, dataset: Dataset, name: str):
        self.dataset = dataset
        self.name = name
        self._source = _open_records(dataset, name)
        self._atlas = stack_neighbours(pack(dataset.atlas))

    def __len__(self) -> int:
        return 0 if self._source is None else len(self._source)

    def __iter__(self) -> Iterator[dict]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"slice {index} of {len(self)}")
        try:
            instance = dict(self._source[int(index)])
            instance["subject"] = instance["subject"].decode()
            if instance["labels"].max() >= len(LABELS) or instance["slice"] < 0:
                raise ValueError("values out of range")
            instance["atlas"] = self._atlas[instance["slice"]]
        # A damaged record raises anything, in TFDS, in its native reader or here. An
        # IndexError would be taken for the end of the split.
        except Exception as error:
            raise InputError(
                f"{self.dataset.directory / RECORDS}: slice {index} of {self.name} is "
                f"damaged ({type(error).__name__})"
            ) from error
        return instance


def _open_records(dataset: Dataset, split: str):
    """Opens the records of a split for random access; None if it has no subjects."""
    if not dataset.splits[split]:
        return None
    path = dataset.directory / RECORDS
    # Imported here because it takes a second, and the atlas does not need it.
    from samr_jax.data.tfds_builder import SamrSlices

    try:
        # tfds.builder_from_directory would import any module that features.json names.
        # Here the features come from the description.
        builder = SamrSlices(
            data_dir=dataset.directory,
            size=dataset.grid.size,
            sequences=len(dataset.sequences),
            tissue=dataset.has_tissue,
            examples={},
        )
        return builder.as_data_source(split)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        if isinstance(error, MemoryError) or "can't start new thread" in lines[0]:
            raise MemoryError(lines[0]) from error  # The files may be whole.
        raise InputError(
            f"{path}: not readable as TFDS records ({type(error).__name__}: "
            f"{lines[0]:.200})"
        ) from error
