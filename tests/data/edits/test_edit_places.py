"""Edits of place and shape, and with other patients' lesions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samr_jax.data import edits
from samr_jax.data.edits.constraints import MAX_LOST
from samr_jax.data.edits.geometry import midline
from samr_jax.labels import BACKGROUND, CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError
from tests.data.edits.edit_cases import (
    SPACING,
    disc,
    of_slice,
    patients,
    round_head,
    sizes,
)

pytestmark = pytest.mark.quick

quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", name="patients")
def _patients():
    return patients()


def numbers(low, high):
    return st.floats(low, high).map(lambda value: round(value, 3))


@quick
@given(st.integers(-7, 7), st.integers(-7, 7))
def test_move_shifts_and_comes_back(columns, rows):
    labels = round_head(lesion=8, core=4, centre=(32, 30))
    spacing = (0.8, 0.5)
    dx, dy = columns * spacing[1], rows * spacing[0]
    moved = edits.apply(f"move:dx={dx},dy={dy}", labels, spacing=spacing)
    lesion = np.where(labels > NORMAL, labels, 0)
    expected = np.roll(lesion, (rows, columns), (0, 1))
    np.testing.assert_array_equal(np.where(moved > NORMAL, moved, 0), expected)
    back = edits.apply(f"move:dx={-dx},dy={-dy}", moved, spacing=spacing)
    np.testing.assert_array_equal(back, labels)


def test_a_quarter_turn_is_that_of_numpy():
    labels = np.ones((41, 41), np.uint8)
    labels[14:27, 14:27] = np.random.default_rng(0).integers(2, 5, (13, 13))
    turned = edits.apply("rotate:degrees=90", labels, spacing=(2.0, 2.0))
    np.testing.assert_array_equal(turned, np.rot90(labels))


def test_rotation_is_one_in_millimetres():
    labels = np.ones((81, 41), np.uint8)
    rows, columns = np.indices(labels.shape) - np.array([40, 20])[:, None, None]
    labels[np.hypot(rows * 1.0, columns * 2.0) < 18] = EDEMA
    turned = edits.apply("rotate:degrees=33", labels, spacing=(1.0, 2.0))
    changed = np.count_nonzero(turned != labels) / np.count_nonzero(labels == EDEMA)
    assert changed < 0.1  # of the disc's outline; without millimetres it is 0.4


@quick
@given(numbers(-180, 180))
def test_rotation_keeps_sizes_and_centre(degrees):
    labels = round_head(lesion=12, core=7, centre=(31, 28))
    turned = edits.apply(f"rotate:degrees={degrees}", labels, spacing=(1, 1))
    np.testing.assert_allclose(sizes(turned)[[2, 4]], sizes(labels)[[2, 4]], rtol=0.05)
    centres = [np.argwhere(x > NORMAL).mean(0) for x in (labels, turned)]
    np.testing.assert_allclose(*centres, atol=0.2)


def test_mirror_of_a_symmetric_brain():
    labels = round_head(lesion=10, centre=(30, 20))
    mirrored = edits.apply("mirror", labels, spacing=(1, 1))
    np.testing.assert_array_equal(mirrored, labels[:, ::-1])
    twice = edits.apply("mirror,mirror", labels, spacing=(1, 1))
    np.testing.assert_array_equal(twice, labels)


def test_mirror_goes_to_the_other_hemisphere(patients):
    for name, labels in patients.items():
        mirrored = edits.apply("mirror", labels, spacing=SPACING)
        middle = midline(labels != BACKGROUND) / 2
        sides = [np.argwhere(x > NORMAL)[:, 2] - middle for x in (labels, mirrored)]
        assert np.sign(np.median(sides[0])) == -np.sign(np.median(sides[1])), name
        assert abs(sides[0].mean() + sides[1].mean()) < 1, name


def test_deform_changes_the_outline_and_hardly_the_size(patients):
    labels, spacing = of_slice(patients["D"])
    edited = [
        edits.apply(f"deform:mm=3,seed={seed}", labels, spacing=spacing)
        for seed in range(8)
    ]
    for other in edited:
        assert np.count_nonzero(other != labels) > 20
        assert sizes(other)[2:].sum() == pytest.approx(sizes(labels)[2:].sum(), rel=0.2)
    assert len({x.tobytes() for x in edited}) == len(edited)
    same = edits.apply("deform:mm=0", labels, spacing=spacing)
    np.testing.assert_array_equal(same, labels)


def test_clipping_at_the_brains_edge_has_a_limit():
    labels = round_head(lesion=8, core=4, centre=(32, 30))
    count = sizes(labels)[2:].sum()
    for dx in range(0, 60, 2):
        try:
            edited = edits.apply(f"move:dx={-dx}", labels, spacing=(1, 1))
        except InputError as error:
            assert "would leave the brain, expected at most 20 %" in str(error)
            break
        left = sizes(edited)[2:].sum()
        assert left >= (1 - MAX_LOST) * count
    assert left < count and 18 < dx < 34


def test_replace_and_insert_bring_the_donors_lesion(patients):
    own, other = patients["A"], patients["C"]
    brain = own != BACKGROUND
    expected = np.where(brain & (other > NORMAL), other, brain)
    replaced = edits.apply("replace:donor=C", own, spacing=SPACING, donors=patients)
    np.testing.assert_array_equal(replaced, expected)
    text = "remove,insert:donor=C"
    inserted = edits.apply(text, own, spacing=SPACING, donors=patients)
    np.testing.assert_array_equal(inserted, expected)


def test_recombine_takes_parts_of_their_donors(patients):
    own = patients["C"]
    for text in ("tumor=D", "cavity=A", "tumor=A,cavity=D", "edema=A"):
        edited = edits.apply(f"recombine:{text}", own, spacing=SPACING, donors=patients)
        parts = dict(pair.split("=") for pair in text.split(","))
        for part, code in (("cavity", CAVITY), ("tumor", TUMOR)):
            wanted = sizes(patients[parts.get(part, "C")])[code]
            assert (1 - MAX_LOST) * wanted <= sizes(edited)[code] <= wanted
        if "edema" not in parts:
            assert np.all(edited[own > NORMAL] > NORMAL)


def test_a_recombined_tumor_gives_way_to_the_cavity():
    own = round_head(lesion=14, core=5)
    other = round_head(lesion=14, core=4, centre=(30, 40))
    other[disc(other.shape, (30, 40), 7)] = CAVITY
    edited = edits.apply(
        "recombine:cavity=other", own, spacing=(1, 1), donors={"other": other}
    )
    np.testing.assert_array_equal(edited == CAVITY, disc(own.shape, (32, 22), 7))
    assert sizes(edited)[TUMOR] == sizes(own)[TUMOR]
