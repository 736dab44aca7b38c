"""Lesion edits: what must hold for any of them, and for edits of size."""

import doctest
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import perimeter

from samr_jax.data import edits
from samr_jax.data.edits.recipe import Recipe
from samr_jax.labels import BACKGROUND, CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError
from tests.data.edits.edit_cases import (
    CODES,
    PARTS,
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


donor = st.sampled_from(["A", "D"])
some_edit = st.one_of(
    st.builds(lambda p, f: f"scale:{p}={f}", st.sampled_from(PARTS), numbers(0.2, 3)),
    st.builds(lambda f: f"scale:tumor={f},edema=carried", numbers(0.2, 3)),
    st.builds(lambda x, y: f"move:dx={x},dy={y}", numbers(-25, 25), numbers(-25, 25)),
    st.builds(lambda a: f"rotate:degrees={a}", numbers(-180, 180)),
    st.just("mirror"),
    st.builds(lambda mm: f"deform:mm={mm}", numbers(0, 4)),
    st.builds(lambda d: f"replace:donor={d}", donor),
    st.builds(lambda d: f"insert:donor={d}", donor),
    st.builds(lambda p: f"remove:part={p}", st.sampled_from(PARTS)),
    st.builds(lambda a, b: f"recombine:tumor={a},cavity={b}", donor, donor),
    st.builds(lambda a: f"recombine:edema={a}", donor),
)
some_recipe = st.builds(
    lambda steps, seed: ",".join([*steps, f"seed={seed}"]),
    st.lists(some_edit, min_size=1, max_size=3),
    st.integers(0, 2**31),
)


def test_the_packages_example():
    assert doctest.testmod(edits).attempted > 0
    assert doctest.testmod(edits).failed == 0


@pytest.mark.parametrize("planar", [True, False])
def test_any_recipe_stays_in_the_brain_and_can_be_replayed(patients, planar):
    refused = []

    @quick
    @given(some_recipe)
    def check(text):
        recipe = edits.parse(text)
        assert edits.parse(str(recipe)) == recipe
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
        donors, labels, spacing = patients, patients["C"], SPACING
        if planar:
            at = int(np.argmax([sizes(plane)[2:].min() for plane in labels]))
            donors = {name: volume[at] for name, volume in patients.items()}
            labels, spacing = donors["C"], spacing[1:]
        before = labels.copy()
        try:
            edited = edits.apply(text, labels, spacing=spacing, donors=donors)
        except InputError as error:
            refused.append(text)
            assert "\n" not in str(error) and "expected" in str(error)
            return
        assert edited.dtype == np.uint8 and edited.max() <= TUMOR
        np.testing.assert_array_equal(edited == BACKGROUND, labels == BACKGROUND)
        np.testing.assert_array_equal(labels, before)
        again = edits.apply(recipe, labels, spacing=spacing, donors=donors)
        np.testing.assert_array_equal(again, edited)

    check()
    assert len(refused) < 18


@pytest.mark.parametrize("part", ["edema", "cavity", "tumor"])
@pytest.mark.parametrize("planar", [True, False])
def test_scale_hits_its_target_to_the_cell(patients, part, planar):
    volume = patients["C"]
    labels, spacing = of_slice(volume) if planar else (volume, SPACING)
    code = CODES[part][0]

    @quick
    @given(numbers(0.1, 3))
    def check(factor):
        edited = edits.apply(f"scale:{part}={factor}", labels, spacing=spacing)
        before, after = sizes(labels), sizes(edited)
        assert after[code] == max(1, round(factor * before[code]))
        core = {CAVITY, TUMOR} - {code}
        assert all(after[other] == before[other] for other in core)

    check()


@quick
@given(numbers(0.2, 2), numbers(0.2, 2), numbers(0.2, 2))
def test_labels_scaled_together_all_hit_their_targets(edema, cavity, tumor):
    labels = round_head(lesion=14, core=8)
    labels[disc(labels.shape, (31, 20), 4)] = CAVITY
    text = f"scale:edema={edema},cavity={cavity},tumor={tumor}"
    edited = edits.apply(text, labels, spacing=(1, 1))
    wanted = [
        round(f * n)
        for f, n in zip((edema, cavity, tumor), sizes(labels)[2:], strict=True)
    ]
    assert sizes(edited)[2:].tolist() == wanted


@quick
@given(numbers(0.2, 3), numbers(0.2, 3))
def test_sizes_of_one_tumor_are_nested(first, second):
    labels = round_head()
    small, large = (
        edits.apply(f"scale:tumor={factor}", labels, spacing=(1, 1)) == TUMOR
        for factor in sorted((first, second))
    )
    assert not np.any(small & ~large)


def test_a_growing_tumor_takes_edema_before_normal_brain():
    labels = round_head(lesion=12, core=4)
    within = edits.apply("scale:tumor=4", labels, spacing=(1, 1))
    assert sizes(within)[NORMAL] == sizes(labels)[NORMAL]
    np.testing.assert_array_equal(within >= EDEMA, labels >= EDEMA)
    beyond = edits.apply("scale:tumor=16", labels, spacing=(1, 1))
    assert sizes(beyond)[NORMAL] < sizes(labels)[NORMAL]
    assert sizes(beyond)[EDEMA] == 0


@pytest.mark.parametrize("centre", [(32, 30), (32, 16)])
def test_a_growing_tumor_can_carry_its_edema_outwards(centre):
    labels = round_head(size=64, lesion=12, core=6, centre=centre)
    eaten = edits.apply("scale:tumor=4", labels, spacing=(1, 1))
    carried = edits.apply("scale:tumor=4,edema=carried", labels, spacing=(1, 1))
    np.testing.assert_array_equal(carried == TUMOR, eaten == TUMOR)
    assert sizes(eaten)[EDEMA] < 0.1 * sizes(labels)[EDEMA]
    # The new core has a radius of 12 mm, and a rim of 6 mm around it was edema.
    away = ndimage.distance_transform_edt(carried != TUMOR)
    brain = carried != BACKGROUND
    assert np.mean(carried[(away > 0) & (away < 4.5) & brain] == EDEMA) > 0.95
    assert np.mean(carried[(away > 7.5) & brain] == NORMAL) > 0.99


def test_carried_edema_keeps_its_side_and_stays_where_nothing_grows():
    labels = round_head(lesion=1, core=6, centre=(32, 32))
    beside = disc(labels.shape, (32, 38), 6) & (labels == NORMAL)
    labels[beside] = EDEMA
    grown = edits.apply("scale:tumor=2,edema=carried", labels, spacing=(1, 1))
    rows, columns = np.nonzero(grown == EDEMA)
    assert columns.min() > 32 and abs(rows.mean() - 32) < 1
    assert sizes(grown)[EDEMA] > 0.8 * sizes(labels)[EDEMA]
    shrunk = edits.apply("scale:tumor=0.5,edema=carried", labels, spacing=(1, 1))
    np.testing.assert_array_equal(
        shrunk, edits.apply("scale:tumor=0.5", labels, spacing=(1, 1))
    )


def test_a_shrinking_tumor_keeps_to_its_cavity_and_leaves_edema():
    labels = round_head(lesion=14, core=10)
    cavity = disc(labels.shape, (32, 22), 5)
    labels[cavity] = CAVITY
    edited = edits.apply("scale:tumor=0.4", labels, spacing=(1, 1))
    rim = ndimage.binary_dilation(cavity) & ~cavity
    assert (edited[rim] == TUMOR).all()
    assert (edited[(labels == TUMOR) & (edited != TUMOR)] == EDEMA).all()


def test_a_tumor_moves_with_its_cavitys_wall():
    labels = round_head(lesion=16, core=9)
    cavity = disc(labels.shape, (32, 22), 5)
    labels[cavity] = CAVITY
    for factor in (0.3, 2.0):
        edited = edits.apply(f"scale:cavity={factor}", labels, spacing=(1, 1))
        inside = edited == CAVITY
        rim = ndimage.binary_dilation(inside) & ~inside
        assert (edited[rim] == TUMOR).all()
        assert sizes(edited)[TUMOR] == sizes(labels)[TUMOR]


def outline(region):
    """Length of the outline over the root of the area: 3.5 for a disc."""
    return perimeter(region) / np.sqrt(np.count_nonzero(region))


def test_ragged_outlines_stay_ragged_and_smooth_ones_smooth():
    size = 128
    rows, columns = np.indices((size, size)) - 63.5
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    for lobes, low, high in ((0.0, 0.9, 1.15), (0.25, 0.85, 1.25)):
        labels = (radius < 60).astype(np.uint8)
        labels[radius < 20 * (1 + lobes * np.sin(9 * angle))] = TUMOR
        before = outline(labels == TUMOR)
        after = outline(edits.apply("scale:tumor=2", labels, spacing=(1, 1)) == TUMOR)
        assert low < after / before < high, lobes


def test_growth_counts_millimetres_not_cells():
    labels = np.ones((9, 41, 41), np.uint8)
    labels[4, 18:23, 18:23] = TUMOR
    edited = edits.apply("scale:tumor=3", labels, spacing=(10, 1, 1)) == TUMOR
    assert edited.sum() == 75
    assert not edited[:4].any() and not edited[5:].any()


def test_removal():
    labels = round_head(lesion=14, core=8)
    labels[disc(labels.shape, (32, 22), 3)] = CAVITY
    removed = {
        p: edits.apply(f"remove:part={p}", labels, spacing=(1, 1)) for p in PARTS
    }
    left = {"lesion": NORMAL, "edema": NORMAL, "tumor": EDEMA, "cavity": TUMOR}
    for part, edited in removed.items():
        gone = np.isin(labels, CODES[part])
        assert (edited[gone] == left[part]).all(), part
        np.testing.assert_array_equal(edited[~gone], labels[~gone])
