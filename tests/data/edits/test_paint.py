"""Painting by hand, against numpy's indexing."""

import json

import numpy as np
import pytest

from samr_jax.data import edits
from samr_jax.data.edits.recipe import Recipe
from samr_jax.data.nifti import read_labels, write_volume
from samr_jax.labels import BACKGROUND, LABELS
from samr_jax.runtime.errors import InputError
from tests.data.edits.edit_cases import GRID, SPACING, disc, painted, patients

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def labels():
    return patients()["C"]


@pytest.mark.parametrize("label", ["normal", "edema", "cavity", "tumor"])
@pytest.mark.parametrize("planar", [True, False])
def test_paint_colours_the_brain_where_it_was_put(labels, label, planar):
    labels = labels[3] if planar else labels
    spacing = SPACING[1:] if planar else SPACING
    region = np.random.default_rng(0).random(labels.shape) < 0.1
    assert (region & (labels == BACKGROUND)).any()
    before = labels.copy()
    text = painted(region, label)
    edited = edits.apply(text, labels, spacing=spacing)
    inside = region & (labels != BACKGROUND)
    expected = np.where(inside, LABELS.index(label), labels)
    np.testing.assert_array_equal(edited, expected)
    np.testing.assert_array_equal(labels, before)
    recipe = edits.parse(text)
    assert edits.parse(str(recipe)) == recipe
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(("over", "codes"), [("normal", [1]), ("lesion", [2, 3, 4])])
def test_paint_leaves_alone_what_it_should_not_cover(labels, over, codes):
    region = disc(labels.shape, (3, 32, 32), 25)
    text = f"{painted(region, 'edema')},over={over}"
    expected = np.where(region & np.isin(labels, codes), 2, labels)
    assert 0 < (expected != labels).sum() < region.sum()
    edited = edits.apply(text, labels, spacing=SPACING)
    np.testing.assert_array_equal(edited, expected)
    assert str(edits.parse(text)) == f"{text},seed=0"


def test_a_run_goes_along_the_columns():
    brain = np.ones((4, 8, 9), np.uint8)
    text = "paint:label=tumor,grid=4x8x9,runs=1 2 3 4;3 7 0 9;1 2 5 3"
    expected = brain.copy()
    expected[1, 2, 3:8] = 4
    expected[3, 7] = 4
    edited = edits.apply(text, brain, spacing=(1, 1, 1))
    np.testing.assert_array_equal(edited, expected)


def test_paint_stands_among_other_edits(labels):
    disc_at = disc(labels.shape, (3, 30, 40), 4)
    text = f"remove,{painted(disc_at, 'tumor')},scale:tumor=1.5,deform:mm=2,seed=7"
    recipe = edits.parse(text)
    assert len(recipe.edits) == 4
    edited = edits.apply(recipe, labels, spacing=SPACING)
    assert (edited == 4).any()
    for done in range(1, 5):
        first = Recipe(recipe.edits[:done], recipe.seed)
        begun = edits.apply(first, labels, spacing=SPACING)
        rest = edits.apply(recipe, begun, spacing=SPACING, done=done)
        np.testing.assert_array_equal(rest, edited)


def test_paint_on_a_file_of_any_orientation(labels, tmp_path):
    """Runs are indices of axial slices, whatever the order of the file's axes."""
    region = disc(labels.shape, (2, 28, 35), 5)
    expected = edits.apply(painted(region, "cavity"), labels, spacing=SPACING)
    turned = np.transpose(labels, (1, 2, 0))[:, ::-1]
    affine = GRID.affine[:, [1, 0, 2, 3]].copy()
    affine[:3, 3] += affine[:3, 1] * (labels.shape[2] - 1)
    affine[:3, 1] *= -1
    write_volume(tmp_path / "turned.nii.gz", turned, affine)
    mask = read_labels(tmp_path / "turned.nii.gz")
    edited = edits.edit_volume(mask, painted(region, "cavity")).mask.data
    np.testing.assert_array_equal(edited, np.transpose(expected, (1, 2, 0))[:, ::-1])


@pytest.mark.parametrize(
    ("label", "grid", "runs", "message"),
    [
        ("skull", "8x8", "0 0 1", "label=skull, expected one of normal, edema"),
        ("tumor", "8", "0 0 1", "grid='8', expected such as 15x256x256"),
        ("tumor", 8, "0 0 1", "grid=8, expected such as"),
        ("tumor", "8x8", "", "runs='', expected such as"),
        ("tumor", "8x8", "0 0 -1", "runs='0 0 -1', expected such as"),
        ("tumor", "8x8", "0 0 1;", "runs='0 0 1;', expected such as"),
        ("tumor", "8x8", "0 0 1;0 0 1 1", "a run of 4 numbers, expected 3"),
        ("tumor", "8x8", "0 0 0", "a run that leaves the grid, expected all in 8x8"),
        ("tumor", "8x8", "0 8 1", "a run that leaves the grid"),
        ("tumor", "8x8", "0 4 5", "a run that leaves the grid"),
        ("tumor", "8x8", "8 0 1", "a run that leaves the grid"),
        ("tumor", "8x9", "0 0 1", "on a mask of 8x9 voxels, expected this mask's 8x8"),
        ("tumor", "8x8", "0 0 1", "nothing of the brain is painted, expected some"),
    ],
)
def test_paint_that_does_not_fit_is_one_line(label, grid, runs, message):
    brain = np.zeros((8, 8), np.uint8)
    brain[4, 4] = 1
    step = {"edit": "paint", "label": label, "grid": grid, "runs": runs}
    with pytest.raises(InputError, match=message) as refusal:
        edits.apply(Recipe.from_json({"edits": [step]}), brain, spacing=(1, 1))
    assert "\n" not in str(refusal.value)


def test_paint_over_something_else_is_one_line():
    with pytest.raises(InputError, match="over=bone, expected one of brain, normal"):
        edits.parse("paint:label=tumor,grid=8x8,runs=0 0 1,over=bone")
