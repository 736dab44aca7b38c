"""Lesion edits: what must hold for any of them, and what each of them does."""

import doctest
import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import perimeter

from samr_jax.data import edits, phantom
from samr_jax.data.edits.geometry import midline
from samr_jax.data.edits.recipe import Recipe
from samr_jax.data.edits.rules import MAX_LOST
from samr_jax.data.nifti import read_labels, write_volume
from samr_jax.errors import InputError
from samr_jax.labels import BACKGROUND, CAVITY, EDEMA, NORMAL, TUMOR

GRID = phantom.grid(64, 6)
SPACING = GRID.spacing[::-1]
PARTS = ("lesion", "edema", "cavity", "tumor")
CODES = {"lesion": (2, 3, 4), "edema": (2,), "cavity": (3,), "tumor": (4,)}

quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def patients():
    """Volumes of three patients, all with edema, cavity and tumor."""
    return {
        name: phantom.simulate_subject(
            index, seed=0, grid=GRID, sequences=("T1w",)
        ).labels.astype(np.uint8)
        for name, index in (("A", 0), ("C", 4), ("D", 5))
    }


def disc(shape, centre, radius):
    grid = np.indices(shape)
    offset = np.asarray(centre).reshape(-1, *[1] * len(shape))
    return ((grid - offset) ** 2).sum(0) < radius**2


def round_head(size=64, lesion=12.0, core=6.0, centre=(32, 22)):
    """A round brain; a round lesion with a round tumor in its middle."""
    labels = disc((size, size), (31.5, 31.5), 28).astype(np.uint8)
    labels[disc(labels.shape, centre, lesion)] = EDEMA
    labels[disc(labels.shape, centre, core)] = TUMOR
    return labels


def sizes(labels):
    return np.bincount(labels.ravel(), minlength=5)


def of_slice(volume):
    """The slice with most of its rarest lesion label, and its spacing."""
    best = max(volume, key=lambda plane: sizes(plane)[2:].min())
    return best, SPACING[1:]


def numbers(low, high):
    return st.floats(low, high).map(lambda value: round(value, 3))


donor = st.sampled_from(["A", "D"])
some_edit = st.one_of(
    st.builds(lambda p, f: f"scale:{p}={f}", st.sampled_from(PARTS), numbers(0.2, 3)),
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


# --- any recipe -------------------------------------------------------------------


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
    assert len(refused) < 15


# --- size -------------------------------------------------------------------------


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


# --- place and shape --------------------------------------------------------------


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


# --- other patients ---------------------------------------------------------------


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


# --- what is refused --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edit: empty"),
        ("seed=7", "edit: empty"),
        ("dx=5", "'dx=5', expected edit:parameter=value"),
        ("grow:tumor=2", "'grow' is unknown, expected scale, remove"),
        ("scale", "scale: no label"),
        ("scale:tumor=big", r"scale: tumor=big, expected a number in \[0.01, 100\]"),
        ("scale:tumor=0", "scale: tumor=0, expected"),
        ("scale:tumor=nan", "scale: tumor=nan, expected"),
        ("scale:tumour=2", "parameter 'tumour' is unknown, expected lesion, edema"),
        ("scale:tumor=2,tumor=3", "tumor is given twice"),
        ("scale:tumor", "'scale:tumor', expected edit:parameter=value"),
        ("rotate", "rotate: parameter 'degrees' is missing"),
        ("move:dx=inf", "dx=inf, expected"),
        ("mirror:axis=x", "parameter 'axis' is unknown, expected none"),
        ("deform:mm=9,scale=12", r"mm=9, expected a number in \[0, 4\]"),
        ("remove:part=skull", "part=skull, expected one of edema"),
        ("mirror,seed=-1", "seed=-1, expected a whole number"),
        ("mirror,seed=x", "seed=x, expected a whole number"),
        ("replace", "replace: parameter 'donor' is missing"),
        ("recombine", "recombine: no donor"),
        ("scale:cavity=2", r"scale \(edit 1\): labels: no cavity, expected some"),
        ("remove,rotate:degrees=5", r"rotate \(edit 2\): labels: no lesion"),
        (
            "scale:lesion=50",
            "a label of .* cells would leave the brain, expected at most",
        ),
        ("move:dx=30", "of the lesion would leave the brain, expected at most 20 %"),
        ("move:dx=400", "100 % of the lesion would leave the brain"),
        ("move:dz=5", "dz=5 on a slice, expected a volume"),
        ("replace:donor=X", "donor 'X' is not given, expected one of: healthy, small"),
        ("replace:donor=small", r"shape \(8, 8\), expected \(64, 64\)"),
        ("replace:donor=healthy", "donor healthy: no lesion"),
        ("recombine:tumor=healthy", "donor healthy: no tumor"),
        ("insert:donor=healthy", "a lesion, expected a healthy brain"),
    ],
)
def test_what_cannot_be_done_is_one_line(text, message):
    labels = round_head(lesion=8, centre=(32, 36))
    donors = {"healthy": np.minimum(labels, 1), "small": labels[:8, :8]}
    with pytest.raises(InputError, match=message) as refusal:
        edits.apply(text, labels, spacing=(1, 1), donors=donors)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("labels", "spacing", "message"),
    [
        (np.zeros((8, 8), int), (1, 1), "every one is background"),
        (np.full((8, 8), 7), (1, 1), "label value 7, expected 0 to 4"),
        (np.ones(8, int), (1,), r"shape \(8,\), expected"),
        (np.ones((8, 8), int), (1, 1, 1), "expected 2 positive millimetres"),
        (np.ones((8, 8), int), (1, 0), "expected 2 positive millimetres"),
    ],
)
def test_labels_that_are_none(labels, spacing, message):
    with pytest.raises(InputError, match=message):
        edits.apply("remove", labels, spacing=spacing)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not a recipe"),
        ({"edits": []}, "empty"),
        ({"edits": ["mirror"]}, "step 'mirror', expected an object"),
        ({"edits": [{"edit": "mirror"}], "sed": 1}, "field 'sed'"),
        ({"edits": [{"edit": "mirror"}], "seed": True}, "seed=True"),
        ({"edits": [{"edit": "scale", "tumor": "2"}]}, "tumor=2, expected a number"),
        ({"edits": [{"edit": "scale", "tumor": True}]}, "tumor=True, expected"),
        ({"edits": [{"edit": "replace", "donor": 3}]}, "donor=3, expected a name"),
        ({"edits": [{"edit": ["mirror"]}]}, "is unknown, expected scale"),
    ],
)
def test_json_that_is_no_recipe(content, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_json(content)


# --- random edits -----------------------------------------------------------------


def test_random_edits_can_be_repeated_and_replayed(patients):
    labels, others = patients["C"], {n: patients[n] for n in "AD"}
    for jitter in (False, True):
        made = [
            edits.random_edit(
                labels,
                np.random.default_rng(seed),
                spacing=SPACING,
                donors=others,
                jitter=jitter,
            )
            for seed in (0, 1, 2, 0)
        ]
        for recipe, edited in made:
            again = edits.apply(str(recipe), labels, spacing=SPACING, donors=others)
            np.testing.assert_array_equal(again, edited)
            assert (edited != labels).any()
        assert made[0][0] == made[3][0]
        assert len({str(recipe) for recipe, _ in made}) == 3


def test_random_recipes_are_the_papers(patients):
    rng = np.random.default_rng(0)
    recipes = [
        edits.draw_recipe(patients["C"], rng, donors=patients) for _ in range(90)
    ]
    names = [type(recipe.edits[0]).__name__ for recipe in recipes]
    assert {n: names.count(n) > 15 for n in ("Scale", "Replace", "Recombine")} == (
        dict.fromkeys(("Scale", "Replace", "Recombine"), True)
    )
    factors = [r.edits[0].tumor for r in recipes if hasattr(r.edits[0], "factors")]
    assert 0.5 <= min(factors) < 0.65 and 1.6 < max(factors) <= 2.0


def test_random_edits_use_what_there_is(patients):
    rng = np.random.default_rng(0)
    labels, spacing = of_slice(patients["C"])
    no_tumor = np.where(labels == TUMOR, EDEMA, labels)
    healthy = np.minimum(labels, NORMAL)
    recipe, _ = edits.random_edit(no_tumor, rng, spacing=spacing, donors={"h": healthy})
    assert list(recipe.edits[0].factors) == ["lesion"]
    recipe, edited = edits.random_edit(
        healthy, rng, spacing=spacing, donors={"own": labels}
    )
    assert str(recipe).startswith("insert:donor=own")
    np.testing.assert_array_equal(edited, labels)
    with pytest.raises(InputError, match="no lesion and no donor's"):
        edits.random_edit(healthy, rng, spacing=spacing)


# --- files ------------------------------------------------------------------------


def save(path, labels):
    """Labels on `GRID` as NIfTI."""
    write_volume(path, np.transpose(labels, (2, 1, 0)), GRID.affine)
    return str(path)


def test_a_file_of_any_orientation_is_edited_in_the_bodys_axes(patients, tmp_path):
    mask = read_labels(save(tmp_path / "mask.nii.gz", patients["C"]))
    text = "scale:tumor=1.5,move:dx=7,dy=-4,dz=4.4,rotate:degrees=20,deform,seed=3"
    expected = edits.apply(text, patients["C"], spacing=SPACING)
    edited = edits.edit_volume(mask, text).mask
    np.testing.assert_array_equal(edited.data, np.transpose(expected, (2, 1, 0)))
    image = nib.Nifti1Image(mask.data, mask.affine)
    turned = image.as_reoriented([[1, -1], [2, 1], [0, -1]])
    nib.save(turned, tmp_path / "turned.nii.gz")
    edited = edits.edit_volume(read_labels(tmp_path / "turned.nii.gz"), text).mask
    back = nib.Nifti1Image(edited.data, edited.affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.io_orientation(edited.affine),
            nib.orientations.io_orientation(mask.affine),
        )
    )
    np.testing.assert_allclose(back.affine, mask.affine, atol=1e-4)
    np.testing.assert_array_equal(back.get_fdata(), np.transpose(expected, (2, 1, 0)))


def test_directions_are_left_posterior_and_superior(tmp_path):
    labels = np.ones((6, 32, 32), np.uint8)
    labels[1:4, 12:18, 10:20] = TUMOR
    affine = np.diag([-2.0, -3.0, 4.0, 1.0])
    write_volume(tmp_path / "mask.nii.gz", np.transpose(labels, (2, 1, 0)), affine)
    mask = read_labels(tmp_path / "mask.nii.gz")
    moved = edits.edit_volume(mask, "move:dx=-10,dy=6,dz=4").mask

    def centre(data):
        points = nib.affines.apply_affine(affine, np.argwhere(data == TUMOR))
        return points.mean(axis=0)

    way = centre(moved.data) - centre(mask.data)  # in RAS+
    np.testing.assert_allclose(way, (10, -6, 4), atol=1e-4)


def test_masks_without_normal_brain_need_a_brain(patients, tmp_path):
    brats = np.array([0, 0, 2, 1, 4])[patients["C"]]
    mask = read_labels(save(tmp_path / "seg.nii.gz", brats))
    with pytest.raises(InputError, match="no normal brain in label preset"):
        edits.edit_volume(mask, "mirror", labels="brats2021")
    brain = np.transpose(patients["C"] > 0, (2, 1, 0))
    edited = edits.edit_volume(mask, "mirror", labels="brats2021", brain=brain)
    expected = edits.apply("mirror", patients["C"], spacing=SPACING)
    np.testing.assert_array_equal(edited.mask.data, np.transpose(expected, (2, 1, 0)))


def test_donor_files_come_to_the_masks_grid(patients, tmp_path):
    mask = read_labels(save(tmp_path / "mask.nii.gz", patients["A"]))
    wider = np.pad(patients["C"], ((1, 1), (3, 0), (0, 2)))
    affine = GRID.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [0, 3, 1]
    donor = tmp_path / "donor.nii.gz"
    write_volume(donor, np.transpose(wider, (2, 1, 0)), affine)
    edited = edits.edit_volume(mask, f"replace:donor={donor}").mask
    expected = edits.apply(
        "replace:donor=C", patients["A"], spacing=SPACING, donors=patients
    )
    np.testing.assert_array_equal(edited.data, np.transpose(expected, (2, 1, 0)))


def test_command_edits_and_replays(patients, tmp_path):
    mask = save(tmp_path / "mask.nii.gz", patients["C"])
    donor = save(tmp_path / "donor.nii.gz", patients["A"])

    def run(name, edit, *more):
        output = tmp_path / f"{name}.nii.gz"
        command = [sys.executable, "launch/edit.py", f"--mask={mask}", *more]
        process = subprocess.run(
            [*command, f"--edit={edit}", f"--output={output}"],
            capture_output=True,
            text=True,
        )
        return process, output

    process, first = run("first", "random,seed=5", f"--donors={donor}")
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "first.json").read_text())
    assert process.stdout.strip() == record["about"]["text"]
    _, second = run("second", tmp_path / "first.json")
    assert first.read_bytes() == second.read_bytes()
    process, third = run("third", "move:dx=400")
    assert process.returncode == 1 and not third.exists()
    errors = [line for line in process.stderr.splitlines() if "error" in line]
    assert process.stderr.splitlines()[-1:] == errors
    assert errors[0].startswith("error: move (edit 1): 100 % of the lesion")
