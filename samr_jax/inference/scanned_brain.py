"""A lesion in the brain of a T1w scan, which the steps of the preparation segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import Volume, read_volume, same_grid
from samr_jax.inference.anatomy import TissueMaps, check_told
from samr_jax.inference.native_space import Native
from samr_jax.inference.patient import PlacedMask
from samr_jax.labels import BACKGROUND, LESION_LABELS
from samr_jax.prepare.grids import isotropic_over
from samr_jax.prepare.options import Options, Steps
from samr_jax.prepare.subject.failure import SubjectFailed
from samr_jax.prepare.subject.prepare_subject import segment_t1w
from samr_jax.prepare.subject.reference_brain import WORKING_SPACING_MM, working_grid
from samr_jax.prepare.subject.strip import best_stripper
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import digest_of


def put_into_scan(
    model: Model, mask: Volume, path: Path
) -> tuple[PlacedMask, TissueMaps]:
    """Puts the lesion of a mask into the brain of a scan.

    The scan is registered with the template if the model's training subjects were; if
    they were not, its header is trusted. Then it is stripped and segmented. Where the
    mask was drawn on the scan's voxels, its lesion is taken for a lesion of the scan:
    the maps have the template's tissue there. Normal brain of the mask does not count.

    Args:
      model: of a method that is told tissue maps.
      mask: label map of our codes, on the scan's voxels or in the space of the training
        data.
      path: a T1w scan, with or without skull.

    Returns:
      The lesion placed for images on the scan's voxels, and the brain's tissue maps on
      the grid of the training data.

    Raises:
      InputError: the scan cannot be used, the mask has no lesion, or the model is told
        no anatomy.
    """
    check_told(model)
    lesion = np.isin(mask.data, LESION_LABELS)
    if not lesion.any():
        raise InputError(f"{mask.source}: no lesion, expected one to put into {path}")
    scan = read_volume(path)
    drawn_on_scan = same_grid(mask, scan)
    at_place = lesion if drawn_on_scan else np.zeros(scan.data.shape, bool)
    try:
        alignment, maps = segment_t1w(scan, at_place, _options(model.dataset, scan))
    except SubjectFailed as error:
        raise InputError(f"{path}: {error.step} failed: {error.reason}") from error
    native = Native(scan.source, scan.data.shape, scan.affine, alignment.space)
    codes = np.where(lesion, mask.data, BACKGROUND)
    placed = PlacedMask.of(
        Volume(codes, mask.affine, mask.source), native, drawn_on_scan=drawn_on_scan
    )
    return placed, TissueMaps(maps, {"scan_sha256": digest_of(path)})


def _options(dataset: Dataset, scan: Volume) -> Options:
    """The options by which a dataset's subjects are prepared, for one T1w scan."""
    # The embedded phantom's brains lie in the template's space, too.
    aligned = dataset.provenance.get("align", dataset.simulated)
    working = working_grid()
    if not aligned:
        working = isotropic_over(scan.data.shape, scan.affine, WORKING_SPACING_MM)
    return Options(
        sequences=("T1w",),
        mapping={},
        grid=dataset.grid,
        working=working,
        steps=Steps(),
        stripper=best_stripper(),
        align=aligned,
        template=False,
    )
