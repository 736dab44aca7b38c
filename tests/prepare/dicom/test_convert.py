"""Geometry of converted series, against the affine that was used to write them."""

import numpy as np
import pytest

from samr_jax.data.nifti import read_volume
from samr_jax.prepare.dicom.convert import convert
from samr_jax.prepare.dicom.geometry import Geometry
from samr_jax.prepare.dicom.series import read_studies
from samr_jax.prepare.subject.register import rotation

pytest.importorskip("dcm2niix")
pytest.importorskip("pydicom")

from tests.prepare.dicom.write_series import write_enhanced, write_series

pytestmark = pytest.mark.quick

SHAPE = (20, 24, 12)
TIMES = {"EchoTime": 15, "RepetitionTime": 500}


def axes(*columns):
    """4 x 4 with the given columns and an origin far from 0."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(columns, float).T
    affine[:3, 3] = (31.0, -42.0, 17.0)
    return affine


AXIAL = axes((-1.0, 0, 0), (0, -1.5, 0), (0, 0, 5.5))
PLACES = {
    "axial, thick slices with a gap": AXIAL,
    "axial, from top to bottom": axes((-1, 0, 0), (0, -1, 0), (0, 0, -5)),
    "sagittal": axes((0, -1, 0), (0, 0, -1), (4.0, 0, 0)),
    "sagittal, from left to right": axes((0, -1, 0), (0, 0, -1), (-4.0, 0, 0)),
    "coronal": axes((-1, 0, 0), (0, 0, -1), (0, -3.0, 0)),
    "oblique": rotation(0, 0.3) @ rotation(2, -0.2) @ AXIAL,
}


def ramp(affine):
    """Image ``(X, Y, Z)`` whose value is a function of the place in millimetres."""
    index = np.stack(np.indices(SHAPE), -1)
    return value_at(index @ affine[:3, :3].T + affine[:3, 3]).round().astype(np.int16)


def value_at(place):
    return 2000 + place @ [3.0, 5.0, 7.0]


def check_ramp(path, affine):
    """Every voxel has the value of the place where the file puts it."""
    volume = read_volume(path)
    index = np.stack(np.indices(volume.data.shape), -1)
    places = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    np.testing.assert_allclose(volume.data, value_at(places), atol=0.6)
    size = np.linalg.norm(affine[:3, :3], axis=0)
    np.testing.assert_allclose(sorted(volume.spacing), sorted(size), atol=1e-3)
    assert sorted(volume.data.shape) == sorted(SHAPE)


@pytest.mark.parametrize("place", PLACES)
def test_voxels_lie_where_the_series_was_written(tmp_path, place):
    affine = PLACES[place]
    write_series(tmp_path / "in", ramp(affine), affine, **TIMES)
    (study,), unreadable = read_studies(tmp_path / "in")
    (series,) = study.series
    assert not unreadable and isinstance(series.volume, Geometry)
    assert series.volume.shape == SHAPE
    check_ramp(convert(series, tmp_path / "out", "T1w"), affine)


def test_many_frames_in_one_file(tmp_path):
    affine = PLACES["oblique"]
    write_enhanced(tmp_path / "in", ramp(affine), affine, words="t1", **TIMES)
    (study,), _ = read_studies(tmp_path / "in")
    (series,) = study.series
    assert (series.echo_time, series.repetition_time) == (15, 500)
    check_ramp(convert(series, tmp_path / "out", "T1w"), affine)


def test_a_series_is_converted_once(tmp_path):
    write_series(tmp_path / "in", ramp(AXIAL), AXIAL, **TIMES)
    (series,) = read_studies(tmp_path / "in")[0][0].series
    first = convert(series, tmp_path / "out", "T1w")
    stamp = first.stat().st_mtime_ns
    assert convert(series, tmp_path / "out", "T1w") == first
    assert first.stat().st_mtime_ns == stamp


def test_images_without_pixels_are_refused_in_one_line(tmp_path):
    write_series(tmp_path / "in", ramp(AXIAL), AXIAL, **TIMES)
    (series,) = read_studies(tmp_path / "in")[0][0].series
    for path in series.files[3:6]:
        path.write_bytes(path.read_bytes()[:-400])
    found = convert(series, tmp_path / "out", "T1w")
    assert isinstance(found, str) and "expected" in found and "SMITH" not in found
    assert not (tmp_path / "out").exists()
