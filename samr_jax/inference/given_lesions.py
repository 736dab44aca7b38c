"""Lesions of mask files, to be put into the brains of training patients."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import Volume, in_our_codes, read_labels
from samr_jax.data.resample import resample_labels
from samr_jax.inference.many_masks import find_masks
from samr_jax.inference.placement import check_lesion
from samr_jax.labels import LESION_LABELS
from samr_jax.prepare.subject.to_template import fit_affine
from samr_jax.runtime.errors import InputError

_log = logging.getLogger(__name__)

MAX_LOST = 0.1
"""Share of a lesion that may be lost without a warning, such as by resampling."""

_HINT = "are the masks in the space that --masks_space says?"


@dataclasses.dataclass(frozen=True)
class GivenLesions:
    """Masks whose lesions training patients get.

    Attributes:
      masks: name of the file, see `find_masks` -> label map of our codes.
      space: ``dataset`` for that of the dataset's atlas, or ``mni`` for MNI152's.
    """

    masks: Mapping[str, Volume]
    space: str = "dataset"

    @functools.cached_property
    def digest(self) -> str:
        """Identifies the names, the labels and their places."""
        found = hashlib.sha256(b"" if self.space == "dataset" else self.space.encode())
        for name, mask in sorted(self.masks.items()):
            found.update(f"{name} {mask.data.shape}".encode())
            found.update(mask.data.astype(np.uint8).tobytes())
            found.update(np.asarray(mask.affine, np.float64).tobytes())
        return found.hexdigest()[:12]

    def on_grid_of(self, dataset: Dataset) -> dict[str, np.ndarray]:
        """The masks as labels ``(Z, H, W)`` in the slices of a dataset.

        Masks in MNI space are carried by an affine map, which is found by registering
        the dataset's atlas with MNI152. A warning names each mask that loses more than
        `MAX_LOST` of its lesion.

        Raises:
          InputError: a mask has no lesion in these slices, or not in the atlas's brain.
        """
        motion = _from_mni(dataset) if self.space == "mni" else np.eye(4)
        found = {}
        for name, mask in self.masks.items():
            affine = motion @ mask.affine
            found[name] = resample_labels(mask.data, affine, dataset.grid)
            kept = _lesion_ml(found[name], dataset.grid.affine)
            whole = _lesion_ml(mask.data, affine)
            if kept == 0:
                low, high = dataset.grid.span
                raise InputError(
                    f"{mask.source}: no lesion in the dataset's slices, expected one "
                    f"at z = {low:.1f} to {high:.1f} mm; {_HINT}"
                )
            lesion = np.isin(found[name], LESION_LABELS)
            check_lesion(lesion, dataset.brain, mask.source, _HINT)
            if kept < (1 - MAX_LOST) * whole:
                _log.warning(
                    "warning: %s: %.1f ml of a lesion of %.1f ml are in the dataset's "
                    "slices",
                    mask.source,
                    kept,
                    whole,
                )
        return found


def read_lesions(
    given: Sequence[str], labels: str, space: str = "dataset"
) -> GivenLesions:
    """Reads masks.

    Args:
      given: files, folders or patterns; see `find_masks`.
      labels: preset of their codes; see `samr_jax.labels.PRESETS`.
      space: ``dataset`` for that of the dataset's atlas, or ``mni`` for MNI152's.

    Raises:
      InputError: there is no file, or one cannot be read or has other codes.
    """
    found = find_masks(given)
    return GivenLesions(
        {name: in_our_codes(read_labels(p), labels) for name, p in found.items()},
        space,
    )


def _from_mni(dataset: Dataset) -> np.ndarray:
    """The affine map ``(4, 4)`` from MNI152's millimetres to those of a dataset."""
    brain = (dataset.atlas[..., 0] + 1) * dataset.brain  # 0 outside
    source = str(dataset.directory)
    data = np.transpose(brain, (2, 1, 0))
    return fit_affine(Volume(data, dataset.grid.affine, source=source))


def _lesion_ml(labels: np.ndarray, affine: np.ndarray) -> float:
    """Millilitres of a label map that are lesion."""
    cell = abs(np.linalg.det(affine[:3, :3])) / 1000
    return float(cell * np.count_nonzero(np.isin(labels, LESION_LABELS)))
