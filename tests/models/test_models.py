"""Networks: their numbers of parameters, their parts and their variants."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from samr_jax.models.decoder import StretchOutDecoder
from samr_jax.models.discriminators import (
    LabelwiseDiscriminators,
    MultiScaleDiscriminator,
)
from samr_jax.models.encoder import Trunk
from samr_jax.models.generator import Generator
from samr_jax.models.initialise import draw_variables
from samr_jax.models.layers import Norm
from samr_jax.models.pix2pixhd import GlobalFeatures, GlobalGenerator, LocalEnhancer
from samr_jax.models.unet import Pix2PixUNet, UNet


def parameters(module, *inputs) -> int:
    """The number of parameters of a module for inputs of these shapes."""
    inputs = [jnp.zeros(shape) for shape in inputs]
    shapes = jax.eval_shape(
        lambda: module.init(jax.random.key(0), *inputs, train=True)["params"]
    )
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_the_papers_networks_have_as_many_parameters_as_in_pytorch():
    mask, atlas, images = (1, 256, 256, 5), (1, 256, 256, 15), (1, 256, 256, 5)
    # Counted by an independent PyTorch implementation of the paper's equations.
    assert parameters(Generator(5), mask, atlas) == 37_075_215
    assert parameters(LabelwiseDiscriminators(), mask, atlas, images) == 16_734_342
    assert parameters(UNet(), images) == 31_044_933


def test_compared_networks_have_as_many_parameters_as_their_authors_print():
    image = (1, 256, 256, 3)
    unet = Pix2PixUNet(3, downsamplings=8, norm="affine_instance")
    resnet = GlobalGenerator(3, downsamplings=2, norm="instance")
    judge = MultiScaleDiscriminator(scales=1, padding=1, norm="instance")
    counts = [parameters(network, image) for network in (unet, resnet, judge)]
    # In millions, as pytorch-CycleGAN-and-pix2pix prints them at the start of a run.
    assert [f"{count / 1e6:.3f}" for count in counts] == ["54.414", "11.378", "2.765"]


def test_local_enhancer_has_the_parameters_of_its_papers_layers():
    def count(layers):
        """Parameters of ``(kernel, in, out)`` convolutions with biases."""
        return sum(k * k * a * b + b for k, a, b in layers)

    # c7s1-64, d128, d256, d512, d1024, R1024 (9 times), u512, u256, u128, u64
    glob = [(7, 20, 64), *((3, 64 * 2**i, 128 * 2**i) for i in range(4))]
    glob += [(3, 1024, 1024)] * 18
    glob += [(3, 1024 // 2**i, 512 // 2**i) for i in range(4)]
    # c7s1-32, d64, R64 (3 times), u32, c7s1-5
    local = [(7, 20, 32), (3, 32, 64), *[(3, 64, 64)] * 6, (3, 64, 32), (7, 32, 5)]
    found = parameters(LocalEnhancer(5), (1, 64, 64, 20))
    assert found == count(glob) + count(local)


def test_local_enhancer_adds_features_of_the_two_scales():
    """At half size these are the global generator's, without its last layer."""
    network = LocalEnhancer(2, ngf=2, downsamplings=1, blocks=1, local_blocks=1)
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 3)).astype(np.float32)
    variables = draw_variables(network, jax.random.key(0), x, train=True)
    _, seen = jax.jit(
        lambda v: network.apply(v, x, train=False, capture_intermediates=True)
    )(variables)
    outputs = {
        name: seen["intermediates"][name]["__call__"][0]
        for name in ("global", "encoder", "trunk")
    }
    taps = [slice(max(2 * i - 1, 0), 2 * i + 2) for i in range(8)]
    half = [[x[0, rows, columns].mean((0, 1)) for columns in taps] for rows in taps]
    features = GlobalFeatures(4, 1, 1, norm="instance")
    coarse = jax.jit(functools.partial(features.apply, train=False))(
        {"params": variables["params"]["global"]}, jnp.array([half])
    )
    np.testing.assert_allclose(outputs["global"], coarse, atol=1e-4)
    trunk = Trunk(1, norm="instance").apply(
        {"params": variables["params"]["trunk"]},
        outputs["global"] + outputs["encoder"],
        train=False,
    )
    np.testing.assert_allclose(outputs["trunk"], trunk, atol=1e-4)


def test_affine_instance_norm_is_batch_norm_of_batches_of_one():
    x = np.random.default_rng(0).normal(2, 3, (3, 4, 4, 2)).astype(np.float32)
    params = {"scale": np.float32([0.5, 2]), "bias": np.float32([1, -1])}
    own = Norm("affine_instance")
    together = own.apply({"params": params}, x, train=False)
    stats = {"mean": np.zeros(2, np.float32), "var": np.ones(2, np.float32)}
    for i in range(3):
        expected, _ = Norm("batch").apply(
            {"params": params, "batch_stats": stats},
            x[i : i + 1],
            train=True,
            mutable=["batch_stats"],
        )
        np.testing.assert_allclose(together[i : i + 1], expected, atol=1e-5)


SMALL = {"ngf": 4, "downsamplings": 2, "blocks": 2}


def small_inputs():
    rng = np.random.default_rng(0)
    mask = np.eye(5, dtype=np.float32)[rng.integers(0, 5, (2, 16, 16))]
    atlas = rng.uniform(-1, 1, (2, 16, 16, 6)).astype(np.float32)
    return mask, atlas


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"heads": "shared"},
        {"stretch_out": False},
        {"use_atlas": False},
        {"confidence": False, "branch_blocks": 1},
        {"dtype": jnp.bfloat16},
    ],
    ids=str,
)
def test_every_variant_returns_float32_images_of_all_sequences(options):
    generator = Generator(2, **SMALL, **options)
    made = jax.eval_shape(
        lambda *inputs: generator.init_with_output(
            jax.random.key(0), *inputs, train=True
        )[0],
        *small_inputs(),
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(made)} == {jnp.dtype("float32")}
    assert made.images.shape == (2, 16, 16, 2)
    if options.get("confidence", True):
        assert made.intermediate.shape == made.confidence.shape == (2, 8, 8, 2)
    else:
        assert made.intermediate is made.confidence is None


def test_leaving_out_the_atlas_keeps_the_trunk_and_decoder():
    mask, atlas = (1, 16, 16, 5), (1, 16, 16, 6)
    full, ablated = Generator(2, **SMALL), Generator(2, **SMALL, use_atlas=False)
    trees = [
        jax.eval_shape(
            lambda g=generator: g.init(
                jax.random.key(0), jnp.zeros(mask), jnp.zeros(atlas), train=True
            )["params"]
        )
        for generator in (full, ablated)
    ]
    assert "atlas_encoder" not in trees[1]
    assert trees[0]["trunk"] == trees[1]["trunk"]
    assert trees[0]["decoder"] == trees[1]["decoder"]


def test_unknown_heads_are_refused():
    with pytest.raises(ValueError, match="per_branch"):
        parameters(Generator(2, **SMALL, heads="both"), (1, 8, 8, 5), (1, 8, 8, 6))


def test_rematerialisation_changes_nothing():
    latent = np.random.default_rng(0).standard_normal((2, 4, 4, 8)).astype(np.float32)
    plain = StretchOutDecoder(2, upsamplings=1, blocks=1, heads="shared")
    variables = draw_variables(plain, jax.random.key(0), latent, train=True)

    def gradients(decoder):
        def loss(params):
            made, updated = decoder.apply(
                {**variables, "params": params},
                latent,
                train=True,
                mutable=["batch_stats"],
            )
            return sum(map(jnp.sum, jax.tree.leaves(made))), updated

        return jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])

    expected, made = gradients(plain), gradients(plain.clone(rematerialise=True))
    assert jax.tree.structure(made) == jax.tree.structure(expected)
    for value, wanted in zip(
        jax.tree.leaves(made), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-5)


def test_the_lesion_discriminators_see_the_lesion_only():
    mask, atlas = small_inputs()
    images = np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 2))
    healthy = mask[..., :2].sum(-1, keepdims=True)
    network = LabelwiseDiscriminators(ndf=2, layers=1)
    variables = draw_variables(
        network, jax.random.key(0), mask, atlas, images, train=True
    )
    judge = jax.jit(lambda x: network.apply(variables, mask, atlas, x, train=False))
    before, after = judge(images), judge(images * (1 - healthy))
    changed = [
        not np.array_equal(a[0], b[0]) for a, b in zip(before, after, strict=True)
    ]
    assert changed == [True, True, True, True, False, False]


def test_the_logits_that_see_a_region_are_those_that_its_pixels_change():
    mask = np.zeros((1, 48, 48), int)
    mask[:, 3:40, 5:44] = 1
    mask[:, 10:14, 20:23] = 4
    mask = jax.nn.one_hot(mask, 5)
    images = jax.random.normal(jax.random.key(0), (1, 48, 48, 2))
    network = LabelwiseDiscriminators(ndf=2, layers=2)
    anatomy = jnp.zeros((1, 48, 48, 1))
    variables = network.init(jax.random.key(1), mask, anatomy, images, train=False)

    def logits(images):
        features = network.apply(variables, mask, anatomy, images, train=False)
        return [layers[-1] for layers in features]

    # Every pixel changes, one of a region after the other: a single random change could
    # cancel out in a logit.
    before = logits(images)
    changed = [np.zeros(x.shape, bool) for x in before]
    for seed in range(3):
        noise = jax.random.normal(jax.random.key(2 + seed), images.shape)
        for seen, old, new in zip(changed, before, logits(images + noise), strict=True):
            seen |= np.asarray(old != new)
    found = network.in_region(mask)
    assert any(0 < np.mean(x) < 1 for x in found)
    for seen, region in zip(changed, found, strict=True):
        np.testing.assert_array_equal(seen, region == 1)


def test_dropout_of_the_pix2pix_unet_stays_on_at_test():
    network = Pix2PixUNet(outputs=2, features=2, downsamplings=4, dropout=0.5)
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 3)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 3)
    variables = draw_variables(network, keys[0], x, train=True)
    run = jax.jit(
        lambda key: network.apply(variables, x, train=False, rngs={"dropout": key})
    )
    assert not np.array_equal(run(keys[1]), run(keys[2]))
    np.testing.assert_array_equal(run(keys[1]), run(keys[1]))


def test_a_size_that_cannot_be_halved_often_enough_is_refused():
    generator = Generator(2, **SMALL)
    with pytest.raises(ValueError, match="divisible by 4"):
        generator.init(
            jax.random.key(0), np.zeros((1, 18, 16, 5)), np.zeros((1, 18, 16, 6)),
            train=True,
        )  # fmt: skip


def test_a_generator_normalised_by_instance_is_the_same_in_training_and_after_it():
    rng = np.random.default_rng(0)
    mask = np.eye(5, dtype=np.float32)[rng.integers(0, 5, (2, 16, 16))]
    atlas = rng.normal(size=(2, 16, 16, 6)).astype(np.float32)
    network = Generator(2, ngf=2, downsamplings=1, blocks=2, norm="affine_instance")
    variables = draw_variables(network, jax.random.key(0), mask, atlas, train=False)
    assert variables.keys() == {"params"}
    apply = jax.jit(network.apply, static_argnames="train")
    in_training = apply(variables, mask, atlas, train=True)
    alone = apply(variables, mask[1:], atlas[1:], train=False)
    for a, b in zip(*map(jax.tree.leaves, (in_training, alone)), strict=True):
        np.testing.assert_allclose(a[1:], b, atol=1e-5)
