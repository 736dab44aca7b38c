"""The TFDS builder: slices in ArrayRecord files, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from samr_jax.labels import TISSUES


class SamrSlices(tfds.core.GeneratorBasedBuilder):
    """Axial slices with label map, images and tissue prior.

    An instance holds ``subject`` (text), ``slice`` (its index on the dataset's grid),
    ``labels [H, W]`` uint8 codes, ``images [H, W, S]`` int16 (network intensity times
    32767) and ``tissue [H, W, 3]`` uint8 (probability times 255; absent where the
    dataset has none). The atlas depends on the slice index only. It is stored once, in
    the dataset's folder ``atlas``, and added when an instance is read
    (`samr_jax.data.dataset`).
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        *,
        data_dir: Path | str,
        size: tuple[int, int],
        sequences: int,
        tissue: bool,
        examples: Mapping[str, Iterable[dict]],
    ):
        """Args:
        data_dir: the dataset's directory.
        size: rows and columns of every slice.
        sequences: number of MR sequences ``S``.
        tissue: whether instances carry a tissue prior.
        examples: instances by split.
        """
        self._size = tuple(size)
        self._sequences = sequences
        self._tissue = tissue
        self._examples = examples
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "subject": tfds.features.Text(),
            "slice": np.int32,
            "labels": _array(self._size, np.uint8),
            "images": _array((*self._size, self._sequences), np.int16),
        }
        if self._tissue:
            features["tissue"] = _array((*self._size, len(TISSUES)), np.uint8)
        return _LocalInfo(
            builder=self,
            description="Slices of brain MR images with lesion labels.",
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # nothing is downloaded
        return {
            split: self._generate_examples(items)
            for split, items in self._examples.items()
        }

    def _generate_examples(self, items: Iterable[dict]) -> Iterator:
        # With shuffling disabled, TFDS requires integer keys in order.
        yield from enumerate(items)


class _LocalInfo(tfds.core.DatasetInfo):
    """The description of a dataset that is not among the public ones of TFDS."""

    def initialize_from_bucket(self) -> None:
        """Does nothing. TFDS would leave an empty folder in the temporary directory."""


def _array(shape: tuple[int, ...], dtype) -> tfds.features.Tensor:
    return tfds.features.Tensor(
        shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES
    )
