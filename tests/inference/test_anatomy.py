"""One lesion in many brains: seeds, averages, subjects and a user's own maps."""

import hashlib
import json

import jax
import numpy as np
import optax
import pytest

import samr_jax
from samr_jax.data import phantom
from samr_jax.data.nifti import Volume
from samr_jax.data.phantom.healthy import draw_anatomy
from samr_jax.data.tissue import brain_of_tissue, fit_to_brain
from samr_jax.data.window import unpack
from samr_jax.inference.anatomy import read_anatomy
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.inference.written import write_volumes
from samr_jax.methods.batch import decode
from samr_jax.runs.model import Model, build_method
from samr_jax.runtime.errors import InputError
from samr_jax.training.state import create_state
from tests.tiny import tiny_config


def random_model(dataset, name, *, noise=0):
    """A model of random weights: what it is told changes what it makes."""
    config = tiny_config(dataset, name)
    if noise:
        config.model.noise = noise
    method = build_method(config, dataset)
    item = dataset.split("train")[0]
    batch = decode({field: item[field][None] for field in method.fields})
    state = create_state(method, jax.random.key(0), batch, optimizer=optax.sgd(0.1))
    return Model(method, state.gen.variables, dataset, 0, state.method_state)


@pytest.fixture(scope="module")
def model(dataset):
    return random_model(dataset, "anatomy")


@pytest.fixture(scope="module")
def case(dataset):
    slices = [item for item in dataset.split("test") if item["slice"] == 1]
    return slices[0]["labels"], unpack(slices[0]["atlas"]), slices[0]


def images(model, case, mask=None, **options):
    mask = case[0] if mask is None else mask
    return samr_jax.synthesize(mask, case[1], checkpoint=model, **options).images


def test_without_an_anatomy_it_is_the_brain_of_seed_0(model, case):
    plain = images(model, case)
    np.testing.assert_array_equal(plain, images(model, case, anatomy=0))
    assert not np.array_equal(plain, images(model, case, anatomy=7))


def test_maps_of_ones_own_are_what_the_network_sees(model, dataset, case):
    """The mask's own maps and the dataset's average, beside a direct call."""
    labels, atlas, item = case
    maps = np.zeros((*labels.shape, 3), np.float32)
    maps[labels > 0] = (0.5, 0.25, 0.25)
    stored = {"labels": labels[None], "atlas": atlas[None]}
    for told, tissue in ((maps, maps), ("average", dataset.average_tissue[1])):
        expected = model.synthesize(stored | {"tissue": tissue[None]}).images[0]
        found = images(model, case, anatomy=told)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert item["slice"] == 1


def test_a_mask_without_brain_takes_the_anatomys(model, case):
    labels, _, _ = case
    rows, columns = np.indices(labels.shape)
    ellipse = ((rows - 15) / 12) ** 2 + ((columns - 16) / 9) ** 2 < 1
    maps = ellipse[..., None] * np.array([0.6, 0.3, 0.1], np.float32)
    lesion = np.where(labels > 1, labels, 0)
    marked = np.where(ellipse & (lesion == 0), 1, lesion)
    np.testing.assert_array_equal(
        images(model, case, lesion, anatomy=maps),
        images(model, case, marked, anatomy=maps),
    )


@pytest.mark.parametrize(
    "anatomy, message",
    [
        (-1, "anatomy: -1, expected a seed from 0"),
        ("mine", "anatomy: 'mine', expected a seed from 0, 'average' or tissue maps"),
        (np.zeros((32, 32, 2)), r"maps of shape \(32, 32, 2\), expected \(1, 32, 32"),
        (np.full((32, 32, 3), 2.0), r"values outside \[0, 1\]"),
        (np.full((32, 32, 3), np.nan), r"values outside \[0, 1\]"),
    ],
)
def test_wrong_anatomies(model, case, anatomy, message):
    with pytest.raises(InputError, match=message) as caught:
        images(model, case, anatomy=anatomy)
    assert "\n" not in str(caught.value)


def test_a_method_that_is_told_no_anatomy_refuses_one(dataset, case):
    with pytest.raises(InputError, match="CG-SAMR is told no individual's anatomy"):
        images(random_model(dataset, "cg_samr"), case, anatomy=7)


def test_a_volume_has_the_anatomy_of_its_slices(model, dataset):
    slices = list(dataset.split("test"))[: dataset.grid.slices]
    labels = np.stack([item["labels"] for item in slices])
    atlas = unpack(np.stack([item["atlas"] for item in slices]))
    mask = Volume(np.transpose(labels, (2, 1, 0)), dataset.grid.affine, "mask.nii")
    subject = dataset.splits["train"][0]
    told = read_anatomy(f"{dataset.directory}/{subject}", model)
    for anatomy in (3, told, "average"):
        volume = synthesize_volume(model, mask, anatomy=anatomy)
        arrays = samr_jax.synthesize(labels, atlas, checkpoint=model, anatomy=anatomy)
        expected = dataset.restore(None, arrays.images)
        expected[labels == 0] = 0
        found = np.transpose(volume.images, (2, 1, 0, 3))
        np.testing.assert_allclose(found, expected, atol=0.05)


def test_words_for_an_anatomy(model, dataset):
    assert read_anatomy("seed:7", model) == 7
    assert read_anatomy("average", model) == "average"
    item = next(i for i in dataset.split("train") if i["slice"] == 2)
    found = read_anatomy(f"{dataset.directory}/{item['subject']}", model)
    np.testing.assert_allclose(found.maps[2], item["tissue"] / 255, atol=1e-6)
    for text, message in (
        ("seed:x", "expected seed:N, average, DATASET/SUBJECT or SCAN"),
        (f"{dataset.directory}/nobody", "no subject 'nobody'"),
    ):
        with pytest.raises(InputError, match=message):
            read_anatomy(text, model)


def test_the_provenance_names_what_was_told_and_no_patient(model, dataset, tmp_path):
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    mask = Volume(np.transpose(labels, (2, 1, 0)), dataset.grid.affine, "mask.nii")
    subject = dataset.splits["train"][0]
    maps = read_anatomy(f"{dataset.directory}/{subject}", model).maps
    shown = hashlib.sha256(f"{maps.shape}".encode() + maps.tobytes()).hexdigest()
    own = {"kind": "maps", "maps_sha256": shown}
    cases = (
        (None, {"kind": "simulated", "seed": 0}),
        (7, {"kind": "simulated", "seed": 7}),
        ("average", {"kind": "average"}),
        (maps, own),
        (
            read_anatomy(f"{dataset.directory}/{subject}", model),
            {**own, "dataset_hash": dataset.content_hash},
        ),
    )
    for anatomy, expected in cases:
        volume = synthesize_volume(model, mask, anatomy=anatomy)
        assert volume.told == {"anatomy": expected}
    write_volumes(volume, model, tmp_path / "out")
    text = (tmp_path / "out" / "provenance.json").read_text()
    assert json.loads(text)["anatomy"] == expected
    assert subject not in text


def test_the_provenance_names_the_seed_of_the_noise_if_there_is_noise(dataset):
    noisy = random_model(dataset, "anatomy", noise=1)
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    mask = Volume(np.transpose(labels, (2, 1, 0)), dataset.grid.affine, "mask.nii")
    volume = synthesize_volume(noisy, mask, anatomy="average", seed=5)
    assert volume.told == {"anatomy": {"kind": "average"}, "noise_seed": 5}


class TestHealthyBrains:
    def test_are_whole_brains_that_differ_with_the_seed(self):
        grid = phantom.grid(32, slices=3)
        first, again, other = (draw_anatomy(seed, grid=grid) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).mean() > 0.01
        brain = brain_of_tissue(first)
        np.testing.assert_allclose(first.sum(-1), brain, atol=1e-5)
        area = brain.sum((1, 2)) * np.prod(grid.spacing[:2]) / 100
        assert (area > 100).all() and (area < 220).all()  # cm² of an axial slice
        shares = first[brain].mean(axis=0)
        assert (shares > 0.1).all()  # white matter, grey matter and CSF

    def test_are_those_of_the_slices_at_any_size(self):
        """A pixel of 32 x 32 holds what its pixels of 64 x 64 hold."""
        coarse, fine = (draw_anatomy(5, grid=phantom.grid(n, 1)) for n in (32, 64))
        pooled = fine.reshape(1, 32, 2, 32, 2, 3).mean((2, 4))
        inside = (coarse.sum(-1) > 0.5) & (pooled.sum(-1) > 0.999)
        assert np.abs(coarse - pooled)[inside].max() < 0.05


class TestFit:
    def test_leaves_maps_of_the_same_outline_alone(self):
        maps = draw_anatomy(0, grid=phantom.grid(32, slices=2))
        found = fit_to_brain(maps, brain_of_tissue(maps))
        np.testing.assert_allclose(found, maps, atol=1e-5)

    def test_moves_and_scales_a_brain(self):
        """A disc with white matter on its left half, to a larger disc elsewhere."""
        rows, columns = np.indices((40, 40))

        def disc(row, column, radius):
            return np.hypot(rows - row, columns - column) < radius

        small = disc(12, 14, 6)[..., None] * np.stack(
            [columns < 14, columns >= 14, 0 * columns], -1
        ).astype(np.float32)
        brain = disc(22, 20, 12)
        found = fit_to_brain(small[None], brain[None])[0]
        np.testing.assert_allclose(found.sum(-1), brain, atol=1e-6)
        assert found[brain & (columns < 18), 0].min() > 0.9
        assert found[brain & (columns > 20), 1].min() > 0.9
