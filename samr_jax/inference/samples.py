"""Several syntheses of one mask, by a model that sees noise, and how they differ.

The samples show what mask, atlas and anatomy leave open. Each has its own noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.nifti import write_volume
from samr_jax.inference.volumes import SynthesizedVolume
from samr_jax.inference.written import by_file, check_sequences, write_volumes
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import new_directory


def check_samples(samples: int, model: Model) -> None:
    """Refuses several samples of a model that sees no noise.

    Raises:
      InputError: all samples would be the same.
    """
    if samples > 1 and not model.method.noise:
        raise InputError(
            f"samples {samples}: this run of {model.method.name} sees no noise, so "
            "that all samples are the same, expected 1 or a run with model.noise"
        )


@dataclasses.dataclass
class RunningDeviation:
    """The standard deviation of arrays that come one after the other (Welford 1962).

    Attributes:
      count: number of arrays so far.
      mean: their mean.
      squares: sum of the squared differences from the mean.
    """

    count: int = 0
    mean: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0

    def add(self, array: np.ndarray) -> None:
        """Takes a further array of the same shape into account."""
        self.count += 1
        before = array - self.mean
        self.mean = self.mean + before / self.count
        self.squares = self.squares + before * (array - self.mean)

    @property
    def value(self) -> np.ndarray:
        """The estimate from n arrays, with n - 1 in the denominator."""
        return np.sqrt(self.squares / (self.count - 1))


def write_samples(
    samples: Iterable[SynthesizedVolume],
    model: Model,
    output: Path | str,
    *,
    sequences: Sequence[str] | None = None,
    one_file: bool = False,
    **options,
) -> list[Path]:
    """Writes the samples of one mask; the directory appears whole or not at all.

    The first sample is written into `output`, the second into ``output/sample-2`` and
    so on. With two samples or more, ``<sequence>_std.nii.gz`` in `output` is the
    standard deviation over the samples in dataset units.

    Args:
      samples: syntheses on one grid. Each is written before the next is taken.
      model: the model that has made them.
      output: new directory.
      sequences: the sequences to write, by default all.
      one_file: whether all sequences are one file, here ``images_std.nii.gz``.
      **options: options of `samr_jax.inference.written.write_volumes`.

    Returns:
      The images, confidence maps, label maps and pictures, and the deviations.

    Raises:
      InputError: `output` exists and is not empty; nothing is overwritten.
    """
    deviation, written = RunningDeviation(), []
    with new_directory(output) as folder:
        for number, volume in enumerate(samples, start=1):
            place = folder if number == 1 else folder / f"sample-{number}"
            written += write_volumes(
                volume,
                model,
                place,
                sequences=sequences,
                one_file=one_file,
                **options,
            )
            deviation.add(volume.images)
        if deviation.count > 1:
            names = check_sequences(sequences, model.dataset)
            values = deviation.value
            channels = [values[..., volume.sequences.index(name)] for name in names]
            maps = by_file(channels, names, "_std", one_file=one_file)
            for file, part in maps.items():
                written.append(folder / file)
                write_volume(written[-1], part, volume.affine)
    return [Path(output) / path.relative_to(folder) for path in written]
