"""From the dataset's space and units back to those of a patient's own scan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset
from samr_jax.data.nifti import Volume, check_same_grid, read_volume
from samr_jax.data.resample import resample, resample_inside, resample_labels
from samr_jax.data.subject import Grid
from samr_jax.data.window import fit_window
from samr_jax.prepare.report.provenance import RECORDS
from samr_jax.prepare.report.recorded import (
    read_records,
    standard_scale,
    standard_scales,
)
from samr_jax.prepare.subject.landmarks import landmarks
from samr_jax.prepare.subject.strip import (
    SMALLEST_ML,
    best_stripper,
    check_brain,
    has_skull,
    strip,
)
from samr_jax.prepare.subject.to_template import register_to_template
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import digest_of
from samr_jax.sequences import MRSequence

Scales = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Sequence -> increasing values in the dataset's unit, and the same in the patient's;
see `samr_jax.prepare.subject.landmarks.piecewise_linear`. Quantitative maps need
none."""


@dataclasses.dataclass(frozen=True)
class Native:
    """A patient's own space and units.

    Attributes:
      source: name of the scan, for messages.
      shape: the scan's voxels ``(X, Y, Z)``.
      affine: from voxel indices of the scan to RAS+ millimetres.
      from_dataset: 4 x 4, from RAS+ millimetres of the dataset to those of the scan.
      scales: the units of the sequences whose own scan is known.
      recorded: True if all this comes from the record of the preparation, False if it
        was measured on the scan.
    """

    source: str
    shape: tuple[int, int, int]
    affine: np.ndarray
    from_dataset: np.ndarray
    scales: Scales = dataclasses.field(default_factory=dict)
    recorded: bool = False

    @property
    def grid(self) -> Grid:
        """The scan's voxels, whose arrays are indexed ``[z, y, x]``."""
        x, y, z = self.shape
        return Grid((y, x), z, self.affine)

    def carry_image(
        self, image: np.ndarray, brain: np.ndarray, affine: np.ndarray
    ) -> np.ndarray:
        """Interpolates a volume of the dataset's space at the scan's voxels.

        Args:
          image: ``(X, Y, Z)``; values outside `brain` do not count.
          brain: boolean, the same shape.
          affine: from voxel indices of the image to the dataset's millimetres.
        """
        options = {"transform": np.linalg.inv(self.from_dataset)}
        share = resample(brain, affine, self.grid, **options)
        found = resample_inside(image, brain, share, affine, self.grid, **options)
        return np.transpose(found, (2, 1, 0))

    def carry_labels(self, labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Moves a label map ``(X, Y, Z)`` of the dataset's space to the scan's voxels.

        Args:
          labels: our codes.
          affine: from voxel indices of the map to the dataset's millimetres.
        """
        back = np.linalg.inv(self.from_dataset)
        found = resample_labels(labels, affine, self.grid, transform=back)
        return np.transpose(found, (2, 1, 0))


def native_space(dataset: Dataset, subject: str, sequence: str) -> Native:
    """A prepared subject's own space and units, as its preparation recorded them.

    Args:
      dataset: prepared, with the record ``subjects.json``.
      subject: name of the subject in the dataset.
      sequence: the sequence whose scan is meant.

    Raises:
      InputError: the record has no such scan.
    """
    path = dataset.directory / RECORDS
    records = read_records(dataset.directory)
    if subject not in records or sequence not in records[subject]["scans"]:
        raise InputError(
            f"{path}: no scan {sequence} of subject {subject!r}, expected one of "
            f"{', '.join(sorted(records))}"
        )
    scan = records[subject]["scans"][sequence]
    return Native(
        source=f"{subject}, {sequence}",
        shape=tuple(scan["shape"]),
        affine=np.array(scan["affine"]),
        from_dataset=np.array(scan["from_dataset"]),
        scales=_recorded_scales(dataset, subject, records[subject]["landmarks"]),
        recorded=True,
    )


def find_native(
    reference: Path,
    scans: Mapping[str, Path],
    dataset: Dataset,
    *,
    prepared: Path | None = None,
    lesion: np.ndarray | None = None,
) -> Native:
    """A patient's own space and units, from the record or from the scans themselves.

    A scan that `dataset` was made of is recognised by its content, whatever its name is
    now, and the recorded transform leads back to it. Any other scan is registered with
    the template if the dataset's subjects were registered. If they were not, the header
    of the scan must place it in the same space as theirs.

    Args:
      reference: the scan whose voxels are wanted, with or without skull. If it has to
        be registered, a T1-weighted scan is best.
      scans: sequence -> scan on the same voxels, which gives the sequence its unit; may
        be empty.
      dataset: the dataset that the model was trained with.
      prepared: the dataset's own directory with the record, if it still exists.
      lesion: boolean on the scan's voxels; left out when units are measured.

    Raises:
      InputError: a file is unreadable or on other voxels, or no brain is found.
    """
    scan = read_volume(reference)
    if (known := _recorded(reference, dataset, prepared)) is not None:
        return dataclasses.replace(known, source=scan.source)
    volumes = {name: read_volume(path) for name, path in scans.items()}
    check_same_grid({"reference": scan, **volumes})
    # The embedded phantom's brains lie in the template's space, too.
    aligned = dataset.provenance.get("align", dataset.simulated)
    motion, healthy = np.eye(4), None
    if aligned or volumes:
        motion, healthy = _locate(scan, aligned=aligned)
    if healthy is not None and lesion is not None:
        healthy = healthy & ~lesion
    return Native(
        source=scan.source,
        shape=scan.data.shape,
        affine=scan.affine,
        from_dataset=motion,
        scales={
            name: _measured_scale(dataset, name, volume, np.asarray(healthy))
            for name, volume in volumes.items()
            if MRSequence.named(name).anatomic
        },
    )


def _recorded(
    reference: Path, dataset: Dataset, prepared: Path | None
) -> Native | None:
    """The record of the preparation about this very file; None if there is none."""
    if prepared is None or not (prepared / RECORDS).is_file():
        return None
    found = open_dataset(prepared) if (prepared / DESCRIPTION).is_file() else None
    if found is None or found.content_hash != dataset.content_hash:
        return None
    digest = digest_of(reference)
    for subject, record in read_records(prepared).items():
        for sequence in record["scans"]:
            if record["sha256"].get(sequence) == digest:
                return native_space(found, subject, sequence)
    return None


def _recorded_scales(
    dataset: Dataset, subject: str, marks: Mapping[str, list[float]]
) -> Scales:
    if marks:
        standard = standard_scales(dataset)
        return {
            name: (standard[name], np.array(own))
            for name, own in marks.items()
            if name in standard
        }
    return {
        name: (_ends(dataset.windows[name]), _ends(window))
        for name, window in dataset.subject_windows.get(subject, {}).items()
    }


def _measured_scale(
    dataset: Dataset, name: str, scan: Volume, healthy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if not standard_scales(dataset):
        own = fit_window(name, scan.data, healthy)
        return _ends(dataset.windows[name]), _ends(own)
    values = scan.data[healthy & (scan.data != 0)]
    return standard_scale(dataset, name), landmarks(values, source=scan.source)


def _ends(window) -> np.ndarray:
    return np.array([window.low, window.high])


def _locate(scan: Volume, *, aligned: bool) -> tuple[np.ndarray, np.ndarray]:
    """The transform from the dataset's millimetres, and the brain on the scan."""
    if has_skull(scan):
        # The sequence is not known here: only the shape of the mask is checked.
        brain = strip(scan, method=best_stripper(), t1=False).mask
    else:
        brain = scan.data != 0
    if not aligned:
        return np.eye(4), brain
    check_brain(brain, scan, t1=False, smallest_ml=SMALLEST_ML)
    bare = dataclasses.replace(scan, data=np.where(brain, scan.data, 0))
    return register_to_template(bare), brain
