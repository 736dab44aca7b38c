"""Terms of equations (7) to (10), and what keeps the discriminators useful."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from samr_jax.methods import two_domains, ucg_samr
from samr_jax.methods.base import Context
from samr_jax.methods.batch import Batch
from samr_jax.models.decoder import Synthesis
from samr_jax.models.translator import anatomy


def example_outputs(rng, sequences=3):
    """Random outputs, features and batch, no network involved."""

    def uniform(low, high, *shape):
        return rng.uniform(low, high, shape).astype(np.float32)

    def anatomy():
        return uniform(0, 1, 2, 4, 4, 8)

    def synthesis():
        return Synthesis(
            uniform(-1, 1, 2, 4, 4, sequences),
            uniform(-1, 1, 2, 2, 2, sequences),
            uniform(0.1, 0.9, 2, 2, 2, sequences),
        )

    outputs = {
        **{name: anatomy() for name in ("recon_1", "cross_1", "cyc_1")},
        **{name: synthesis() for name in ("recon_2", "cross_2", "cyc_2")},
    }
    # Two scales of a feature layer and logits.
    features = {
        f"{side}_{domain}": [
            [uniform(-1, 1, 2, 3, 3, 2), uniform(-2, 2, 2, 3, 3, 1)] for _ in range(2)
        ]
        for side in ("real", "fake")
        for domain in (1, 2)
    }
    labels = rng.integers(0, 5, (2, 4, 4))
    batch = Batch(
        mask=np.eye(5, dtype=np.float32)[labels],
        tissue=uniform(0, 1, 2, 4, 4, 3),
        images=uniform(-1, 1, 2, 4, 4, sequences),
    )
    return outputs, features, batch


def expected_terms(outputs, features, batch, lambda_cm):
    """Equations (7) to (9), pixel by pixel in float64."""
    x = np.concatenate([batch.mask, batch.tissue], -1).astype(np.float64)
    y = batch.images.astype(np.float64)
    small = np.array(
        [
            [[image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in (0, 1)]
             for i in (0, 1)]
            for image in y
        ]
    )  # fmt: skip

    def confidence(s):
        c = s.confidence.astype(np.float64)
        return np.mean(c * np.abs(s.intermediate - small)) - lambda_cm * np.mean(
            np.log(c)
        )

    def real(scales):
        return sum(np.mean(np.log1p(np.exp(-np.float64(s[-1])))) for s in scales)

    return {
        "recon_1": np.mean(np.abs(x - outputs["recon_1"])),
        "recon_2": np.mean(np.abs(y - outputs["recon_2"].images)),
        "recon_cm": confidence(outputs["recon_2"]),
        "gan_1": real(features["fake_1"]),
        "gan_2": real(features["fake_2"]),
        "cyc_1": np.mean(np.abs(x - outputs["cyc_1"])),
        "cyc_2": np.mean(np.abs(y - outputs["cyc_2"].images)),
        "cyc_cm": confidence(outputs["cyc_2"]),
    }


def test_terms_and_weights_of_equation_10():
    rng = np.random.default_rng(0)
    outputs, features, batch = example_outputs(rng)
    expected = expected_terms(outputs, features, batch, lambda_cm=0.1)
    weights = dict(zip(expected, rng.uniform(0.5, 2, 8), strict=True))
    total, terms = ucg_samr.generator_loss(
        outputs,
        features,
        batch,
        {"lambda_cm": 0.1},
        loss=ucg_samr.Loss(**weights),
    )
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, rel=1e-5), name
    assert total == pytest.approx(
        sum(weights[name] * value for name, value in expected.items()), rel=1e-5
    )
    maps = [outputs[name].confidence for name in ("recon_2", "cyc_2")]
    assert terms["mean_confidence"] == pytest.approx(np.mean(maps), rel=1e-5)


def test_discriminators_loss_is_equation_8():
    rng = np.random.default_rng(1)
    _, features, _ = example_outputs(rng)
    loss = two_domains.Loss(gan_1=0.5, gan_2=2.0)
    total, terms = two_domains.discriminator_loss(features, loss=loss)
    value = {}
    for name, scales in features.items():
        sign = -1 if name.startswith("real") else 1
        value[name] = sum(
            np.mean(np.log1p(np.exp(sign * np.float64(s[-1])))) for s in scales
        )
        assert terms[name] == pytest.approx(value[name], rel=1e-5)
    assert total == pytest.approx(
        0.25 * (value["real_1"] + value["fake_1"]) + value["real_2"] + value["fake_2"],
        rel=1e-5,
    )


def test_distances_of_domain_1():
    """L1 over all channels; or cross-entropy of the labels and L1 of the tissue."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, (2, 4, 4))
    x = np.concatenate([np.eye(5)[labels], rng.uniform(0, 1, (2, 4, 4, 3))], -1)
    found = rng.dirichlet(np.ones(5), (2, 4, 4))
    rebuilt = np.concatenate([found, rng.uniform(0, 1, (2, 4, 4, 3))], -1)
    l1 = two_domains.anatomy_loss(x, rebuilt, distance="l1")
    assert l1 == pytest.approx(np.abs(x - rebuilt).mean(), rel=1e-5)
    entropy = two_domains.anatomy_loss(x, rebuilt, distance="cross_entropy")
    truth = np.take_along_axis(found, labels[..., None], -1)
    expected = -np.log(truth).mean() + 3 * np.abs(x - rebuilt)[..., 5:].mean()
    assert entropy == pytest.approx(expected / 8, rel=1e-4)


def test_a_label_missed_for_sure_has_a_gradient_in_cross_entropy_only():
    x = jnp.asarray([[[[0.0, 0, 0, 0, 1, 0, 0, 0]]]])  # tumor
    logits = jnp.asarray([[[[0.0, 8, 0, 0, 0, 0, 0, 0]]]])  # normal brain

    def pull(distance):
        def loss(logits):
            return two_domains.anatomy_loss(x, anatomy(logits), distance=distance)

        return float(jnp.abs(jax.grad(loss)(logits)[..., 4]).max())

    assert pull("l1") < 1e-3
    assert pull("cross_entropy") > 0.1


class _Eye(nn.Module):
    """A discriminator that returns what it sees."""

    @nn.compact
    def __call__(self, x, *, train):
        return [[x]]


@pytest.mark.parametrize("train", [True, False])
def test_instance_noise_is_of_the_stated_size_and_in_training_only(train):
    shape = (4, 32, 32)
    batch = Batch(
        mask=jnp.zeros((*shape, 5)),
        tissue=jnp.zeros((*shape, 3)),
        images=jnp.zeros((*shape, 2)),
    )
    outputs = {
        "cross_1": jnp.zeros((*shape, 8)),
        "cross_2": Synthesis(jnp.zeros((*shape, 2))),
    }
    side = two_domains.DiscriminatorSide(_Eye(), _Eye(), noise=0.2)
    features = side.apply(
        {}, batch, outputs, train=train, rngs={"dropout": jax.random.key(0)}
    )
    for name, [[seen]] in features.items():
        expected = 0.2 if train else 0.0
        assert float(seen.std()) == pytest.approx(expected, rel=0.05), name
    assert train == bool((features["real_1"][0][0] != features["fake_1"][0][0]).all())


def test_confidence_switch_looks_at_the_maps_of_the_loss():
    outputs, _, _ = example_outputs(np.random.default_rng(2))
    loss = ucg_samr.Loss()

    def filled(value):
        maps = {name: np.full((1, 2, 2, 1), value) for name in "abc"}
        return Synthesis(*maps.values())

    state = ucg_samr.init_method_state(loss, Context(1, (2, 2)))
    for recon, cycle, late in ((0.6, 0.7, False), (0.7, 0.8, True), (0.1, 0.1, True)):
        outputs |= {"recon_2": filled(recon), "cyc_2": filled(cycle)}
        state = ucg_samr.update_method_state(state, outputs, loss=loss, epoch_steps=1)
        assert float(state["lambda_cm"]) == pytest.approx(0.03 if late else 0.1)


def test_only_the_discriminators_learn_from_pooled_fakes():
    outputs, features, images = example_outputs(np.random.default_rng(3))
    for domain in "12":
        features[f"pooled_{domain}"] = features[f"real_{domain}"]
    loss = ucg_samr.Loss()
    total, terms = two_domains.discriminator_loss(features, loss=loss)
    names = ("real_1", "pooled_1", "real_2", "pooled_2")
    assert total == pytest.approx(0.5 * sum(float(terms[name]) for name in names))
    _, terms = ucg_samr.generator_loss(
        outputs, features, images, {"lambda_cm": 0.1}, loss=loss
    )
    expected = expected_terms(outputs, features, images, 0.1)
    assert terms["gan_1"] == pytest.approx(expected["gan_1"], rel=1e-5)
