"""λ_cm of the confidence map loss, equation (1), and the switch that lowers it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from samr_jax.methods.base import MethodState
from samr_jax.methods.settings import Weight


@dataclasses.dataclass(frozen=True)
class ConfidenceLoss:
    """Settings of λ_cm (section IV-B).

    Attributes:
      lambda_cm: λ_cm of equation (1) at the start.
      confidence_threshold: mean confidence of an epoch above which λ_cm is lowered.
      lambda_cm_late: λ_cm from then on.
    """

    lambda_cm: Weight = 0.1
    confidence_threshold: Weight = 0.7
    lambda_cm_late: Weight = 0.03


def init_confidence(loss: ConfidenceLoss) -> MethodState:
    """λ_cm and the running mean of the confidence that switches it."""
    return {
        "lambda_cm": jnp.asarray(loss.lambda_cm, jnp.float32),
        "confidence_sum": jnp.zeros((), jnp.float32),
        "confidence_steps": jnp.zeros((), jnp.int32),
    }


def switch_lambda_cm(
    method_state: MethodState,
    confidence: jax.Array,
    *,
    loss: ConfidenceLoss,
    epoch_steps: int,
    axis_name: str | None = None,
) -> MethodState:
    """The one-way switch of λ_cm, at the end of each epoch.

    Args:
      method_state: as made by `init_confidence`; further entries are left out.
      confidence: confidence maps of the step, any shape.
      loss: values before and after the switch, and its threshold.
      epoch_steps: steps of an epoch.
      axis_name: the device axis over which the confidence is averaged.
    """
    mean = jnp.mean(confidence)
    if axis_name is not None:
        mean = jax.lax.pmean(mean, axis_name)
    total = method_state["confidence_sum"] + mean
    steps = method_state["confidence_steps"] + 1
    ended = steps >= epoch_steps
    switch = ended & (total / steps > loss.confidence_threshold)
    return {
        "lambda_cm": jnp.where(switch, loss.lambda_cm_late, method_state["lambda_cm"]),
        "confidence_sum": jnp.where(ended, 0.0, total),
        "confidence_steps": jnp.where(ended, 0, steps),
    }
