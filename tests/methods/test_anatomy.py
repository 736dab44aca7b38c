"""The variant that is told an individual's anatomy: what it sees, and from where."""

import dataclasses
import functools
import shutil

import jax
import numpy as np
import optax
import pytest

from samr_jax.benchmark.measure import random_batch
from samr_jax.config import default, method_of, set_field, validate
from samr_jax.data.dataset import open_dataset
from samr_jax.methods.base import Context
from samr_jax.methods.batch import decode
from samr_jax.runs.model import build_method
from samr_jax.runs.workdir import keep_description
from samr_jax.runtime.errors import InputError
from samr_jax.training.data import training_batches
from samr_jax.training.state import create_state
from tests.methods.method_cases import parts_of
from tests.tiny import shrink, tiny_config


@functools.cache
def tiny_variant(**fields):
    config = shrink(default("anatomy"))
    config.model.downsamplings = 2
    for name, value in fields.items():
        set_field(config, name.replace("__", "."), value)
    return method_of(config, Context(sequences=2, size=(16, 16)))


def paper():
    config = shrink(default("cg_samr"))
    return method_of(config, Context(sequences=2, size=(16, 16)))


def test_the_variant_says_what_it_is_told():
    method = tiny_variant()
    assert (method.name, method.prior) == ("CG-SAMR + anatomy", "individual anatomy")
    assert {"atlas", "tissue"} <= set(method.fields)


def test_without_connections_only_the_inputs_differ_from_the_papers():
    """Three channels more for the mask's encoder and for each discriminator."""
    (own, terms), (theirs, same_terms) = (
        parts_of(method) for method in (tiny_variant(model__skips=False), paper())
    )
    assert own.keys() == theirs.keys() and terms == same_terms
    wider = {path for path in own if own[path] != theirs[path]}
    first = {p for p in own if p.endswith("layer_0/conv/kernel")}
    assert wider == first | {"gen/generator/mask_encoder/stem/conv/kernel"}
    assert {own[path][2] - theirs[path][2] for path in wider} == {3}


def test_connections_reach_every_scale_of_every_branch():
    """Channels of both encoders' features arrive behind each up-convolution."""
    (own, _), (theirs, _) = (
        parts_of(tiny_variant(model__skips=skips)) for skips in (True, False)
    )
    decoder, ngf = "gen/generator/decoder/", 2
    joined = {p: own.pop(p) for p in own.keys() - theirs.keys()}
    kernels = {p: joined[p] for p in joined if p.endswith("conv/kernel")}
    path = decoder + "branch_{}/join/conv/kernel"
    assert kernels == {path.format(i): (3, 3, 4 * ngf, 2 * ngf) for i in range(2)}
    assert own.keys() == theirs.keys()
    grown = {p: own[p][2] - theirs[p][2] for p in own if own[p] != theirs[p]}
    expected = {}
    for i in range(2):
        expected[f"{decoder}branch_{i}/up_1/conv/kernel"] = 2 * (2 * ngf)
        for head in ("synthesis", "confidence"):
            path = f"{decoder}heads_{i}/{head}/block_0/conv/kernel"
            expected[path] = 2 * (2 * ngf)
    assert grown == expected


@pytest.mark.parametrize("blank", [True, False])
def test_maps_inside_a_lesion_count_only_if_they_are_not_blanked(blank):
    method = tiny_variant(anatomy__blank_lesions=blank)
    stored = random_batch(method.fields, 1, 16, 2)
    batch = decode(stored)
    state = create_state(method, jax.random.key(0), batch, optimizer=optax.sgd(0.1))
    run = jax.jit(
        lambda batch: method.gen.apply(state.gen.variables, batch, method="synthesize")
    )
    lesion = np.asarray(batch.mask[..., 2:].sum(-1, keepdims=True)) > 0
    assert lesion.any() and not lesion.all()
    images = run(batch).images
    for place, counts in ((lesion, not blank), (~lesion, True)):
        changed = batch.replace(tissue=np.where(place, 0.9, batch.tissue))
        assert (not np.array_equal(run(changed).images, images)) == counts


def test_slices_must_be_halved_as_often_as_the_texture_loss_does():
    fields = {"model__downsamplings": 2, "model__unet_depth": 1}
    assert tiny_variant(**fields).downsamplings == 2
    assert tiny_variant(**fields, loss__texture=1.0).downsamplings == 3


def test_noise_changes_the_images_of_a_model_that_sees_noise():
    method = tiny_variant(model__noise=2)
    assert method.noise == 2 and tiny_variant().noise == 0
    stored = random_batch(method.fields, 1, 16, 2)
    batch = decode(stored)
    state = create_state(method, jax.random.key(0), batch, optimizer=optax.sgd(0.1))

    def images(noise, key=0):
        return method.gen.apply(
            state.gen.variables,
            batch.replace(noise=noise),
            method="synthesize",
            rngs={"dropout": jax.random.key(key)},
        ).images

    noise = np.random.default_rng(0).normal(size=(1, 16, 16, 2)).astype(np.float32)
    given = images(noise)
    np.testing.assert_array_equal(given, images(noise, key=1))
    assert not np.array_equal(given, images(-noise))
    assert not np.array_equal(images(None), images(None, key=1))


def test_a_share_of_the_training_slices_comes_with_the_average_maps(dataset):
    config = tiny_config(dataset, "anatomy")
    average = np.round(255 * dataset.average_tissue).astype(np.uint8)

    def averages(share):
        set_field(config, "anatomy.average_share", share)
        batches = training_batches(config, dataset, build_method(config, dataset))
        maps = [batches[step]["tissue"] for step in range(60)]
        for step in (0, 59):
            np.testing.assert_array_equal(batches[step]["tissue"], maps[step])
        given = np.concatenate(maps)
        return np.mean([(average == one).all((1, 2, 3)).any() for one in given])

    assert averages(0.0) == 0 and averages(1.0) == 1
    assert 0.2 < averages(0.3) < 0.4


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_share_lies_between_0_and_1(value):
    config = shrink(default("anatomy"))
    set_field(config, "anatomy.average_share", value)
    with pytest.raises(InputError, match=r"average_share is .*, expected 0 to 1"):
        validate(config)


class TestAverageMaps:
    def test_are_of_the_training_subjects_without_their_lesions(self, dataset):
        slices = [item for item in dataset.split("train") if item["slice"] == 1]
        tissue = np.stack([item["tissue"] for item in slices]) / 255
        labels = np.stack([item["labels"] for item in slices])
        healthy = np.broadcast_to((labels < 2)[..., None], tissue.shape)
        expected = np.ma.array(tissue, mask=~healthy).mean(axis=0)
        known = ~np.ma.getmaskarray(expected)
        np.testing.assert_allclose(
            dataset.average_tissue[1][known], expected[known], atol=1e-6
        )

    def test_of_an_older_dataset_are_computed_from_its_slices(self, dataset, tmp_path):
        copy = tmp_path / "older"
        shutil.copytree(dataset.directory, copy)
        for name in ("WM", "GM", "CSF"):
            (copy / "atlas" / f"{name}.nii.gz").unlink()
        older = open_dataset(copy)
        np.testing.assert_allclose(
            older.average_tissue, dataset.average_tissue, atol=1e-6
        )
        keep_description(older, tmp_path / "kept")
        kept = open_dataset(tmp_path / "kept")
        np.testing.assert_array_equal(kept.average_tissue, older.average_tissue)

    def test_are_refused_where_there_are_none(self, dataset):
        bare = dataclasses.replace(dataset, has_tissue=False)
        with pytest.raises(InputError, match="no tissue maps"):
            bare.average_tissue  # noqa: B018
