"""The losses of equations (1) to (10), on arrays.

Every function returns a float32 scalar. Means are over batch, pixels and channels; a
loss of several networks or layers is the sum of theirs, as in the paper.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from samr_jax.labels import BACKGROUND

TEXTURE_HALVINGS = 3
"""How often `texture_loss` halves a slice."""

Features = Sequence[Sequence[jax.Array]]
"""Per discriminator, the features of every layer; the logits come last."""


def confidence_map_loss(
    intermediate: jax.Array,
    confidence: jax.Array,
    target: jax.Array,
    *,
    lambda_cm: jax.Array | float,
) -> jax.Array:
    """Confidence map loss, equation (1): ``mean(c |ŷ - y|) - λ_cm mean(log c)``.

    Up to a constant it is λ_cm times the negative log-likelihood of a Laplace
    distribution of scale ``λ_cm / c``, so the optimum is ``c = min(1, λ_cm / |ŷ - y|)``
    and ``λ_cm / c`` predicts the local absolute error.

    Args:
      intermediate: SM's images ``(N, h, w, S)`` in [-1, 1].
      confidence: CM's maps, same shape, in (0, 1).
      target: real images at the same scale; see `half_scale`.
      lambda_cm: weight of the regulariser.
    """
    error = jnp.abs(intermediate - target)
    # The sigmoid may round to 0, whose logarithm must stay finite. A larger bound would
    # stop the gradient that leads a small confidence back up.
    log_confidence = jnp.log(jnp.maximum(confidence, jnp.finfo(jnp.float32).tiny))
    return jnp.mean(confidence * error) - lambda_cm * jnp.mean(log_confidence)


def half_scale(images: jax.Array) -> jax.Array:
    """2 x 2 area mean: ``(N, H, W, S)`` to ``(N, H / 2, W / 2, S)``."""
    n, height, width, channels = images.shape
    blocks = images.reshape(n, height // 2, 2, width // 2, 2, channels)
    return blocks.mean(axis=(2, 4))


def adversarial_loss(
    features: Features,
    *,
    real: bool,
    kind: str,
    counted: Sequence[jax.Array] | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """The loss of discriminators that ought to call their input real (or synthesized).

    Equations (2) and (8) with the non-saturating generator side: the discriminators
    minimise the loss of real input being real and synthesized being not, the generator
    that of synthesized being real.

    Args:
      features: see `Features`; only the logits count.
      real: whether the discriminators ought to call the input real.
      kind: ``bce``, binary cross-entropy on logits, or ``lsgan``, least squares.
      counted: for each discriminator, 1 for the logits whose mean is its loss, and 0
        for the others; by default all logits count. A discriminator without any such
        logit has a loss of 0.
      axis_name: device axis over which the logits that count are summed, too.
    """
    logits = [layers[-1].astype(jnp.float32) for layers in features]
    goal = 1.0 if real else 0.0
    if kind == "bce":
        losses = [
            optax.sigmoid_binary_cross_entropy(x, jnp.full_like(x, goal))
            for x in logits
        ]
    elif kind == "lsgan":
        losses = [jnp.square(x - goal) for x in logits]
    else:
        raise ValueError(f"GAN loss {kind!r}, expected 'bce' or 'lsgan'")
    if counted is None:
        return sum(jnp.mean(x) for x in losses)  # type: ignore[return-value]
    sums = [
        (jnp.sum(x * weights), jnp.sum(weights))
        for x, weights in zip(losses, counted, strict=True)
    ]
    return sum(total / jnp.maximum(count, 1) for total, count in _over(axis_name, sums))


def discriminator_loss(real: Features, fake: Features, *, kind: str) -> jax.Array:
    """Half the sum over real and synthesized input: pix2pixHD's discriminator loss."""
    on_real = adversarial_loss(real, real=True, kind=kind)
    on_fake = adversarial_loss(fake, real=False, kind=kind)
    return 0.5 * (on_real + on_fake)


def feature_matching_loss(
    real: Features, fake: Features, *, distance: str = "l2"
) -> jax.Array:
    """Feature matching, equation (3), without the logits.

    Each layer's squared L2 (or L1) distance is divided by its number of elements.
    Nothing flows back to the real side.
    """
    measure = {"l2": jnp.square, "l1": jnp.abs}[distance]

    def layer(a: jax.Array, b: jax.Array) -> jax.Array:
        difference = jax.lax.stop_gradient(a) - b
        return jnp.mean(measure(difference.astype(jnp.float32)))

    return sum(  # type: ignore[return-value]
        layer(a, b)
        for on_real, on_fake in zip(real, fake, strict=True)
        for a, b in zip(on_real[:-1], on_fake[:-1], strict=True)
    )


def texture_loss(
    real: jax.Array,
    fake: jax.Array,
    mask: jax.Array,
    *,
    scales: int = TEXTURE_HALVINGS,
    axis_name: str | None = None,
) -> jax.Array:
    """Distance between the amplitudes of fine detail in each label.

    A pixel loss is smallest for images without grain, since grain cannot be predicted.
    Here no pixel has to be right: the mean absolute detail of each label and sequence
    has to be as large as in real images. Detail is what a mean over 2 x 2 pixels takes
    away, at full size, half size and so on. Matching statistics of filters over a
    region follows Li et al., "Demystifying Neural Style Transfer" (2017).

    Args:
      real: images ``(N, H, W, S)``; H and W are divisible by 8.
      fake: synthesized images of the same masks, same shape.
      mask: one-hot ``(N, H, W, L)``.
      scales: number of sizes.
      axis_name: device axis over which the means run, too.

    Returns:
      The mean over scales, labels and sequences of the absolute difference, where
      labels without a pixel in the batch add nothing.
    """
    total = jnp.zeros(())
    for _ in range(scales):
        details = [
            jnp.einsum("nhwl,nhws->ls", mask, jnp.abs(_detail(images)))
            for images in (jax.lax.stop_gradient(real), fake)
        ]
        pixels = jnp.sum(mask, (0, 1, 2))[:, None]
        (of_real, of_fake), pixels = _over(axis_name, (details, pixels))
        total += jnp.mean(jnp.abs(of_real - of_fake) / jnp.maximum(pixels, 1))
        real, fake, mask = half_scale(real), half_scale(fake), half_scale(mask)
    return total / scales


def repeated_pattern_loss(
    real: jax.Array,
    fake: jax.Array,
    mask: jax.Array,
    *,
    axis_name: str | None = None,
) -> jax.Array:
    """Distance between the mean blocks of 8 x 8 pixels of the brain.

    Up-convolutions can make detail by a pattern that repeats every few pixels, such as
    a checkerboard. So the mean of all blocks in the brain, less its own mean, has to be
    as in real images, where it is flat.

    Args:
      real: see `texture_loss`, as for the other arguments.
      fake: synthesized images.
      mask: one-hot labels.
      axis_name: device axis over which the means run, too.

    Returns:
      The mean absolute difference over the pixels of the mean block and sequences.
    """
    period = 2**TEXTURE_HALVINGS

    def blocks(x: jax.Array) -> jax.Array:
        n, height, width, channels = x.shape
        shape = (n, height // period, period, width // period, period, channels)
        return x.reshape(shape).sum((0, 1, 3))

    brain = 1 - mask[..., BACKGROUND, None]
    sums = blocks(brain * (jax.lax.stop_gradient(real) - fake)), blocks(brain)
    total, pixels = _over(axis_name, sums)
    difference = total / jnp.maximum(pixels, 1)
    return jnp.mean(jnp.abs(difference - difference.mean((0, 1))))


def _over(axis_name: str | None, sums: Any) -> Any:
    """Sums over the device axis, if there is one."""
    return sums if axis_name is None else jax.lax.psum(sums, axis_name)


def _detail(images: jax.Array) -> jax.Array:
    """What the mean over 2 x 2 pixels takes away."""
    return images - half_scale(images).repeat(2, 1).repeat(2, 2)


def generalized_dice_loss(
    reference: jax.Array, probabilities: jax.Array, *, axis_name: str | None = None
) -> jax.Array:
    """Generalized Dice loss, equation (4), per label and averaged over the labels.

    ``1 - 2 Σ r s / (Σ r + Σ s)``, the sums over batch and pixels. A label that the
    reference does not hold adds a loss of 1 and next to no gradient, since a softmax is
    never exactly 0.

    Args:
      reference: one-hot ``(N, H, W, L)``.
      probabilities: the segmentation, same shape, in [0, 1].
      axis_name: device axis over which the sums run too, so that the loss of a batch
        does not depend on the number of devices.
    """
    axes = tuple(range(reference.ndim - 1))
    overlap = jnp.sum(reference * probabilities, axes)
    total = jnp.sum(reference, axes) + jnp.sum(probabilities, axes)
    overlap, total = _over(axis_name, (overlap, total))
    # Avoids 0 / 0 for a label that neither map holds at all.
    epsilon = 1e-6
    return jnp.mean(1 - (2 * overlap + epsilon) / (total + epsilon))


def cross_entropy(
    reference: jax.Array, logits: jax.Array, *, label_weights: Sequence[float]
) -> jax.Array:
    """Weighted cross-entropy, the mean over batch and pixels of ``-w_l log p_l``.

    Args:
      reference: one-hot ``(N, H, W, L)``.
      logits: of the labels, same shape.
      label_weights: w, one for each label.
    """
    log_probabilities = jax.nn.log_softmax(logits.astype(jnp.float32))
    weights = jnp.asarray(label_weights, jnp.float32)
    return -jnp.mean(jnp.sum(weights * reference * log_probabilities, axis=-1))


def code_divergence(mean: jax.Array) -> jax.Array:
    """KL divergence of N(mean, 1) from N(0, 1), averaged over a code's elements."""
    return 0.5 * jnp.mean(jnp.square(mean))


def l1_loss(a: jax.Array, b: jax.Array, weights: jax.Array | float = 1.0) -> jax.Array:
    """Mean absolute difference, times weights that broadcast against it."""
    return jnp.mean(weights * jnp.abs(a - b))
