"""NIfTI files: reading that refuses what is broken, writing with clean headers."""

from __future__ import annotations

import dataclasses
import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from samr_jax.errors import InputError
from samr_jax.files import replacing

MAX_VOXELS = 2**29
"""A header that promises more is taken for a broken one: 2 GiB as float32."""

VOXEL_RANGE_MM = (0.05, 30.0)
"""Voxel sizes outside are metres, micrometres or damage."""

_SUFFIXES = (".nii", ".nii.gz")
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    nib.filebasedimages.ImageFileError,
)


@dataclasses.dataclass(frozen=True)
class Volume:
    """A 3-D scan.

    Attributes:
      data: ``(X, Y, Z)`` in the file's own voxel order; float32 or an integer type.
      affine: 4 x 4, from voxel indices to RAS+ millimetres.
      source: the file, for messages.
    """

    data: np.ndarray
    affine: np.ndarray
    source: str

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres between neighbouring voxels along each array axis."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def read_geometry(path: str | Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of a 3-D scan, from its header alone, checked."""
    image = _open(path)
    return image.shape[:3], image.affine


def read_volume(path: str | Path) -> Volume:
    """Reads one scan as float32.

    Raises:
      InputError: the file is missing, unreadable, truncated or not 3-D, its affine or
        voxel size is unusable, or its values are not finite or all zero.
    """
    data, affine = _read(path)
    if not np.isfinite(data).all():
        raise InputError(
            f"{path}: {np.count_nonzero(~np.isfinite(data))} voxels are NaN or "
            "infinite, expected finite values"
        )
    if not data.any():
        raise InputError(f"{path}: every voxel is zero, expected an image")
    return Volume(data, affine, str(path))


def read_labels(path: str | Path) -> Volume:
    """Reads a label map as int16; values must be whole numbers, all zero is allowed."""
    data, affine = _read(path)
    whole = np.isfinite(data) & (data == np.round(data)) & (np.abs(data) < 2**15)
    if not whole.all():
        raise InputError(
            f"{path}: label value {data[~whole][0]:g}, expected whole numbers"
        )
    return Volume(data.astype(np.int16), affine, str(path))


def write_volume(path: str | Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Writes a volume in one piece: the file appears complete or not at all.

    Args:
      path: ends in ``.nii`` or ``.nii.gz``; its folder is made when missing.
      data: ``(X, Y, Z)``; booleans and wide integers are stored as uint8 or int16,
        floats as float32.
      affine: voxel indices to RAS+ millimetres, stored as sform and qform.
    """
    path = Path(path)
    if not path.name.endswith(_SUFFIXES):
        raise InputError(f"{path}: file name, expected one ending in .nii or .nii.gz")
    image = nib.Nifti1Image(_storable(data), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    with replacing(path) as partial:
        nib.save(image, partial)


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether two volumes have the same shape and, to 0.01 mm, the same affine."""
    return first.data.shape[:3] == second.data.shape[:3] and np.allclose(
        first.affine, second.affine, atol=1e-2
    )


def check_same_grid(volumes: Mapping[str, Volume]) -> None:
    """Raises an `InputError` that names the first two files on different grids."""
    reference, *others = volumes.values()
    for other in others:
        if not same_grid(reference, other):
            raise InputError(
                f"{other.source}: grid {_describe(other)} differs from "
                f"{_describe(reference)} of {reference.source}, expected the same"
            )


def _describe(volume: Volume) -> str:
    shape = " x ".join(map(str, volume.data.shape))
    origin = ", ".join(f"{value:.1f}" for value in volume.affine[:3, 3])
    return f"{shape} at ({origin}) mm"


def _read(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Values as float32 ``(X, Y, Z)``, and affine."""
    image = _open(path)
    try:
        data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
        if str(path).endswith(".gz"):
            _check_sum(path)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    return data.reshape(image.shape[:3]), image.affine


def _check_sum(path: str | Path) -> None:
    """Reads a gzip file to its end, where the check sum is; nibabel stops before."""
    with gzip.open(path) as stream:
        while stream.read(2**20):
            pass


def _open(path: str | Path) -> nib.spatialimages.SpatialImage:
    """Opens the header and checks everything that it promises."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file, expected a NIfTI volume")
    try:
        image = nib.load(path)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape) < 1:
        raise InputError(f"{path}: shape {shape}, expected three dimensions")
    if np.prod(shape, dtype=float) > MAX_VOXELS:
        raise InputError(
            f"{path}: the header promises {shape} voxels, expected at most {MAX_VOXELS}"
        )
    _check_affine(path, image.affine)
    return image


def _check_affine(path: str | Path, affine: np.ndarray) -> None:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(
            f"{path}: the affine cannot be inverted, expected one that maps voxels to "
            "millimetres"
        )
    size = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = VOXEL_RANGE_MM
    if size.min() < low or size.max() > high:
        raise InputError(
            f"{path}: voxel size {' x '.join(f'{s:g}' for s in size)} mm, expected "
            f"{low:g} to {high:g}; the header's units may be wrong"
        )


def _storable(data: np.ndarray) -> np.ndarray:
    """The data in a type that every NIfTI reader knows."""
    data = np.asarray(data)
    if data.dtype.kind == "f":
        return data.astype(np.float32)
    small = data.min(initial=0) >= 0 and data.max(initial=0) <= 255
    return data.astype(np.uint8 if small else np.int16)


def _unreadable(path: str | Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path}: unreadable ({reason}), expected a NIfTI volume")
