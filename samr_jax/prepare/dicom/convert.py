"""From the files of a series to a NIfTI volume with a clean header, by dcm2niix."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from samr_jax.data.nifti import Volume, read_volume, write_volume
from samr_jax.prepare.cohort.cache import cache_key
from samr_jax.prepare.dicom.geometry import Geometry
from samr_jax.prepare.dicom.series import Series
from samr_jax.runtime.errors import InputError

MAX_SECONDS = 600
"""A conversion takes about a second."""

_TOLERANCE_MM = 0.1
"""Largest distance of the volume's corners from those that the headers state."""


def check_converter() -> None:
    """Raises an `InputError` if dcm2niix is not installed."""
    if importlib.util.find_spec("dcm2niix") is None:
        raise InputError(
            "dcm2niix is not installed, expected it for DICOM files: "
            "pip install 'samr-jax[dicom]'"
        )


def convert(series: Series, folder: Path, role: str) -> Path | str:
    """Converts a series, unless an earlier run has done it.

    Args:
      series: a series whose images form a volume.
      folder: where the volume is written.
      role: the sequence, which begins the name of the file.

    Returns:
      The file, or one line that says why the series cannot be converted.
    """
    files = {str(i): path for i, path in enumerate(series.files)}
    path = folder / f"{role}_{cache_key(files, {})[:12]}.nii.gz"
    if path.is_file():
        return path
    with tempfile.TemporaryDirectory() as scratch:
        found = _converted(series, Path(scratch))
    if isinstance(found, str):
        return found
    write_volume(path, found.data, found.affine)
    return path


def _converted(series: Series, scratch: Path) -> Volume | str:
    """Runs the converter in a folder with nothing but this series."""
    source, target = scratch / "in", scratch / "out"
    source.mkdir()
    target.mkdir()
    for index, path in enumerate(series.files):
        (source / f"{index:05d}.dcm").symlink_to(path.absolute())
    import dcm2niix

    # -g i: no settings of the user's. -b n: no parameters in a file. -x i: no cropping.
    # -m y: a volume a call, which the geometry has been checked for.
    options = ["-g", "i", "-b", "n", "-x", "i", "-m", "y", "-z", "n", "-f", "volume"]
    try:
        # Its output quotes headers, so that it is not shown.
        done = subprocess.run(
            [dcm2niix.bin, *options, "-o", str(target), str(source)],
            capture_output=True,
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"dcm2niix took more than {MAX_SECONDS} s"
    made = sorted(target.glob("*.nii"))
    if len(made) != 1:
        return (
            f"dcm2niix made {len(made)} volumes of it (exit status "
            f"{done.returncode}), expected one"
        )
    try:
        volume = read_volume(made[0])
    except InputError as error:
        return str(error).replace(str(made[0]), "its volume")
    return _problem(volume, series) or volume


def _problem(volume: Volume, series: Series) -> str:
    """What is wrong with a volume; "" if it lies where the headers say."""
    expected = series.volume
    assert isinstance(expected, Geometry)
    shape = volume.data.shape
    if sorted(shape) != sorted(expected.shape):
        found, wanted = (" x ".join(map(str, s)) for s in (shape, expected.shape))
        return f"dcm2niix made {found} voxels of it, expected {wanted}"
    ends = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners = ends * (np.array(shape) - 1) @ volume.affine[:3, :3].T
    corners = corners + volume.affine[:3, 3]
    distances = np.linalg.norm(corners[:, None] - expected.corners[None], axis=2)
    if distances.min(axis=1).max() > _TOLERANCE_MM:
        return "dcm2niix put it elsewhere than its headers say"
    return ""
