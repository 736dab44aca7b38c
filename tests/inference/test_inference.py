"""Using a trained run: arrays and NIfTI in, arrays and NIfTI out."""

import contextlib
import functools
import json
import shutil
from unittest import mock

import jax.numpy as jnp
import nibabel as nib
import numpy as np
import pytest

import samr_jax
from samr_jax.data.atlas import brain_of
from samr_jax.data.atlas_space import read_atlas
from samr_jax.data.edits import edit_volume
from samr_jax.data.further_slices import FOLDER, widened
from samr_jax.data.nifti import (
    Volume,
    in_our_codes,
    read_labels,
    read_volume,
    write_volume,
)
from samr_jax.data.subject import Grid
from samr_jax.data.window import unpack
from samr_jax.evaluation.evaluate import evaluate
from samr_jax.inference import volumes, written
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.inference.written import write_volumes
from samr_jax.labels import BACKGROUND, NORMAL, TISSUES
from samr_jax.runs.model import DATASET_COPY, load_model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained)


@pytest.fixture(scope="module")
def case(dataset):
    slices = dataset.split("test")
    labels = np.stack([item["labels"] for item in slices])
    return labels, unpack(np.stack([item["atlas"] for item in slices]))


def test_one_slice(model, case):
    out = samr_jax.synthesize(case[0][0], case[1][0], checkpoint=model)
    assert out.images.shape == (32, 32, 2) and out.sequences == ("T1w", "APTw")
    assert out.confidence.shape == out.intermediate.shape == (16, 16, 2)
    assert np.abs(out.images).max() <= 1
    assert out.confidence.min() > 0 and out.confidence.max() < 1


def test_forms_of_a_mask_and_an_atlas_agree(model, case):
    labels, atlas = case
    expected = samr_jax.synthesize(labels, atlas, checkpoint=model).images
    hot = np.eye(5)[labels]
    brats = np.array([0, 1, 2, 4, 3])[labels]
    brats_map = {0: 0, 1: 1, 2: 2, 4: 3, 3: 4}
    for mask, options in (
        (labels.astype(np.int64), {}),
        (labels.astype(np.float64), {}),  # as nibabel's get_fdata
        (hot, {}),
        (hot.astype(bool), {}),
        (brats, {"labels": brats_map}),
    ):
        out = samr_jax.synthesize(mask, atlas, checkpoint=model, **options)
        np.testing.assert_array_equal(out.images, expected)
    of_jax = samr_jax.synthesize(
        jnp.asarray(labels), jnp.asarray(atlas), checkpoint=model
    )
    np.testing.assert_array_equal(of_jax.images, expected)
    one = samr_jax.synthesize(labels[1], atlas[1], checkpoint=model).images
    np.testing.assert_allclose(one, expected[1], atol=1e-5)
    shared = samr_jax.synthesize(labels, atlas[0], checkpoint=model).images
    np.testing.assert_allclose(shared[0], expected[0], atol=1e-5)


def test_normal_brain_comes_from_the_atlas(model, case, dataset):
    """Where a mask has none."""
    labels, atlas = case
    found = brain_of(atlas, dataset.sequences)
    lesion = np.where(labels == 1, 0, labels)
    marked = np.where(found & (lesion == 0), 1, lesion)
    images = [
        samr_jax.synthesize(mask, atlas, checkpoint=model).images
        for mask in (lesion, marked)
    ]
    np.testing.assert_array_equal(*images)
    with pytest.raises(InputError, match="APTw alone, which does not show"):
        brain_of(atlas[..., 3:], ("APTw",))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m, a: (m[0, 0], a[0]), r"mask: shape \(32,\), expected"),
        (lambda m, a: (m[:, :30], a[:, :30]), "expected a multiple of 4"),
        (lambda m, a: (m + 0.5, a), "mask: label value 0.5, expected whole numbers"),
        (lambda m, a: (m * np.nan, a), "mask: label value nan, expected whole"),
        (lambda m, a: (m * 1j, a), "mask: type complex128, expected whole numbers"),
        (lambda m, a: (m * 0, a), "mask: every label is background, expected a les"),
        (
            lambda m, a: (np.where(np.arange(32) < 2, 4, m * 0), a),
            "mask: 0 % of the lesion lies in the atlas's brain",
        ),
        (lambda m, a: (m + 3, a), "mask: label value 5 is not named"),
        (lambda m, a: (np.eye(5)[m] * 0.5, a), "not one-hot"),
        (lambda m, a: (m, a[..., :3]), r"atlas: shape .* expected \(32, 32, 6\)"),
        (lambda m, a: (m, a * 9), r"atlas: values outside \[-1, 1\]"),
        (lambda m, a: (m, a * np.nan), r"atlas: values outside"),
    ],
)
def test_wrong_arrays(model, case, change, message):
    mask, atlas = change(*case)
    with pytest.raises(InputError, match=message) as caught:
        samr_jax.synthesize(mask, atlas, checkpoint=model)
    assert "\n" not in str(caught.value)


def test_a_directory_without_a_run(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json, expected a work directory"):
        load_model(tmp_path)


def test_evaluation_again_gives_the_same(model, dataset, trained, tmp_path):
    again = evaluate(model, dataset, "test", tmp_path, batch_size=4)
    stored = read_json(trained / "metrics.json")
    assert again["average"]["ssim"] == pytest.approx(
        stored["average"]["ssim"], rel=1e-4
    )


def mask_file(path, dataset, case, *, orientation="LPS", affine=None):
    """A test subject's labels as NIfTI, in any orientation."""
    data = np.transpose(case[0], (2, 1, 0))
    image = nib.Nifti1Image(data, dataset.grid.affine if affine is None else affine)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(orientation)
    )
    nib.save(image.as_reoriented(turn), path)
    return path


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SAR"])
def test_volumes_keep_grid_affine_and_orientation(
    model, dataset, case, tmp_path, orientation
):
    path = mask_file(tmp_path / "m.nii.gz", dataset, case, orientation=orientation)
    mask = read_labels(path)
    volume = synthesize_volume(model, mask)
    files = write_volumes(volume, model, tmp_path / "out")
    source = nib.load(path)
    for name in ("T1w", "APTw", "T1w_confidence", "APTw_confidence"):
        image = nib.load(tmp_path / "out" / f"{name}.nii.gz")
        assert image.shape == source.shape
        np.testing.assert_allclose(image.affine, source.affine)
        assert nib.aff2axcodes(image.affine) == tuple(orientation)
    assert (tmp_path / "out" / "contact_sheet.png") in files
    # Slice by slice it is what the array interface gives, in the dataset's units.
    arrays = samr_jax.synthesize(*case, checkpoint=model)
    expected = dataset.restore(None, arrays.images)
    expected[case[0] == 0] = 0
    back = nib.load(tmp_path / "out" / "T1w.nii.gz")
    back = back.as_reoriented(
        nib.orientations.ornt_transform(
            nib.io_orientation(back.affine), nib.orientations.axcodes2ornt("LPS")
        )
    )
    found = np.transpose(back.get_fdata(), (2, 1, 0))
    np.testing.assert_allclose(found, expected[..., 0], atol=2e-2)


def test_thin_slices_and_masks_without_normal_brain(model, dataset, case, tmp_path):
    fine = np.repeat(case[0], 4, axis=0)
    fine[fine == 1] = 0
    affine = dataset.grid.affine @ np.diag([1, 1, 0.25, 1])
    image = nib.Nifti1Image(np.transpose(fine, (2, 1, 0)), affine)
    nib.save(image, tmp_path / "fine.nii.gz")
    volume = synthesize_volume(model, read_labels(tmp_path / "fine.nii.gz"))
    assert volume.images.shape == (32, 32, 12, 2)
    # Normal brain comes from the atlas.
    brain = np.transpose(dataset.brain, (2, 1, 0))
    inside = (volume.labels > 0)[..., ::4]
    lesion = np.transpose(case[0] > 1, (2, 1, 0))
    np.testing.assert_array_equal(inside, brain | lesion)
    assert np.all(volume.images[volume.labels == 0] == 0)


def test_a_users_atlas(model, dataset, case, tmp_path):
    """The dataset's own atlas, as files of another orientation, changes nothing."""
    for name in ("T1w", "APTw", "brain"):
        image = nib.load(dataset.directory / "atlas" / f"{name}.nii.gz")
        nib.save(nib.as_closest_canonical(image), tmp_path / f"{name}.nii.gz")
    mask = read_labels(mask_file(tmp_path / "mask.nii", dataset, case))
    own = synthesize_volume(model, mask)
    given = synthesize_volume(model, mask, atlas=read_atlas(tmp_path, dataset))
    np.testing.assert_allclose(given.images, own.images, atol=1e-2)


def test_a_mask_that_leaves_the_slices_of_the_training(
    trained, model, dataset, case, tmp_path
):
    """It has images with an atlas of further slices, which changes no other mask."""
    run = shutil.copytree(trained, tmp_path / "run")
    grid = widened(dataset.grid)
    for name in (*dataset.sequences, "brain", *TISSUES):
        levels = np.full((*grid.size, grid.slices), 200, np.uint8)
        path = run / DATASET_COPY / FOLDER / f"{name}.nii.gz"
        write_volume(path, levels, grid.affine)
    wide = load_model(run)
    own = read_labels(mask_file(tmp_path / "own.nii", dataset, case))
    np.testing.assert_array_equal(
        synthesize_volume(wide, own).images, synthesize_volume(model, own).images
    )

    lesion = np.where(case[0] == NORMAL, BACKGROUND, case[0])
    labels = np.transpose(lesion, (2, 1, 0))[..., [0] * grid.slices]
    mask = Volume(labels, grid.affine, "mask")
    with pytest.raises(InputError, match="33 % of the lesion lies in"):
        synthesize_volume(model, mask)
    volume = synthesize_volume(wide, mask)
    assert (volume.images != 0).any(axis=(0, 1, 3)).all()
    assert volume.lesion.without_image == 0
    (outside,) = [each for each in volume.outside if each.property == "slices_mm"]
    assert outside.found == pytest.approx(grid.span)
    assert outside.trained == pytest.approx(dataset.grid.span)


@pytest.mark.parametrize(
    "shift, message",
    [
        ((0, 0, 900), "lie outside the atlas's, expected the same space"),
        ((300, 0, 0), r"0 % of the lesion lies in the atlas's brain"),
        ((15, 0, 0), r"\d+ % of the lesion lies in the atlas's brain"),
    ],
)
def test_masks_elsewhere(model, dataset, case, tmp_path, shift, message):
    labels = np.where(case[0] == 1, 0, case[0])
    affine = dataset.grid.affine.copy()
    affine[:3, 3] += shift
    image = nib.Nifti1Image(np.transpose(labels, (2, 1, 0)), affine)
    nib.save(image, tmp_path / "m.nii.gz")
    with pytest.raises(InputError, match=message):
        synthesize_volume(model, read_labels(tmp_path / "m.nii.gz"))


def test_the_record_of_an_edit_comes_back_and_is_written(
    model, dataset, case, tmp_path
):
    mask = read_labels(mask_file(tmp_path / "mask.nii", dataset, case))
    edit = functools.partial(edit_volume, edit="scale:tumor=1.5")
    volume = synthesize_volume(model, mask, edit=edit)
    assert np.count_nonzero(volume.labels == 4) > np.count_nonzero(case[0] == 4)
    write_volumes(volume, model, tmp_path / "out")
    record = read_json(tmp_path / "out" / "edit.json")
    assert record == json.loads(json.dumps(edit(mask).to_json()))
    plain = synthesize_volume(model, mask)
    write_volumes(plain, model, tmp_path / "plain")
    assert not (tmp_path / "plain" / "edit.json").exists()


def test_masks_of_a_protocol_are_translated_into_our_codes(model, dataset, case):
    """Values 1, 2 and 4 of BraTS 2021 are our cavity, edema and tumor."""
    lesion = np.where(case[0] == 1, 0, case[0])
    brats = np.array([0, 9, 2, 1, 4], np.int16)[lesion]
    affine = dataset.grid.affine
    as_read = Volume(np.transpose(brats, (2, 1, 0)), affine, "mask.nii")
    translated = in_our_codes(as_read, "brats2021")
    np.testing.assert_array_equal(translated.data, np.transpose(lesion, (2, 1, 0)))
    with pytest.raises(InputError, match=r"mask\.nii: label value 4 is not named"):
        in_our_codes(as_read, "brats2023")


def test_a_mask_that_does_not_fit_into_memory_is_refused(
    model, dataset, case, tmp_path, monkeypatch
):
    mask = read_labels(mask_file(tmp_path / "mask.nii", dataset, case))
    needed = 32 * 32 * 3 * (2 * 2 + 3) * 4
    monkeypatch.setattr(volumes, "free_memory", lambda: needed)
    synthesize_volume(model, mask)
    monkeypatch.setattr(volumes, "free_memory", lambda: needed - 1)
    with pytest.raises(InputError, match=r"mask\.nii: 32 x 32 x 3 voxels need 0\.0 GB"):
        synthesize_volume(model, mask)


def test_progress_counts_slices_and_layers(model, dataset, case, tmp_path):
    mask = read_labels(mask_file(tmp_path / "mask.nii", dataset, case))
    shown = {}

    @contextlib.contextmanager
    def show(total, label):
        counted = mock.Mock()
        yield counted
        shown[label] = (counted.update.call_count, total)

    synthesize_volume(model, mask, show=show)
    assert shown == {"slices": (3, 3), "layers of the mask": (64, 64)}


def test_nothing_is_overwritten(model, dataset, case, tmp_path):
    mask = read_labels(mask_file(tmp_path / "mask.nii", dataset, case))
    volume = synthesize_volume(model, mask)
    with pytest.raises(InputError, match="exists already, expected a new directory"):
        write_volumes(volume, model, tmp_path)


@pytest.mark.parametrize("name", ["out", "new/out"])
def test_an_interrupted_synthesis_leaves_nothing(
    model, dataset, case, tmp_path, monkeypatch, name
):
    """Ctrl-C comes while the third file is written; the next call is not refused."""
    mask = read_labels(mask_file(tmp_path / "mask.nii", dataset, case))
    volume, calls, output = synthesize_volume(model, mask), [], tmp_path / name

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write_volume(*arguments)

    monkeypatch.setattr(written, "write_volume", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_volumes(volume, model, output)
    assert not [path for path in tmp_path.rglob("*.gz") if path.is_file()]
    assert not output.exists()
    files = write_volumes(volume, model, output)
    assert {path.name for path in files} < {path.name for path in output.iterdir()}
    assert all(path.stat().st_size for path in files)


def test_grid_is_radiological():
    grid = Grid.centred((4, 6), 2, spacing=(1, 2, 3))
    assert nib.aff2axcodes(grid.affine) == ("L", "P", "S")
    assert grid.spacing == pytest.approx((1, 2, 3))
    middle = grid.affine @ [2.5, 1.5, 0.5, 1]
    np.testing.assert_allclose(middle[:3], 0, atol=1e-12)


def test_outputs_hold_no_free_text(model, dataset, case, tmp_path):
    image = nib.load(mask_file(tmp_path / "mask.nii", dataset, case))
    image.header["descrip"] = b"John Doe"
    nib.save(image, tmp_path / "named.nii")
    volume = synthesize_volume(model, read_labels(tmp_path / "named.nii"))
    for path in write_volumes(volume, model, tmp_path / "out"):
        assert "Doe" not in path.read_bytes().decode("latin1")
    assert read_volume(tmp_path / "out" / "T1w.nii.gz").data.any()
