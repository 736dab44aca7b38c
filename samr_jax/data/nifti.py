"""NIfTI files: reading refuses broken files, writing leaves clean headers."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import logging
import zlib
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path

import nibabel as nib
import numpy as np

from samr_jax.data.likely_preset import (
    check_normal_brain,
    likely_preset,
    preset_warning,
)
from samr_jax.labels import preset, remap
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_new_file, replacing

_log = logging.getLogger(__name__)

MAX_BYTES = 2**29
"""Largest volume: 512 x 512 x 512 as float32. A header with more is broken."""

MAX_OFFSET = 2**24
"""Most bytes before or after the voxels: header extensions and padding."""

MAX_COMPRESSION = 1032
"""Most bytes that gzip can expand a single byte to."""

VOXEL_RANGE_MM = (0.05, 30.0)
"""Voxel sizes outside this range are in other units, or the header is damaged."""

_SUFFIXES = (".nii", ".nii.gz")
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    nib.spatialimages.HeaderDataError,
    nib.wrapstruct.WrapStructError,
)


@dataclasses.dataclass(frozen=True)
class Volume:
    """A 3-D scan.

    Attributes:
      data: ``(X, Y, Z)`` in the file's own voxel order; float32 or an integer type.
      affine: 4 x 4, from voxel indices to RAS+ millimetres.
      source: name of the file, for error messages.
    """

    data: np.ndarray
    affine: np.ndarray
    source: str

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres between neighbouring voxels along each array axis."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def read_geometry(path: str | Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Reads shape and affine of a 3-D scan from its header, and checks them."""
    with _content(path) as stream:
        header = _header(path, stream)
        return header.get_data_shape()[:3], header.get_best_affine()


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


def in_our_codes(mask: Volume, labels: str) -> Volume:
    """A label map of an annotation protocol, translated into our codes.

    Args:
      mask: label map as it was read.
      labels: preset of its codes, see `samr_jax.labels.PRESETS`.

    Raises:
      InputError: the preset is unknown, or does not name a value of the mask, or the
        mask has normal brain only inside its lesion.
    """
    codes = remap(mask.data, preset(labels), source=mask.source)
    check_normal_brain(codes, source=mask.source)
    if other := likely_preset(mask.data, labels):
        _log.warning("warning: %s: %s", mask.source, preset_warning(other, labels))
    return dataclasses.replace(mask, data=codes)


def check_new_volume(path: str | Path) -> None:
    """Raises an `InputError` unless a NIfTI file can be made at `path`."""
    _check_suffix(check_new_file(path))


def write_volume(path: str | Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Writes a volume in one piece: the file appears complete or not at all.

    Args:
      path: ends in ``.nii`` or ``.nii.gz``; its folder is made when missing.
      data: ``(X, Y, Z)`` or ``(X, Y, Z, S)``; booleans and wide integers are stored
        as uint8 or int16, floats as float32.
      affine: voxel indices to RAS+ millimetres, stored as sform and qform.
    """
    path = Path(path)
    _check_suffix(path)
    image = nib.Nifti1Image(_storable(data), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    with replacing(path) as partial:
        nib.save(image, partial)


def _check_suffix(path: Path) -> None:
    if not path.name.endswith(_SUFFIXES):
        raise InputError(f"{path}: file name, expected one ending in .nii or .nii.gz")


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether two volumes have the same shape and, to 0.01 mm, the same affine."""
    return first.data.shape[:3] == second.data.shape[:3] and np.allclose(
        first.affine, second.affine, atol=1e-2
    )


def in_axes_of(volume: Volume, other: Volume) -> Volume:
    """A volume with its voxels in the order in which another volume has them.

    Axes are swapped and reversed so that they point as the other's do. Viewers
    and converters store the slices of one scan in different orders.
    """
    own, theirs = (nib.io_orientation(v.affine) for v in (volume, other))
    turn = nib.orientations.ornt_transform(own, theirs)
    data = nib.orientations.apply_orientation(volume.data, turn)
    affine = volume.affine @ nib.orientations.inv_ornt_aff(turn, volume.data.shape)
    return dataclasses.replace(volume, data=np.ascontiguousarray(data), affine=affine)


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
    with _content(path) as stream:
        header = _header(path, stream)
        raw = _voxels(path, stream, header)
        with np.errstate(over="ignore", invalid="ignore"):
            slope, inter = header.get_slope_inter()
            scaled = nib.volumeutils.apply_read_scaling(raw, slope, inter)
            data = scaled.astype(np.float32)
        return data.reshape(raw.shape[:3]), header.get_best_affine()


@contextlib.contextmanager
def _content(path: str | Path) -> Iterator[BufferedIOBase]:
    """Opens the file's content, decompressed as it is read."""
    try:
        if not Path(path).is_file():
            # git-annex and DataLad leave such links until the file itself is fetched.
            found = "link to no file" if Path(path).is_symlink() else "no such file"
            raise InputError(f"{path}: {found}, expected a NIfTI volume")
        with open(path, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            yield gzip.GzipFile(fileobj=file) if compressed else file
    except InputError:
        raise
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


def _header(path: str | Path, stream: BufferedIOBase) -> nib.Nifti1Header:
    """Reads the header and checks everything that it promises.

    nibabel's image classes are not used: before any check they read header extensions
    of any size that the file claims.
    """
    block = stream.read(nib.Nifti2Header.sizeof_hdr)
    kinds = (nib.Nifti1Header, nib.Nifti2Header)
    kind = next((kind for kind in kinds if kind.may_contain_header(block)), None)
    if kind is None:
        raise InputError(
            f"{path}: unreadable (it has no such header), expected a NIfTI volume"
        )
    # Four zero bytes mean that there are no extensions, which are not needed.
    header = kind.from_fileobj(io.BytesIO(block[: kind.sizeof_hdr] + bytes(4)))
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if len(shape) < 3 or any(n != 1 for n in shape[3:]) or min(shape) < 1:
        raise InputError(f"{path}: shape {shape}, expected three dimensions")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(f"{path}: voxels of type {dtype}, expected numbers")
    size = np.prod(shape, dtype=float) * dtype.itemsize
    if size > MAX_BYTES:
        raise InputError(
            f"{path}: the header promises {shape} voxels of type {dtype}, expected at "
            f"most {MAX_BYTES // 2**20} MiB"
        )
    if not 0 <= header.get_data_offset() <= MAX_OFFSET:
        raise InputError(
            f"{path}: voxels that begin at byte {header.get_data_offset()}, expected "
            f"at most {MAX_OFFSET}"
        )
    _check_orientation(path, header)
    _check_affine(path, header.get_best_affine())
    return header


def _voxels(
    path: str | Path, stream: BufferedIOBase, header: nib.Nifti1Header
) -> np.ndarray:
    """The stored values, in the shape of the header."""
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    size = int(np.prod(shape)) * dtype.itemsize
    # Checked before memory is allocated.
    if size > Path(path).stat().st_size * MAX_COMPRESSION:
        raise InputError(
            f"{path}: unreadable (the header promises {size} bytes, which the file "
            "cannot hold), expected a NIfTI volume"
        )
    stream.seek(header.get_data_offset())
    content = stream.read(size)
    if len(content) < size:
        raise InputError(
            f"{path}: unreadable (it ends after {len(content)} of {size} bytes of "
            "voxels), expected a NIfTI volume"
        )
    # Reading on to the end of the file verifies gzip's check sum.
    if len(stream.read(MAX_OFFSET + 1)) > MAX_OFFSET:
        raise InputError(
            f"{path}: unreadable (it goes on for more than {MAX_OFFSET} bytes after "
            "the last voxel), expected a NIfTI volume"
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F")


def _check_orientation(path: str | Path, header: nib.Nifti1Header) -> None:
    """Refuses a header that does not say where the patient's left and front are.

    Such a file would have to be read by a convention, and the conventions disagree.
    """
    if header["sform_code"] == 0 and header["qform_code"] == 0:
        raise InputError(
            f"{path}: its sform code and its qform code are 0, so that its orientation "
            "is unknown, expected a header with an affine, such as that of the scan "
            "that it was drawn on"
        )


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
