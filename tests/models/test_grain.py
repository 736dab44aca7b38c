"""Grain: what it is made of, where it is, and which losses it learns from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from samr_jax.benchmark.measure import random_batch
from samr_jax.methods import cg_samr, conditional_gan
from samr_jax.methods.batch import decode
from samr_jax.models.grain import SCALES, Grain, at_every_scale
from tests.methods.test_anatomy import tiny_variant


def noise_of(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_coarser_noise_is_interpolated_from_block_means_of_unit_deviation():
    noise = noise_of(4, 64, 64, 2)
    scales = np.split(np.asarray(at_every_scale(noise)), SCALES, axis=-1)
    np.testing.assert_array_equal(scales[0], noise)
    for level, found in enumerate(scales[1:], start=1):
        side = 2**level
        blocks = noise.reshape(4, 64 // side, side, 64 // side, side, 2)
        means = side * blocks.mean((2, 4))
        assert means.std() == pytest.approx(1, abs=0.05)
        # Bilinear interpolation at 2^level times the size has this value where a pixel
        # is as near as possible to the middle of its block.
        near = 1 - 0.5 / side
        row = near * means + (1 - near) * np.roll(means, 1, axis=1)
        both = near * row + (1 - near) * np.roll(row, 1, axis=2)
        middle = side // 2 - 1
        np.testing.assert_allclose(
            found[:, middle::side, middle::side][:, 1:, 1:], both[:, 1:, 1:], atol=1e-5
        )


def test_grain_is_the_sum_of_filtered_noise_times_amounts():
    x, noise = noise_of(1, 16, 16, 3), noise_of(1, 16, 16, 1, seed=1)
    grain = Grain(outputs=1, patterns=2)
    variables = grain.init(jax.random.key(0), x, noise)
    params = jax.tree.map(lambda p: 5 * p + 0.1, variables["params"])
    found = grain.apply({"params": params}, x, noise)[0, 8, 8, 0]
    amount, pattern = params["amount"], params["pattern"]
    seen = np.asarray(at_every_scale(noise))[0, 6:11, 6:11]
    expected = 0.0
    for k in range(2):
        at = x[0, 8, 8] @ amount["kernel"][0, 0, :, k] + amount["bias"][k]
        expected += at * np.sum(seen * pattern["kernel"][..., k])
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    silent = grain.apply({"params": params}, x, np.zeros_like(noise))
    np.testing.assert_array_equal(silent, 0)


@pytest.fixture(scope="module")
def largest_gradients():
    """Loss of the synthesis -> module of a decoder's branch -> largest gradient."""
    method = tiny_variant(model__noise=2)
    batch = decode(random_batch(method.fields, 1, 16, 2))
    variables = method.gen.init(jax.random.key(0), batch, train=True)

    def losses(params):
        outputs, _ = method.gen.apply(
            {**variables, "params": params},
            batch,
            train=True,
            rngs={"dropout": jax.random.key(1)},
            mutable=["batch_stats"],
        )
        synthesis = outputs["synthesis"]
        settings = conditional_gan.Loss(l1=1.0)
        pixel, *_ = conditional_gan.pixel_term(synthesis, batch, loss=settings)
        texture = cg_samr.texture_terms(synthesis, batch, axis_name=None)
        return {"pixel": pixel, "images": jnp.mean(synthesis.images**2), **texture}

    gradients = jax.jit(jax.jacrev(losses))(variables["params"])
    return {
        loss: {
            name: max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(part))
            for name, part in found["generator"]["decoder"]["branch_0"].items()
        }
        for loss, found in gradients.items()
    }


def test_grain_does_not_learn_from_the_pixel_loss(largest_gradients):
    found = largest_gradients["pixel"]
    assert found["grain"] == 0 and found["out"] > 0


def test_grain_learns_from_losses_of_the_images(largest_gradients):
    found = largest_gradients["images"]
    assert found["grain"] > 0 and found["out"] > 0


@pytest.mark.parametrize(("term", "bent"), [("texture", 0), ("repeated_pattern", 1)])
def test_the_amount_of_detail_is_learned_by_grain_alone(largest_gradients, term, bent):
    found = largest_gradients[term]
    assert found["grain"] > 0
    assert all((found[name] > 0) == bent for name in found if name != "grain")


def test_images_without_noise_are_the_images_without_grain():
    method = tiny_variant(model__noise=2)
    batch = decode(random_batch(method.fields, 1, 16, 2))
    batch = batch.replace(noise=np.zeros((1, 16, 16, 2), np.float32))
    variables = method.gen.init(jax.random.key(0), batch, train=True)
    outputs, _ = method.gen.apply(variables, batch, train=True, mutable=["batch_stats"])
    synthesis = outputs["synthesis"]
    np.testing.assert_array_equal(synthesis.images, synthesis.without_grain)
    after = method.gen.apply(variables, batch, method="synthesize")
    assert after.without_grain is None


def test_grain_leaves_the_range_of_the_images_in_training_alone():
    """A clip in training would send the texture loss into the image without grain."""
    method = tiny_variant(model__noise=2)
    batch = decode(random_batch(method.fields, 1, 16, 2))
    batch = batch.replace(noise=1e6 * noise_of(1, 16, 16, 2))
    variables = method.gen.init(jax.random.key(0), batch, train=True)
    outputs, _ = method.gen.apply(variables, batch, train=True, mutable=["batch_stats"])
    assert np.abs(outputs["synthesis"].images).max() > 1
    after = method.gen.apply(variables, batch, method="synthesize")
    assert np.abs(after.images).max() == 1
