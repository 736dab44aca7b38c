"""Loss terms of the compared methods, and of the ablations that lack a term."""

import numpy as np
import pytest

from samr_jax.config import default, method_of
from samr_jax.methods import cyclegan, segmentation, unit
from samr_jax.methods.base import Context
from samr_jax.methods.batch import Batch
from samr_jax.models.decoder import Synthesis
from tests.methods.method_cases import TERMS, ablated, load, parts_of

RNG = np.random.default_rng(0)


def uniform(low, high, *shape):
    return RNG.uniform(low, high, shape).astype(np.float32)


def example_batch():
    labels = RNG.integers(0, 5, (2, 4, 4))
    return Batch(
        mask=np.eye(5, dtype=np.float32)[labels],
        tissue=uniform(0, 1, 2, 4, 4, 3),
        images=uniform(-1, 1, 2, 4, 4, 3),
    )


def example_features(*names, scales=1):
    return {
        name: [
            [uniform(-1, 1, 2, 3, 3, 2), uniform(-2, 2, 2, 3, 3, 1)]
            for _ in range(scales)
        ]
        for name in names
    }


def example_streams(*names):
    """Domain 1 is an array and domain 2 a `Synthesis`."""
    return {
        name: uniform(0, 1, 2, 4, 4, 8)
        if name.endswith("1")
        else Synthesis(uniform(-1, 1, 2, 4, 4, 3))
        for name in names
    }


def distances(outputs, batch):
    """Mean absolute difference of each stream to its domain, in float64."""
    x = np.concatenate([batch.mask, batch.tissue], -1).astype(np.float64)
    y = batch.images.astype(np.float64)
    return {
        name: np.abs(x - value).mean()
        if name.endswith("1")
        else np.abs(y - value.images).mean()
        for name, value in outputs.items()
        if name.startswith(("recon", "cyc"))
    }


def wrong_by(features, goal):
    """Least-squares loss of the logits."""
    return sum(np.mean((np.float64(layers[-1]) - goal) ** 2) for layers in features)


def pixelwise_cross_entropy(mask, logits, weights):
    total = 0.0
    for place in np.ndindex(mask.shape[:-1]):
        label, row = mask[place].argmax(), np.float64(logits[place])
        total -= weights[label] * (row[label] - np.log(np.exp(row).sum()))
    return total / mask[..., 0].size


def test_pix2pix_is_a_conditional_gan_with_a_pixel_loss():
    batch, images = example_batch(), uniform(-1, 1, 2, 4, 4, 3)
    features = example_features("real", "fake")
    total, _ = method_of(
        load("configs/pix2pix.py", "paper"), Context(3, (16, 16))
    ).gen_loss({"synthesis": Synthesis(images)}, features, batch, {})
    logits = np.float64(features["fake"][0][-1])
    expected = np.log1p(np.exp(-logits)).mean()
    expected += 100 * np.abs(np.float64(images) - batch.images).mean()
    assert total == pytest.approx(expected, rel=1e-5)


def test_the_pixel_loss_weighs_labels():
    batch, images = example_batch(), uniform(-1, 1, 2, 4, 4, 3)
    features = example_features("real", "fake")

    def loss(**settings):
        config = load("configs/pix2pix.py", "paper")
        config.loss.update(settings)
        method = method_of(config, Context(3, (16, 16)))
        return float(
            method.gen_loss({"synthesis": Synthesis(images)}, features, batch, {})[0]
        )

    weights = (1.0, 2.0, 3.0, 5.0, 7.0)
    found = loss(l1_label_weights=weights) - loss(l1=0.0)
    errors = np.abs(np.float64(images) - batch.images).mean(-1)
    expected = sum(
        weight * errors[batch.mask[..., label] == 1].sum()
        for label, weight in enumerate(weights)
    )
    assert found == pytest.approx(100 * expected / errors.size, rel=1e-5)


def test_pix2pixhd_is_least_squares_with_feature_matching():
    batch, images = example_batch(), uniform(-1, 1, 2, 4, 4, 3)
    features = example_features("real", "fake", scales=2)
    method = method_of(load("configs/pix2pixhd.py", "paper"), Context(3, (32, 32)))
    total, _ = method.gen_loss({"synthesis": Synthesis(images)}, features, batch, {})
    matching = sum(
        np.abs(np.float64(a[0]) - b[0]).mean()
        for a, b in zip(features["real"], features["fake"], strict=True)
    )
    assert total == pytest.approx(
        wrong_by(features["fake"], 1) + 10 * matching, rel=1e-5
    )
    total, _ = method.disc_loss(features)
    assert total == pytest.approx(
        (wrong_by(features["real"], 1) + wrong_by(features["fake"], 0)) / 2, rel=1e-5
    )


NAMES = ("real_1", "fake_1", "real_2", "fake_2")


def test_cyclegan_weighs_realism_and_cycles():
    batch, features = example_batch(), example_features(*NAMES)
    outputs = example_streams("cyc_1", "cyc_2")
    expected = distances(outputs, batch) | {
        "gan_1": wrong_by(features["fake_1"], 1),
        "gan_2": wrong_by(features["fake_2"], 1),
    }
    weights = {name: float(i + 1) for i, name in enumerate(expected)}
    total, terms = cyclegan.generator_loss(
        outputs, features, batch, {}, loss=cyclegan.Loss(gan="lsgan", **weights)
    )
    assert terms == pytest.approx(expected, rel=1e-5)
    weighted = sum(weights[name] * value for name, value in expected.items())
    assert total == pytest.approx(weighted, rel=1e-5)


def test_synseg_adds_the_segmentation_of_synthesized_images():
    batch, features = example_batch(), example_features(*NAMES)
    outputs = example_streams("cyc_1", "cyc_2")
    outputs["logits"] = uniform(-2, 2, 2, 4, 4, 5)
    config = load("configs/synseg.py", "paper")
    total, _ = method_of(config, Context(3, (8, 8))).gen_loss(
        outputs, features, batch, {}
    )
    translation, _ = method_of(default("cyclegan"), Context(3, (8, 8))).gen_loss(
        outputs, features, batch, {}
    )
    weights = config.loss.segmenter_label_weights
    assert len(set(weights)) > 1
    labels = pixelwise_cross_entropy(batch.mask, outputs["logits"], weights)
    assert total == pytest.approx(float(translation) + labels, rel=1e-5)


def test_unit_weighs_its_streams_and_codes():
    batch, features = example_batch(), example_features(*NAMES)
    outputs = example_streams("recon_1", "recon_2", "cyc_1", "cyc_2")
    codes = [uniform(-2, 2, 2, 2, 2, 4) for _ in range(4)]
    expected = distances(outputs, batch) | {
        "gan_1": wrong_by(features["fake_1"], 1),
        "gan_2": wrong_by(features["fake_2"], 1),
        "kl": sum(np.mean(np.float64(code) ** 2) / 2 for code in codes),
    }
    weights = {name: float(i + 1) for i, name in enumerate(expected)}
    total, terms = unit.generator_loss(
        outputs | {"codes": codes},
        features,
        batch,
        {},
        loss=unit.Loss(gan="lsgan", **weights),
    )
    assert terms == pytest.approx(expected, rel=1e-5)
    weighted = sum(weights[name] * value for name, value in expected.items())
    assert total == pytest.approx(weighted, rel=1e-5)


def test_the_segmenter_learns_from_cross_entropy_and_dice():
    batch, logits = example_batch(), uniform(-2, 2, 2, 4, 4, 5)
    weights = (1.0, 2.0, 3.0, 4.0, 5.0)
    total, _ = segmentation.segmentation_loss(
        logits, None, batch, {}, cross_entropy=2.0, dice=3.0, label_weights=weights
    )
    powers = np.exp(np.float64(logits))
    p = powers / powers.sum(-1, keepdims=True)
    axes = (0, 1, 2)
    overlap = (p * batch.mask).sum(axes)
    dice = np.mean(1 - 2 * overlap / (p.sum(axes) + batch.mask.sum(axes)))
    expected = 2 * pixelwise_cross_entropy(batch.mask, logits, weights) + 3 * dice
    assert total == pytest.approx(expected, rel=1e-5)


def test_shape_consistency_may_have_a_cross_entropy():
    batch, features = example_batch(), example_features("real", "fake", scales=6)
    half = uniform(0.1, 0.9, 2, 2, 2, 3)
    outputs = {
        "synthesis": Synthesis(uniform(-1, 1, 2, 4, 4, 3), half, half),
        "logits_of_real": uniform(-2, 2, 2, 4, 4, 5),
        "logits_of_fake": uniform(-2, 2, 2, 4, 4, 5),
    }
    weights = {"real": (1.0, 2.0, 3.0, 4.0, 5.0), "fake": (5.0, 3.0, 1.0, 2.0, 4.0)}

    def loss(cross_entropy):
        config = load("configs/paired.py", "paper")
        config.loss.shape_consistency = 3.0
        config.loss.shape_cross_entropy = cross_entropy
        config.loss.shape_label_weights = weights["fake"]
        config.loss.segmenter_label_weights = weights["real"]
        method = method_of(config, Context(3, (32, 32)))
        return method.gen_loss(outputs, features, batch, {"lambda_cm": 0.1})[0]

    expected = sum(
        pixelwise_cross_entropy(batch.mask, outputs[f"logits_of_{side}"], of_labels)
        for side, of_labels in weights.items()
    )
    assert loss(2.0) - loss(0.0) == pytest.approx(3 * 2 * expected, rel=1e-4)


@pytest.mark.parametrize("part", TERMS)
def test_a_loss_without_a_term_is_the_sum_of_the_others(part):
    batch, features = example_batch(), example_features("real", "fake", scales=6)
    half = uniform(0.1, 0.9, 2, 2, 2, 3)
    outputs = {
        "synthesis": Synthesis(uniform(-1, 1, 2, 4, 4, 3), half, half),
        "logits_of_real": uniform(-2, 2, 2, 4, 4, 5),
        "logits_of_fake": uniform(-2, 2, 2, 4, 4, 5),
    }
    method_state = {"lambda_cm": 0.1}
    full, terms = ablated().gen_loss(outputs, features, batch, method_state)
    if part == "confidence":
        outputs["synthesis"] = Synthesis(outputs["synthesis"].images)
        missing = default().loss.confidence * terms["confidence"]
    else:
        del outputs["logits_of_real"], outputs["logits_of_fake"]
        missing = terms["dice_of_real"] + terms["dice_of_fake"]
    left, _ = ablated(part).gen_loss(outputs, features, batch, method_state)
    assert left == pytest.approx(float(full - missing), rel=1e-5)
    if part == "confidence":
        # Without a confidence map the losses are SAMR's, which has none.
        samr = ablated(method="samr")
        assert samr.gen_loss(outputs, features, batch, method_state)[0] == left
        assert samr.disc_loss(features)[0] == ablated(part).disc_loss(features)[0]
        assert parts_of(samr)[1] == parts_of(ablated(part))[1]
