"""The digital brain phantom: anatomy, lesions, contrast, and what it depends on."""

import dataclasses
import functools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import perimeter
from threadpoolctl import threadpool_limits

from samr_jax.data.phantom import grid, physics, simulate_subject
from samr_jax.data.phantom.focus import content_of
from samr_jax.data.phantom.geometry import coarse_axes, grid_axes
from samr_jax.data.phantom.partial_volume import mix
from samr_jax.data.phantom.patient import draw_patient
from samr_jax.data.phantom.random_field import Field, resample
from samr_jax.data.subject import Grid
from samr_jax.labels import CAVITY, EDEMA, LESION_LABELS, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import SEQUENCES

SEED = 3
COHORT = range(16)
SMALL = grid(64, slices=6)
SHARP = grid(128, slices=5)

# Contrast to white matter: the range over eight real high-grade patients. The ranges of
# grey matter on FLAIR and of CSF on T2w are moved towards ten further patients.
MEASURED = {
    "fluid": ((0.52, 0.63), (0.30, 0.54), (2.6, 3.4), (0.15, 0.46)),
    "grey": ((0.77, 1.00), (0.69, 0.97), (1.1, 1.45), (1.02, 1.15)),
    "necrosis": ((0.48, 0.99), (0.35, 1.13), (1.65, 3.8), (0.46, 2.26)),
    "edema": ((0.84, 1.02), (0.67, 0.92), (1.66, 1.96), (1.40, 1.78)),
    "enhancing": ((0.78, 1.10), (1.14, 2.32), (1.64, 2.47), (1.35, 2.26)),
}
# Tissues of the phantom that are one tissue to a reader of images.
KINDS = {"edema": ("edema", "soaked"), "enhancing": ("enhancing", "loose")}
# Spread (standard deviation) inside a label on T1w, Gd-T1w, T2w and FLAIR, in units of
# white matter's signal: around the median of ten patients, in which bias and noise are
# larger.
SPREAD = {
    EDEMA: ((0.02, 0.10), (0.03, 0.14), (0.18, 0.36), (0.15, 0.32)),
    TUMOR: ((0.02, 0.12), (0.14, 0.42), (0.16, 0.40), (0.13, 0.32)),
    NORMAL: ((0.02, 0.10), (0.02, 0.12), (0.04, 0.14), (0.06, 0.12)),
}
# Published APTw in percent: two sources' means and spreads together.
MEASURED_APTW = {
    "white": (-0.5, 1.8),
    "grey": (-0.5, 1.8),
    "fluid": (-0.8, 0.8),
    "edema": (0.5, 2.0),
    "necrosis": (0.0, 4.0),
    "enhancing": (1.9, 4.4),
}


@functools.cache
def subject(index, where=SMALL.size[0]):
    return simulate_subject(index, seed=SEED, grid=SMALL if where == 64 else SHARP)


@functools.cache
def pure_medians(index):
    """Tissue -> median of each sequence where hardly anything else is."""
    axes = grid_axes(SHARP)
    spacing = tuple(np.diag(SHARP.affine)[2::-1])
    with threadpool_limits(1):
        contents = mix(draw_patient(SEED, index, axes), axes, spacing)
    images = subject(index, 128).images
    medians = {}
    fractions = dict(zip(physics.TISSUES, contents.fractions, strict=True))
    for name in ("white", *MEASURED):
        fraction = sum(fractions[part] for part in KINDS.get(name, (name,)))
        purity = 0.6 if name == "necrosis" else 0.8  # necrosis has debris in it
        pure = (fraction > purity) & (contents.brain > 0.99)
        if pure.sum() > 30:
            medians[name] = np.median(images[pure], axis=0)
    return medians


def cohort_values(tissue, value):
    found = [pure_medians(i) for i in COHORT]
    return np.array([value(m) for m in found if tissue in m])


@pytest.mark.parametrize("sequence", SEQUENCES[:4])
@pytest.mark.parametrize("tissue", MEASURED)
def test_contrast_is_that_of_real_patients(tissue, sequence):
    channel = SEQUENCES.index(sequence)
    ratios = cohort_values(tissue, lambda m: m[tissue][channel] / m["white"][channel])
    low, high = MEASURED[tissue][channel]
    assert len(ratios) >= 3
    assert low <= np.median(ratios) <= high
    # Bias and individual tissue constants may take one subject a little beyond.
    assert np.all((ratios > 0.9 * low) & (ratios < 1.1 * high))


@pytest.mark.parametrize("tissue", MEASURED_APTW)
def test_aptw_is_that_of_real_patients(tissue):
    percents = cohort_values(tissue, lambda m: m[tissue][SEQUENCES.index("APTw")])
    low, high = MEASURED_APTW[tissue]
    assert len(percents) >= 3
    assert np.all((percents > low) & (percents < high))


def test_aptw_error_is_at_most_point_four_percent():
    aptw = subject(0).images[..., SEQUENCES.index("APTw")]
    white = (subject(0).labels == NORMAL) & (subject(0).tissue[..., 0] > 0.97)
    assert 0.1 < aptw[white].std() < 0.4


def test_signal_equations_by_hand():
    water = physics.Tissue(t1=1000, t2=100, density=0.5, apt=0, gadolinium=1 / 4.5)
    assert physics.spin_echo(water, tr=1000, te=100) == pytest.approx(
        0.5 * (1 - np.exp(-1)) * np.exp(-1)
    )
    assert physics.with_gadolinium(water).t1 == pytest.approx(500)
    null = 1000 * np.log(2)  # of a fully relaxed inversion recovery
    assert physics.inversion_recovery(water, tr=1e9, ti=null, te=1) == pytest.approx(0)


def test_same_arguments_same_subject():
    again = simulate_subject(0, seed=SEED, grid=SMALL)
    np.testing.assert_array_equal(again.images, subject(0).images)
    np.testing.assert_array_equal(again.labels, subject(0).labels)
    np.testing.assert_array_equal(again.tissue, subject(0).tissue)


@pytest.mark.parametrize(("index", "seed"), [(1, SEED), (0, SEED + 1)])
def test_other_index_or_seed_other_subject(index, seed):
    other = simulate_subject(index, seed=seed, grid=SMALL)
    brain = (other.labels > 0) & (subject(0).labels > 0)
    assert np.abs(other.images - subject(0).images)[brain].mean() > 10
    assert np.mean(other.labels != subject(0).labels) > 0.01


def test_any_sequences_are_the_channels_of_all():
    names = ("APTw", "T1w", "FLAIR")
    some = simulate_subject(0, seed=SEED, grid=SMALL, sequences=names)
    channels = [SEQUENCES.index(name) for name in names]
    np.testing.assert_array_equal(some.images, subject(0).images[..., channels])


@pytest.mark.parametrize("index", COHORT)
def test_arrays_agree_about_the_brain(index):
    s = subject(index)
    assert s.images.shape == (6, 64, 64, 5)
    assert (s.images.dtype, s.tissue.dtype) == (np.float32, np.float32)
    assert s.labels.dtype == np.uint8
    brain = s.labels > 0
    np.testing.assert_array_equal(np.any(s.images != 0, axis=-1), brain)
    np.testing.assert_allclose(s.tissue.sum(-1), brain, atol=1e-5)
    assert s.tissue.min() >= 0
    assert 0.15 < brain.mean() < 0.55
    assert s.images[..., :4].min() >= 0 and s.images[..., :4].max() < 1200


@pytest.mark.parametrize("index", COHORT)
def test_lesion_is_where_lesions_are(index):
    s = subject(index)
    lesion = np.isin(s.labels, LESION_LABELS)
    assert 0 < lesion.sum() < 0.4 * (s.labels > 0).sum()
    core = np.isin(s.labels, (CAVITY, TUMOR))
    # Edema follows white matter and spares cortex.
    white, grey, fluid = (s.tissue[..., i][s.labels == EDEMA].mean() for i in range(3))
    assert white > grey > fluid
    # Around the core there is more edema than elsewhere: it starts there.
    shell = ndimage.binary_dilation(core, iterations=2) & ~core & (s.labels > 0)
    far = ~ndimage.binary_dilation(core, iterations=2) & (s.labels > 0)
    assert np.mean(s.labels[shell] == EDEMA) > np.mean(s.labels[far] == EDEMA)


@pytest.mark.parametrize("sequence", SEQUENCES[:4])
@pytest.mark.parametrize("label", SPREAD)
def test_spread_inside_a_label_is_that_of_real_patients(label, sequence):
    channel = SEQUENCES.index(sequence)
    spreads = []
    for index in COHORT:
        s = subject(index, 128)
        region = s.labels == label
        if label == NORMAL:  # white matter
            region &= s.tissue[..., 0] > 0.97
        if region.sum() > 100:
            white = pure_medians(index)["white"][channel]
            spreads.append(s.images[region, channel].std() / white)
    low, high = SPREAD[label][channel]
    assert len(spreads) >= 6
    assert low < np.median(spreads) < high


def test_necrosis_is_dark_or_bright_on_flair():
    flair = physics.SIGNALS["FLAIR"]
    drawn = [physics.vary(np.random.default_rng(seed)) for seed in range(200)]
    ratios = {
        name: [flair(tissues[name]) / flair(tissues["white"]) for tissues in drawn]
        for name in physics.RICHNESS
    }
    low, middle, high = np.quantile(ratios["necrosis"], (0.02, 0.5, 0.98))
    assert low < 1.1 and 1.5 < middle < 2.1 and high > 1.85
    assert np.quantile(ratios["resection"], 0.02) < 0.65
    assert np.median(ratios["resection"]) < 0.9


def test_labels_are_as_frequent_as_after_treatment():
    contents = [content_of(index) for index in range(100)]
    assert np.mean(["cavity" in content for content in contents]) == pytest.approx(
        0.59, abs=0.02
    )
    assert np.mean(["tumor" in content for content in contents]) == pytest.approx(
        0.90, abs=0.02
    )
    for index in COHORT:
        labels, content = subject(index).labels, contents[index]
        assert np.any(labels == TUMOR) == ("tumor" in content)
        assert np.any(labels == CAVITY) == ("cavity" in content)


def test_the_first_subjects_have_every_label():
    for subjects in (2, 4, 8):
        maps = [subject(i).labels for i in range(subjects)]
        assert set(LESION_LABELS) <= set(np.unique(maps))


def test_lesions_differ():
    maps = [subject(i).labels for i in COHORT]
    cores = [np.argwhere(labels >= CAVITY) for labels in maps]
    centres = np.array([core.mean(0)[1:] for core in cores if len(core)])
    assert np.all(centres.std(0) > 2)
    volumes = np.array([np.isin(labels, LESION_LABELS).sum() for labels in maps])
    assert volumes.max() > 2 * volumes.min()


def test_cavity_lies_in_tumor_or_edema():
    touching = []
    for index in COHORT:
        labels = subject(index, 128).labels
        cavity = labels == CAVITY
        rim = ndimage.binary_dilation(cavity, np.ones((1, 3, 3))) & ~cavity
        touching.append(np.isin(labels[rim], (EDEMA, TUMOR)))
    assert np.concatenate(touching).mean() > 0.7


def test_tumor_enhances():
    t1, gd = SEQUENCES.index("T1w"), SEQUENCES.index("Gd-T1w")
    uptake = []
    for index in COHORT:
        s = subject(index)
        ratio = s.images[..., gd] / np.maximum(s.images[..., t1], 1)
        if (s.labels == TUMOR).sum() > 20:
            tumor, normal = ratio[s.labels == TUMOR], ratio[s.labels == NORMAL]
            uptake.append(np.median(tumor) / np.median(normal))
    assert np.median(uptake) > 1.15


def test_outlines_are_as_irregular_as_after_treatment():
    """Real, in pixels of this size: a median compactness of 0.61, and 1.4 pieces."""
    compactness, pieces = [], []
    for index in COHORT:
        for plane in subject(index, 128).labels:
            core = plane >= CAVITY
            if core.sum() > 30:
                compactness.append(4 * np.pi * core.sum() / perimeter(core) ** 2)
                areas = np.bincount(ndimage.label(core)[0][core])
                pieces.append(np.sum(areas > 6))
    assert 0.5 < np.median(compactness) < 0.72
    assert 1.1 < np.mean(pieces) < 1.8


def test_tissue_maps_have_the_errors_of_a_segmentation_tool():
    """Few, and none that moves the brain as a whole."""
    axes = grid_axes(SHARP)
    spacing = tuple(np.diag(SHARP.affine)[2::-1])
    patient = draw_patient(SEED, 0, axes)
    found = mix(patient, axes, spacing).anatomy
    none = SimpleNamespace(on=lambda tissue, axes: tissue)
    exact = dataclasses.replace(patient, segmentation=none)
    true = mix(exact, axes, spacing).anatomy
    brain = subject(0, 128).labels > 0
    differing = (found.argmax(0) != true.argmax(0))[brain]
    assert 0.02 < differing.mean() < 0.12
    certain = (true.max(0) > 0.95) & brain
    assert 0.002 < (found.argmax(0) != true.argmax(0))[certain].mean() < 0.04
    assert np.abs((found - true)[:, brain].mean(1)).max() < 0.03
    mean_step = np.abs(np.diff(np.moveaxis(found, 0, -1), axis=2)).mean()
    assert np.abs(np.diff(subject(0, 128).tissue, axis=2)).mean() < mean_step


def test_mirror_symmetry_of_the_template_is_broken():
    white = subject(1).tissue[..., 0]
    both = (subject(1).labels > 0) & (subject(1).labels > 0)[:, :, ::-1]
    assert np.abs(white - white[:, :, ::-1])[both].mean() > 0.08


def test_size_changes_the_sampling_not_the_subject():
    coarse, fine = subject(0), simulate_subject(0, seed=SEED, grid=grid(128, slices=6))
    share = np.eye(5)[fine.labels].reshape(6, 64, 2, 64, 2, 5).mean((2, 4))
    assert np.mean(share.argmax(-1) == coarse.labels) > 0.97


def test_grid_is_the_papers():
    default = grid()
    assert (default.size, default.slices) == ((256, 256), 15)
    np.testing.assert_allclose(default.spacing, (212 / 256, 212 / 256, 4.4))
    middle = default.affine @ [127.5, 127.5, 7, 1]
    np.testing.assert_allclose(grid(32, 4).affine @ [15.5, 15.5, 1.5, 1], middle)


def test_one_slice_still_shows_the_lesion():
    for index in range(3):
        s = simulate_subject(index, seed=SEED, grid=grid(32, slices=1))
        assert np.isin(s.labels, LESION_LABELS).any()


def test_user_errors_are_one_line():
    with pytest.raises(InputError, match=r"'SWI' cannot be simulated.*T1w, Gd-T1w"):
        simulate_subject(0, seed=0, grid=SMALL, sequences=("T1w", "SWI"))
    away = Grid.centred((8, 8), 2, spacing=(4, 4, 4), centre=(900, 0, 0))
    with pytest.raises(InputError, match="misses the brain"):
        simulate_subject(0, seed=0, grid=away)
    tilted = Grid((8, 8), 2, SMALL.affine + np.eye(4)[[1, 0, 2, 3]])
    with pytest.raises(InputError, match="oblique"):
        simulate_subject(0, seed=0, grid=tilted)
    above = Grid.centred((64, 64), 2, spacing=(3, 3, 3), centre=(0, -17, 88))
    with pytest.raises(InputError, match="white matter"):
        simulate_subject(0, seed=0, grid=above)


def test_field_is_standard_normal_at_any_axes():
    rng = np.random.default_rng(0)
    axes = tuple(np.linspace(-90, 90, n, dtype=np.float32) for n in (40, 50, 60))
    field = Field.draw(rng, 8.0)
    values = field.on(axes)
    assert abs(values.mean()) < 0.1  # its standard deviation is 0.03
    assert values.std() == pytest.approx(1, abs=0.05)
    every_other = field.on(tuple(axis[::2] for axis in axes))
    np.testing.assert_allclose(every_other, values[::2, ::2, ::2], atol=1e-5)


def test_resample_is_linear_interpolation():
    source = coarse_axes(grid_axes(SMALL))
    target = grid_axes(SMALL)
    z, y, x = np.meshgrid(*source, indexing="ij")
    there = np.meshgrid(*target, indexing="ij")
    values = resample((z - 2 * y + 3 * x).astype(np.float32), source, target)
    inner = (slice(None), slice(4, -4), slice(12, -12))
    expected = there[0] - 2 * there[1] + 3 * there[2]
    np.testing.assert_allclose(values[inner], expected[inner], atol=1e-2)
