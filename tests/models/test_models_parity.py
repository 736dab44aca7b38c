"""Our networks give the numbers of the authors' networks, with the same weights."""

import jax
import numpy as np
import pytest

from samr_jax.models.discriminators import (
    LabelwiseDiscriminators,
    MultiScaleDiscriminator,
)
from samr_jax.models.generator import Generator
from samr_jax.models.pix2pixhd import GlobalGenerator
from samr_jax.models.unet import Pix2PixUNet
from tests.models.parity_import import (
    Reference,
    block,
    branch,
    encoder,
    head,
    patch_discriminator,
    pix2pix_unet,
    residual_block,
)

TOLERANCE = 1e-5


def relative_error(ours, reference) -> float:
    """The largest difference, as a fraction of the reference's largest value."""
    assert ours.shape == reference.shape
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


def apply(network, variables, *inputs, mode: str):
    """The outputs with running statistics ('eval') or with the batch's ('train')."""
    if mode == "eval":
        return jax.jit(lambda v: network.apply(v, *inputs, train=False))(variables)
    step = jax.jit(
        lambda v: network.apply(v, *inputs, train=True, mutable=["batch_stats"])
    )
    return step(variables)[0]


def generator_layers(*, branch_blocks: int) -> list[tuple[str, str]]:
    layers = [
        *encoder("model", "mask_encoder", 2),
        *encoder("encoder_atlas", "atlas_encoder", 2),
        *residual_block("resnet_blocks.0", "trunk/block_0"),
    ]
    for i in range(5):
        path = f"decoder/branch_{i}"
        if branch_blocks:
            layers += residual_block(f"model_{i}.0", f"{path}/trunk/block_0")
        layers += branch(f"model_{i}", path, branch_blocks, 2)
    return layers


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_cg_samr_generator_matches_the_released_one(mode):
    reference = Reference("cg_samr_generator")
    layers = [
        *generator_layers(branch_blocks=0),
        *head("model_syn", "decoder/heads/synthesis"),
        *head("model_conf", "decoder/heads/confidence"),
    ]
    generator = Generator(5, ngf=16, downsamplings=2, blocks=1, heads="shared")
    inputs = reference.inputs["mask"], reference.inputs["atlas"]
    made = apply(generator, reference.variables(layers), *inputs, mode=mode)
    for name, expected in reference.outputs(mode).items():
        error = relative_error(getattr(made, name), expected)
        print(f"cg_samr_generator {mode} {name} {error:.1e}")
        assert error < TOLERANCE, name


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_samr_generator_matches_the_released_one(mode):
    reference = Reference("samr_generator")
    generator = Generator(
        5, ngf=4, downsamplings=2, blocks=1, confidence=False, branch_blocks=1
    )
    variables = reference.variables(generator_layers(branch_blocks=1))
    inputs = reference.inputs["mask"], reference.inputs["atlas"]
    made = apply(generator, variables, *inputs, mode=mode)
    # The released network stacks its branches last to first.
    error = relative_error(made.images[..., ::-1], reference.outputs(mode)["images"])
    print(f"samr_generator {mode} {error:.1e}")
    assert error < TOLERANCE


def assert_features_match(made, expected: dict[str, np.ndarray]) -> None:
    assert sum(map(len, made)) == len(expected)
    errors = {
        f"d{i}/layer{j}": relative_error(value, expected[f"d{i}/layer{j}"])
        for i, features in enumerate(made)
        for j, value in enumerate(features)
    }
    print(f"largest error {max(errors.values()):.1e}")
    assert max(errors.values()) < TOLERANCE, errors


def test_labelwise_discriminators_match_the_released_ones():
    reference = Reference("labelwise_discriminators")
    paths = [
        f"{roi}/scale_{scale}"
        for roi in ("background", "normal", "lesion")
        for scale in range(2)
    ]
    layers = [
        pair
        for i, path in enumerate(paths)
        for pair in patch_discriminator(f"scale{5 - i}", path)
    ]
    mask = reference.inputs["mask"].copy()
    # The released forward overwrites the edema channel by the union of the lesion.
    mask[..., 2] = mask[..., 2:].sum(-1)
    made = apply(
        LabelwiseDiscriminators(ndf=8),
        reference.variables(layers),
        mask,
        reference.inputs["atlas"],
        reference.inputs["images"],
        mode="eval",
    )
    assert_features_match(made, reference.outputs("eval"))


def test_multiscale_discriminator_matches_the_released_one():
    reference = Reference("multiscale_discriminator")
    layers = [
        *patch_discriminator("scale1", "scale_0"),
        *patch_discriminator("scale0", "scale_1"),
    ]
    variables = reference.variables(layers)
    network = MultiScaleDiscriminator(ndf=8)
    made = apply(network, variables, reference.inputs["x"], mode="eval")
    assert_features_match(made, reference.outputs("eval"))


def test_pix2pix_unet_matches_the_released_one():
    reference = Reference("unet")
    variables = reference.variables(pix2pix_unet())
    network = Pix2PixUNet(outputs=5, features=4)
    logits = apply(network, variables, reference.inputs["images"], mode="eval")
    expected = reference.outputs("eval")["probabilities"]
    error = relative_error(jax.nn.softmax(logits), expected)
    print(f"unet {error:.1e}")
    assert error < TOLERANCE


def test_global_generator_matches_pix2pixhd():
    reference = Reference("pix2pixhd_global_generator")
    layers = [
        *encoder("model", "features/encoder", 2),
        *residual_block("model.10", "features/trunk/block_0"),
        *residual_block("model.11", "features/trunk/block_1"),
        *block("model", 12, "features/up_0"),
        *block("model", 15, "features/up_1"),
        ("model.19", "out"),
    ]
    network = GlobalGenerator(5, ngf=4, downsamplings=2, blocks=2)
    variables = reference.variables(layers)
    made = apply(network, variables, reference.inputs["x"], mode="eval")
    error = relative_error(made, reference.outputs("eval")["images"])
    print(f"pix2pixhd_global_generator {error:.1e}")
    assert error < TOLERANCE
