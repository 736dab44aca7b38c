import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats

from samr_jax import losses

pytestmark = pytest.mark.quick

RNG = np.random.default_rng(0)


def features(seed, layers=3, networks=2):
    rng = np.random.default_rng(seed)
    return [
        [rng.normal(size=(2, 4, 4, 3)).astype(np.float32) for _ in range(layers)]
        for _ in range(networks)
    ]


def test_confidence_map_loss_is_a_laplace_likelihood():
    """Equation (1) is lambda times the mean Laplace negative log-likelihood of scale
    lambda / c, up to a term without parameters."""
    shape, lambda_cm = (2, 4, 4, 3), 0.1
    prediction = RNG.uniform(-1, 1, shape)
    target = RNG.uniform(-1, 1, shape)
    confidence = RNG.uniform(0.05, 0.95, shape)
    nll = -scipy.stats.laplace.logpdf(
        target, loc=prediction, scale=lambda_cm / confidence
    )
    expected = lambda_cm * (nll.mean() - np.log(2 * lambda_cm))
    found = losses.confidence_map_loss(
        prediction, confidence, target, lambda_cm=lambda_cm
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("error", [0.05, 0.25, 0.8])
def test_confidence_optimum_predicts_the_error(error):
    def loss(c):
        one = jnp.ones((1, 1, 1, 1))
        return float(
            losses.confidence_map_loss(error * one, c * one, 0 * one, lambda_cm=0.1)
        )

    best = scipy.optimize.minimize_scalar(loss, bounds=(1e-3, 1.0), method="bounded").x
    assert best == pytest.approx(min(1.0, 0.1 / error), abs=2e-3)


def test_texture_loss_compares_amplitudes_of_detail_and_not_pixels():
    """Against the definition, in numpy. Other noise as strong costs little."""
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 256, 256), int)
    labels[:, 64:192, 64:192] = 1
    mask = np.eye(3)[labels].astype(np.float32)  # the last label is nowhere
    strength = np.where(labels == 1, 0.3, 0.1)[..., None]
    real, other, smooth = (
        (strength * rng.normal(size=(1, 256, 256, 2))).astype(np.float32)
        for strength in (strength, strength, 0 * strength)
    )

    def amplitude(images, place):
        blocks = images.reshape(1, 128, 2, 128, 2, 2)
        detail = blocks - blocks.mean((2, 4), keepdims=True)
        return np.abs(detail.reshape(images.shape)[place]).mean(0)

    found = losses.texture_loss(real, smooth, mask, scales=1)
    expected = sum(amplitude(real, labels == label).mean() for label in (0, 1)) / 3
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert losses.texture_loss(real, other, mask) < 0.4 * float(
        losses.texture_loss(real, smooth, mask)
    )
    assert losses.texture_loss(real, real, mask) == 0


def test_repeated_pattern_loss_sees_a_grid_and_not_noise():
    """Against the definition, in numpy; label 0 is background, where nothing counts."""
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 256, 256), int)
    labels[:, 64:192, 64:192] = 1
    mask = np.eye(3)[labels].astype(np.float32)
    real, other = rng.normal(size=(2, 1, 256, 256, 2)).astype(np.float32)
    grid = np.where(np.arange(256) % 4 == 0, 0.3, -0.1).astype(np.float32)
    patterned = real + grid[None, :, None, None] * (labels == 1)[..., None] + 0.2
    found = losses.repeated_pattern_loss(real, patterned, mask)
    assert float(found) == pytest.approx(np.abs(grid).mean(), rel=1e-5)
    block = (real - other)[0, 64:192, 64:192].reshape(16, 8, 16, 8, 2).mean((0, 2))
    expected = np.abs(block - block.mean((0, 1))).mean()
    found = losses.repeated_pattern_loss(real, other, mask)
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("logit", [-80.0, -20.0, 0.0, 20.0])
def test_the_gradient_by_the_logit_of_a_confidence_is_exact(logit):
    """d/dz of ``c e - λ log c`` with ``c = sigmoid(z)`` is ``(1 - c) (c e - λ)``."""
    zero = jnp.zeros((1, 2, 2, 1))

    def loss(z):
        return losses.confidence_map_loss(
            zero, jax.nn.sigmoid(z), zero + 0.5, lambda_cm=0.1
        )

    found = jax.grad(loss)(zero + logit)
    c = 1 / (1 + np.exp(-logit))
    expected = np.exp(-logit) * c * (0.5 * c - 0.1) / 4
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


def test_confidence_map_loss_stays_finite_at_zero_confidence():
    zero = jnp.zeros((1, 2, 2, 1))
    value, gradient = jax.value_and_grad(
        lambda c: losses.confidence_map_loss(zero, c, zero, lambda_cm=0.1)
    )(zero)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_half_scale_is_the_area_mean():
    x = RNG.normal(size=(1, 4, 6, 2))
    expected = (
        x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]
    ) / 4
    np.testing.assert_allclose(losses.half_scale(x), expected, rtol=1e-5)


@pytest.mark.parametrize("real", [True, False])
def test_adversarial_loss_against_probabilities(real):
    maps = features(1)
    expected = {"bce": 0.0, "lsgan": 0.0}
    for layers in maps:
        logits = layers[-1].astype(np.float64)
        probability = 1 / (1 + np.exp(-logits))
        said = probability if real else 1 - probability
        expected["bce"] += -np.log(said).mean()
        expected["lsgan"] += ((logits - real) ** 2).mean()
    for kind, value in expected.items():
        found = losses.adversarial_loss(maps, real=real, kind=kind)
        np.testing.assert_allclose(found, value, rtol=1e-5)


def test_adversarial_loss_of_the_logits_that_count_is_their_mean():
    """A discriminator of which no logit counts adds nothing."""
    rng = np.random.default_rng(1)
    maps = features(1, networks=3)
    counted = [rng.integers(0, 2, layers[-1].shape) for layers in maps[:2]]
    counted.append(np.zeros_like(maps[2][-1]))
    found = losses.adversarial_loss(maps, real=True, kind="lsgan", counted=counted)
    chosen = [
        layers[-1][mask == 1]
        for layers, mask in zip(maps[:2], counted[:2], strict=True)
    ]
    expected = sum(np.square(logits - 1).mean() for logits in chosen)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_discriminator_loss_at_ignorance_is_log_two_per_network():
    blank = [[np.zeros((1, 2, 2, 1), np.float32)]] * 6
    found = losses.discriminator_loss(blank, blank, kind="bce")
    assert found == pytest.approx(6 * np.log(2), rel=1e-6)


@pytest.mark.parametrize("distance, power", [("l2", 2), ("l1", 1)])
def test_feature_matching_sums_normalised_layers_without_logits(distance, power):
    real, fake = features(1), features(2)
    expected = sum(
        (np.abs(a - b) ** power).sum() / a.size
        for on_real, on_fake in zip(real, fake, strict=True)
        for a, b in zip(on_real[:-1], on_fake[:-1], strict=True)
    )
    found = losses.feature_matching_loss(real, fake, distance=distance)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_feature_matching_sends_nothing_to_the_real_side():
    gradient = jax.grad(losses.feature_matching_loss)(features(1), features(2))
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_dice_loss_matches_the_authors_numbers():
    with np.load("tests/models/parity/dice_loss.npz") as stored:
        reference = np.moveaxis(stored["in/reference"], 1, -1)
        probabilities = np.moveaxis(stored["in/probabilities"], 1, -1)
        expected = float(stored["out/paper_eq4_loss"])
    # Equation (4) over everything at once: one label that holds all of them.
    found = losses.generalized_dice_loss(
        reference.reshape(-1, 1), probabilities.reshape(-1, 1)
    )
    assert found == pytest.approx(expected, rel=1e-5)


def test_dice_loss_is_the_mean_over_labels():
    reference = np.eye(5)[RNG.integers(0, 4, (2, 8, 8))]  # label 4 does not occur
    probabilities = RNG.dirichlet(np.ones(5), (2, 8, 8))
    expected = np.mean(
        [
            1 - 2 * (r * p).sum() / (r.sum() + p.sum())
            for r, p in zip(
                np.moveaxis(reference, -1, 0),
                np.moveaxis(probabilities, -1, 0),
                strict=True,
            )
        ]
    )
    found = losses.generalized_dice_loss(reference, probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert losses.generalized_dice_loss(reference, reference) == pytest.approx(0)


def test_an_absent_label_costs_1_in_the_dice_loss_and_teaches_nothing():
    reference = jax.nn.one_hot(np.zeros((1, 8, 8), int), 2)

    def loss(logit):
        logits = jnp.stack([jnp.zeros((1, 8, 8)), jnp.full((1, 8, 8), logit)], -1)
        probabilities = jax.nn.softmax(logits)
        found = losses.generalized_dice_loss(reference, probabilities)
        present = 1 - 2 * 64 * probabilities[0, 0, 0, 0] / (
            64 + 64 * probabilities[0, 0, 0, 0]
        )
        return 2 * found - present  # the absent label's part of the mean

    part, gradient = jax.value_and_grad(loss)(-2.0)
    assert part == pytest.approx(1, abs=1e-5) and abs(gradient) < 1e-6


def test_dice_loss_does_not_depend_on_how_devices_share_the_batch():
    reference = np.eye(5)[RNG.integers(0, 5, (4, 8, 8))]
    probabilities = RNG.dirichlet(np.ones(5), (4, 8, 8))
    whole = losses.generalized_dice_loss(reference, probabilities)

    def shards(x):
        return x.reshape(2, 2, *x.shape[1:])

    parts = jax.vmap(
        lambda r, p: losses.generalized_dice_loss(r, p, axis_name="batch"),
        axis_name="batch",
    )(shards(reference), shards(probabilities))
    np.testing.assert_allclose(parts, [whole, whole], rtol=1e-6)


def test_cross_entropy_is_the_weighted_sum_over_pixels():
    labels = RNG.integers(0, 5, (2, 3, 4))
    logits = RNG.normal(size=(2, 3, 4, 5))
    weights = (1.0, 2.0, 0.5, 3.0, 4.0)
    expected = 0.0
    for place, label in np.ndenumerate(labels):
        probability = np.exp(logits[place][label]) / np.exp(logits[place]).sum()
        expected -= weights[label] * np.log(probability)
    found = losses.cross_entropy(np.eye(5)[labels], logits, label_weights=weights)
    assert found == pytest.approx(expected / labels.size, rel=1e-5)


def test_code_divergence_is_that_of_the_two_gaussians():
    means = RNG.normal(size=(2, 2, 2, 3))
    grid = np.linspace(-12, 12, 4001)

    def divergence(mean):
        own, prior = scipy.stats.norm(mean), scipy.stats.norm()
        return scipy.integrate.trapezoid(
            own.pdf(grid) * (own.logpdf(grid) - prior.logpdf(grid)), grid
        )

    expected = np.mean([divergence(mean) for mean in means.ravel()])
    assert losses.code_divergence(means) == pytest.approx(expected, rel=1e-4)


def test_losses_of_regions_do_not_depend_on_the_number_of_devices():
    """Values and gradients on four devices, one of which has none of the labels."""
    devices = 4
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(2, 4, 16, 16, 2)).astype(np.float32)
    labels = rng.integers(0, 3, (4, 16, 16)) * (np.arange(4) > 0)[:, None, None]
    mask = np.eye(3, dtype=np.float32)[labels]
    logits = rng.normal(size=(4, 5, 5, 1)).astype(np.float32)
    counted = (
        rng.uniform(size=logits.shape) < np.arange(4)[:, None, None, None] / 4
    ) * 1.0

    def loss(fake, logits, real, mask, counted, axis_name=None):
        texture = losses.texture_loss(real, fake, mask, axis_name=axis_name)
        pattern = losses.repeated_pattern_loss(real, fake, mask, axis_name=axis_name)
        options = {"real": True, "kind": "lsgan", "axis_name": axis_name}
        return (
            texture
            + pattern
            + losses.adversarial_loss([[logits]], counted=[counted], **options)
        )

    arrays = fake, logits, real, mask, counted
    gradient = jax.value_and_grad(loss, argnums=(0, 1))
    value, slopes = jax.jit(gradient)(*arrays)
    split = [x.reshape(devices, -1, *x.shape[1:]) for x in arrays]
    on_each = jax.vmap(
        lambda *parts: gradient(*parts, axis_name="devices"), axis_name="devices"
    )
    values, parts = jax.jit(on_each)(*split)
    np.testing.assert_allclose(values, np.full(devices, value), rtol=1e-5)
    for found, expected in zip(parts, slopes, strict=True):
        # The mean over the devices, which the step takes, undoes the factor.
        joined = np.reshape(found, expected.shape) / devices
        np.testing.assert_allclose(joined, expected, rtol=1e-4, atol=1e-8)
