"""What the page's server answers, against the commands that do the same."""

import contextlib
import gzip
import json
import time
import zipfile

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.edits import edit_files
from samr_jax.data.nifti import Volume, write_volume
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.page.masks import MAX_MASKS
from samr_jax.page.site import Site
from samr_jax.page.studio import Studio
from samr_jax.runtime.errors import InputError
from tests.data.edits.edit_cases import disc
from tests.page.page_cases import TOKEN, ask, edits, error_of, mask_of, paint, slice_of
from tests.tiny import blob_subject


def test_a_slice_has_the_images_that_the_command_writes(site, studio, told_model):
    mask = studio.masks["example.nii.gz"]
    step = paint(mask.labels)
    about, arrays = slice_of(site, recipe=edits(step), seed=3)
    edited = studio.edited.labels(mask, None).copy()
    edited[disc(edited.shape, (1, 16, 16), 4) & (edited > 0)] = 4
    np.testing.assert_array_equal(arrays["labels"], edited[1])
    volume = Volume(np.transpose(edited, (2, 1, 0)), mask.volume.affine, "edited")
    whole = synthesize_volume(told_model, volume, anatomy="average", seed=3)
    for channel, name in enumerate(told_model.dataset.sequences):
        window = told_model.dataset.windows[name]
        found = window.restore(arrays["images"][channel] / 32767)
        expected = whole.images[:, :, 1, channel].T
        tolerance = 1e-3 * (window.high - window.low)
        np.testing.assert_allclose(found, expected, atol=tolerance)
    expected = np.moveaxis(whole.confidence[:, :, 1], -1, 0).swapaxes(1, 2)
    inside = edited[1] > 0
    found = arrays["confidence"] / 255
    np.testing.assert_allclose(found * inside, expected * inside, atol=0.003)
    voxel = np.prod(mask.spacing) / 1000
    sizes = np.bincount(edited.ravel(), minlength=5) * voxel
    np.testing.assert_allclose(about["millilitres"], sizes)


def test_samples_have_a_spread(site):
    _, alone = slice_of(site, seed=2)
    _, arrays = slice_of(site, seed=2, samples=3)
    np.testing.assert_array_equal(arrays["images"], alone["images"])
    seeds = [slice_of(site, seed=seed)[1]["images"] / 32767 for seed in (2, 3, 4)]
    expected = np.std(seeds, axis=0, ddof=1) / 2  # [-1, 1] is the window
    np.testing.assert_allclose(arrays["spread"] / 65535, expected, atol=1e-4)
    assert "spread" not in alone and arrays["spread"].max() > 0


def test_edits_one_after_the_other_are_the_edits_at_once(site, told_model):
    steps = [
        {"edit": "scale", "tumor": 1.5},
        {"edit": "move", "dx": 2.0, "dy": -1.0, "dz": 0},
        {"edit": "deform", "mm": 1.0},
        paint(np.zeros((3, 32, 32)), "cavity", 3),
        {"edit": "rotate", "degrees": 15},
    ]
    for count in range(1, len(steps) + 1):
        _, begun = slice_of(site, recipe=edits(*steps[:count]))
    fresh = Site(Studio(told_model, [mask_of(told_model, 1)]), TOKEN, anatomy="average")
    _, at_once = slice_of(fresh, recipe=edits(*steps))
    np.testing.assert_array_equal(begun["labels"], at_once["labels"])
    _, undone = slice_of(site, recipe=edits(*steps[:1]))
    _, first = slice_of(fresh, recipe=edits(*steps[:1]))
    np.testing.assert_array_equal(undone["labels"], first["labels"])


def test_the_recipe_is_replayed_to_the_same_mask(site, studio, told_model, tmp_path):
    """With a donor that was loaded, from files as the page and the user have them."""
    volume = mask_of(told_model, 2).volume
    donor = tmp_path / "the donor, 2.nii"
    write_volume(donor, volume.data, volume.affine)
    query = {"name": donor.name, "labels": "samr"}
    loaded = ask(site, "/masks", body=donor.read_bytes(), query=query)
    name = json.loads(loaded.body)["name"]
    assert name == "the_donor_2.nii.gz"
    mask = studio.masks["example.nii.gz"]
    recipe = edits(
        {"edit": "replace", "donor": name, "dx": 2.0},
        paint(mask.labels, "cavity"),
        {"edit": "scale", "tumor": 1.3, "edema": "carried"},
        paint(mask.labels, "edema", 8, (0, 12, 12)) | {"over": "normal"},
    )
    wanted = {"mask": mask.name, "anatomy": "average", "recipe": recipe}
    saved = ask(site, "/recipe", wanted)
    assert saved.file_name == "edit.json"
    (tmp_path / "edit.json").write_bytes(saved.body)
    write_volume(tmp_path / "mask.nii.gz", mask.volume.data, mask.volume.affine)
    write_volume(tmp_path / name, volume.data, volume.affine)
    with contextlib.chdir(tmp_path):
        edited = edit_files("mask.nii.gz", "edit.json", "new.nii.gz").mask.data
    shown = [
        slice_of(site, recipe=recipe, slice=index)[1]["labels"] for index in range(3)
    ]
    np.testing.assert_array_equal(edited, np.transpose(shown, (2, 1, 0)))
    assert len(np.unique(edited)) == 5


def test_all_slices_as_files(site, studio, tmp_path):
    mask = studio.masks["example.nii.gz"]
    recipe = edits(paint(mask.labels), {"edit": "mirror"})
    choice = {"mask": mask.name, "anatomy": "average", "recipe": recipe, "seed": 5}
    number = json.loads(ask(site, "/volumes", {**choice, "samples": 2}).body)["number"]
    again = ask(site, "/volumes", choice)
    for _ in range(600):
        status = json.loads(ask(site, f"/volumes/{number}").body)
        if status["state"] != "working":
            break
        time.sleep(0.1)
    assert status["state"] == "ready", status
    if again.status != "200 OK":
        assert "another one is being made" in error_of(again)
    response = ask(site, f"/volumes/{number}/zip")
    with zipfile.ZipFile(response.body) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "samr-jax"
    files = {path.name for path in folder.iterdir()}
    assert files >= {"T1w.nii.gz", "APTw_confidence.nii.gz", "APTw_std.nii.gz"}
    assert files >= {"labels.nii.gz", "provenance.json", "edit.json", "sample-2"}
    with contextlib.chdir(folder / "masks"):
        edit_files("example.nii.gz", "../edit.json", "new.nii.gz")
    replayed = nib.load(folder / "masks" / "new.nii.gz").get_fdata()
    labels = nib.load(folder / "labels.nii.gz").get_fdata()
    np.testing.assert_array_equal(replayed, labels)
    record = json.loads((folder / "provenance.json").read_text())
    assert (
        record["noise_seed"] == 5 and "paint:label=tumor" in record["request"]["edit"]
    )
    _, shown = slice_of(site, recipe=recipe, seed=5)
    saved = nib.load(folder / "T1w.nii.gz").get_fdata()[:, :, 1].T
    window = studio.model.dataset.windows["T1w"]
    found = window.restore(shown["images"][0] / 32767)
    np.testing.assert_allclose(found, saved, atol=1e-3 * (window.high - window.low))


def test_a_mask_of_another_protocol_gets_the_atlas_brain(site, told_model):
    labels = np.array([0, 0, 2, 1, 3], np.uint8)[blob_subject(2).labels]
    image = nib.Nifti1Image(
        np.transpose(labels, (2, 1, 0)), told_model.dataset.grid.affine
    )
    query = {"name": "../seg .nii.gz", "labels": "brats2023"}
    body = gzip.compress(image.to_bytes())
    described = json.loads(ask(site, "/masks", body=body, query=query).body)
    assert described["name"] == "seg_.nii.gz" and described["shape"] == [3, 32, 32]
    assert described["spacing"] == pytest.approx([4.4, 1, 1])
    assert described["heights"] == [-4.4, 0, 4.4]
    _, arrays = slice_of(site, mask="seg_.nii.gz")
    brain = told_model.dataset.brain[1] | (labels[1] > 0)
    np.testing.assert_array_equal(arrays["labels"] > 0, brain)
    lesion = arrays["labels"] > 1
    np.testing.assert_array_equal(lesion, labels[1] > 0)


def test_names_of_masks_are_theirs_for_good(studio, told_model):
    studio.masks.add(mask_of(told_model, 2, "a.nii.gz"))
    assert studio.masks.add(mask_of(told_model, 2, "a.nii.gz")).name == "a.nii.gz"
    second = studio.masks.add(mask_of(told_model, 3, "a.nii.gz"))
    assert second.name == second.volume.source == "a-2.nii.gz"
    for number in range(MAX_MASKS + 1):
        studio.masks.add(mask_of(told_model, 4 + number, "b.nii.gz"))
    with pytest.raises(InputError, match=r"mask 'a\.nii\.gz': not loaded"):
        studio.masks["a.nii.gz"]
    assert len(studio.masks.all()) == MAX_MASKS
    assert studio.masks["example.nii.gz"]  # kept
    assert studio.masks.add(mask_of(told_model, 99, "a.nii.gz")).name == "a-3.nii.gz"
