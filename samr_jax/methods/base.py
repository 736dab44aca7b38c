"""What a method brings to the shared loop: two sides of a game and their losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax.methods.batch import Batch

Terms = Mapping[str, jax.Array]
"""Named scalars of a loss, for the log."""

MethodState = Any
"""Training state of the method besides its parameters: a pytree of arrays."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What a method is built for, besides its own settings.

    Attributes:
      sequences: number of MR sequences ``S``.
      size: rows and columns ``(H, W)`` of a slice.
      epoch_steps: steps of an epoch, over which running means are taken.
      dtype: of activations; parameters are always float32.
      axis_name: mapped axis of the devices, over which batch norm and the sums of the
        Dice loss are synchronised; None for a single device.
    """

    sequences: int
    size: tuple[int, int]
    epoch_steps: int = 1
    dtype: Any = jnp.float32
    axis_name: str | None = None


def _no_state() -> MethodState:
    return {}


def _as_given(outputs: Any, state: MethodState, *, axis_name: str | None) -> Any:
    return outputs


def _unchanged(
    state: MethodState, outputs: Any, *, axis_name: str | None
) -> MethodState:
    return state


def _no_scale(state: MethodState) -> float | None:
    return None


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to train, as seen by the one training step (`samr_jax.training.step`).

    Attributes:
      name: the method's name in the tables.
      prior: the anatomy prior that the method is given; printed beside its results.
      fields: the fields of an instance that the method needs.
      average_tissue_share: share of the training slices whose tissue maps are the
        group's average and not the subject's.
      noise: channels of Gaussian noise that `gen` sees, see `Batch.noise`.
      unpaired_fields: the fields that come from another instance than the remaining
        fields during training; empty in paired training.
      gen: the minimising side, ``gen(batch, train=) -> outputs``, a pytree of float
        arrays. It answers ``synthesize(batch)`` (a `Synthesis`), ``segment(batch)``
        (label probabilities) or both.
      gen_loss: ``(outputs, features, batch, method_state) -> (scalar, terms)``.
      generator: names of the submodules of `gen` that synthesis needs, which are what
        a package of weights holds.
      first_layers: pairs of the end of a kernel's path and the batch fields whose
        channels the kernel sums, in order. With them a training can start from a run
        with other sequences; without them it cannot.
      gen_lr_scales: pairs of a submodule's name in `gen` and its learning rate, as a
        multiple of the config's.
      disc: the discriminator side, ``disc(batch, outputs, train=) -> features``; None
        for methods without one.
      disc_loss: ``features -> (scalar, terms)``.
      disc_lr_scale: the discriminators' learning rate, as a multiple of the config's.
      with_pool: ``(outputs, method_state, axis_name=) -> outputs`` as `disc` sees them,
        with synthesized instances of earlier steps where the method keeps some.
      init_method_state: ``() -> method_state``, the state before the first step.
      update_method_state: ``(method_state, outputs, axis_name=) -> method_state``, with
        the outputs of the step.
      error_scale: ``method_state -> λ``, with which λ/c predicts the local absolute
        error from the confidence c; None for methods without confidence maps.
      can_synthesize: whether `gen` answers ``synthesize``.
      can_segment: whether `gen` answers ``segment``.
      downsamplings: how often the networks halve a slice.
    """

    name: str
    prior: str
    fields: tuple[str, ...]
    gen: nn.Module
    gen_loss: Callable[[Any, Any, Batch, MethodState], tuple[jax.Array, Terms]]
    generator: tuple[str, ...] = ()
    first_layers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gen_lr_scales: tuple[tuple[str, float], ...] = ()
    disc: nn.Module | None = None
    disc_loss: Callable[[Any], tuple[jax.Array, Terms]] | None = None
    disc_lr_scale: float = 1.0
    with_pool: Callable[..., Any] = _as_given
    average_tissue_share: float = 0.0
    noise: int = 0
    unpaired_fields: tuple[str, ...] = ()
    init_method_state: Callable[[], MethodState] = _no_state
    update_method_state: Callable[..., MethodState] = _unchanged
    error_scale: Callable[[MethodState], float | None] = _no_scale
    can_synthesize: bool = True
    can_segment: bool = False
    downsamplings: int = 0
