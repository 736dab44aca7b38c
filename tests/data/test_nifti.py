"""NIfTI reading refuses broken files in one line; writing is clean and whole."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data import nifti
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

AFFINE = np.array([[-1.0, 0, 0, 8], [0, -2, 0, 9], [0, 0, 4.4, 1], [0, 0, 0, 1]])


def _ramp(shape=(4, 5, 6)):
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def _refused(path, words):
    with pytest.raises(InputError, match=words) as caught:
        nifti.read_volume(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_round_trip_is_exact_and_the_header_is_clean(tmp_path, name):
    nifti.write_volume(tmp_path / "new" / name, _ramp(), AFFINE)
    volume = nifti.read_volume(tmp_path / "new" / name)
    np.testing.assert_array_equal(volume.data, _ramp())
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-6)
    np.testing.assert_allclose(volume.spacing, (1, 2, 4.4), atol=1e-6)
    header = nib.load(tmp_path / "new" / name).header
    assert (header["sform_code"], header["qform_code"]) == (1, 1)
    texts = ("descrip", "aux_file", "intent_name", "db_name")
    assert all(bytes(header[field]).strip(b"\0") == b"" for field in texts)
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(), (0,), (0, 2), (0, 1, 2)])
def test_another_order_of_voxels_is_undone(axes, flips):
    """The axes of a volume are swapped and reversed by nibabel's own slicing."""
    original = nifti.Volume(_ramp(), AFFINE, "a")
    backwards = [slice(n - 1, None, -1) for n in (4, 5, 6)]
    cut = tuple(backwards[i] if i in flips else slice(None) for i in range(3))
    image = nib.Nifti1Image(_ramp(), AFFINE).slicer[cut]
    data = np.transpose(image.get_fdata(), axes)
    turned = nifti.Volume(data, image.affine[:, [*axes, 3]], "b")
    back = nifti.in_axes_of(turned, original)
    np.testing.assert_array_equal(back.data, original.data)
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-9)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        nifti.write_volume(tmp_path / name, _ramp(), AFFINE)
    first, second = (tmp_path / f"{n}.nii.gz" for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_labels_are_stored_small_and_read_as_whole_numbers(tmp_path):
    labels = np.arange(8).reshape(2, 2, 2)
    nifti.write_volume(tmp_path / "seg.nii.gz", labels, AFFINE)
    assert nib.load(tmp_path / "seg.nii.gz").get_data_dtype() == np.uint8
    read = nifti.read_labels(tmp_path / "seg.nii.gz")
    assert read.data.dtype == np.int16
    np.testing.assert_array_equal(read.data, labels)


def test_fractional_label_is_refused(tmp_path):
    nifti.write_volume(tmp_path / "seg.nii.gz", np.full((2, 2, 2), 1.5), AFFINE)
    with pytest.raises(
        InputError, match=r"seg.nii.gz: label value 1.5, expected whole"
    ):
        nifti.read_labels(tmp_path / "seg.nii.gz")


def test_missing_file_is_refused(tmp_path):
    _refused(tmp_path / "none.nii.gz", "no such file")
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "none.nii.gz")
    _refused(tmp_path / "link.nii.gz", "link to no file, expected a NIfTI volume")


def test_text_in_place_of_a_volume_is_refused(tmp_path):
    path = tmp_path / "note.nii.gz"
    path.write_text("not a scan")
    _refused(path, "unreadable")


@pytest.mark.parametrize("name", ["cut.nii", "cut.nii.gz"])
def test_truncated_file_is_refused(tmp_path, name):
    path = tmp_path / name
    noise = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    nifti.write_volume(path, noise, AFFINE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _refused(path, "unreadable")


def test_flipped_bits_in_a_compressed_file_are_refused(tmp_path):
    path = tmp_path / "flip.nii.gz"
    noise = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    nifti.write_volume(path, noise, AFFINE)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    _refused(path, "unreadable")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, bad):
    data = _ramp()
    data[1, 2, 3] = bad
    nifti.write_volume(tmp_path / "a.nii.gz", data, AFFINE)
    _refused(tmp_path / "a.nii.gz", "1 voxels are NaN or infinite")


def test_empty_image_is_refused(tmp_path):
    nifti.write_volume(tmp_path / "a.nii.gz", np.zeros((3, 3, 3)), AFFINE)
    _refused(tmp_path / "a.nii.gz", "every voxel is zero")


def test_four_dimensions_are_refused_unless_the_last_is_single(tmp_path):
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(_ramp((3, 3, 3, 2)), AFFINE), path)
    _refused(path, r"shape \(3, 3, 3, 2\), expected three dimensions")
    nib.save(nib.Nifti1Image(_ramp((3, 3, 3, 1)), AFFINE), path)
    assert nifti.read_volume(path).data.shape == (3, 3, 3)


def test_affine_without_inverse_is_refused(tmp_path):
    flat = AFFINE.copy()
    flat[:, 1] = 0
    image = nib.Nifti1Image(_ramp(), None)
    image.header.set_sform(flat, code=1)
    nib.save(nib.Nifti1Image(_ramp(), None, image.header), tmp_path / "a.nii.gz")
    _refused(tmp_path / "a.nii.gz", "affine cannot be inverted")


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_header_in_metres_or_micrometres_is_refused(tmp_path, scale):
    wrong = np.diag([scale, scale, scale, 1.0])
    nifti.write_volume(tmp_path / "a.nii.gz", _ramp(), wrong)
    _refused(tmp_path / "a.nii.gz", "voxel size .* units may be wrong")


def test_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "bomb.nii.gz"
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((30000, 30000, 30000))
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    with gzip.open(path, "wb") as file:
        file.write(header.binaryblock + bytes(4))
    _refused(path, "the header promises")


def test_different_grids_name_both_files(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    volumes = {
        "T1w": nifti.Volume(_ramp(), AFFINE, "first.nii"),
        "T2w": nifti.Volume(_ramp(), AFFINE + 1e-4, "second.nii"),
    }
    nifti.check_same_grid(volumes)
    volumes["FLAIR"] = nifti.Volume(_ramp(), moved, "third.nii")
    with pytest.raises(InputError, match=r"third.nii: grid .* of first.nii"):
        nifti.check_same_grid(volumes)


def test_wrong_ending_is_refused_on_writing(tmp_path):
    with pytest.raises(InputError, match=r"expected one ending in \.nii"):
        nifti.write_volume(tmp_path / "a.mgz", _ramp(), AFFINE)


def test_file_without_an_orientation_is_refused(tmp_path):
    """nibabel would read it as pointing right, anterior, superior; SPM would not."""
    image = nib.Nifti1Image(_ramp(), AFFINE)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, tmp_path / "unknown.nii.gz")
    _refused(tmp_path / "unknown.nii.gz", "sform code and its qform code are 0, so")
    with pytest.raises(InputError, match="orientation is unknown"):
        nifti.read_geometry(tmp_path / "unknown.nii.gz")
    for sform, qform in ((1, 0), (0, 1)):
        image.set_sform(AFFINE, code=sform)
        image.set_qform(AFFINE, code=qform)
        nib.save(image, tmp_path / "known.nii.gz")
        found = nifti.read_volume(tmp_path / "known.nii.gz").affine
        np.testing.assert_allclose(found, AFFINE, atol=1e-5)
