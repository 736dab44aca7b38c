"""What a method brings to the shared loop: two sides of a game and their losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax

from samr_jax.methods.batch import Batch

Terms = Mapping[str, jax.Array]
"""Named scalars of a loss, for the log."""

Carry = Any
"""Training state of the method's own, beside parameters: a pytree of arrays."""


def _no_carry() -> Carry:
    return {}


def _show_outputs(outputs: Any, carry: Carry, *, axis_name: str | None) -> Any:
    return outputs


def _keep_carry(carry: Carry, outputs: Any, *, axis_name: str | None) -> Carry:
    return carry


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to train, as seen by the one training step (`samr_jax.training.step`).

    Attributes:
      name: as in the tables.
      prior: the anatomy prior that the method is given; printed beside its results.
      fields: what it needs of an instance.
      unpaired_fields: those of `fields` that come from another instance than the rest
        do when it is trained; none in paired training.
      gen: the minimising side, ``gen(batch, train=) -> outputs``, a pytree of float
        arrays. It answers ``synthesize(batch)`` (a `Synthesis`), ``segment(batch)``
        (label probabilities) or both.
      gen_loss: ``(outputs, features, batch, carry) -> (scalar, terms)``.
      disc: the other side, ``disc(batch, outputs, train=) -> features``; or None.
      show: ``(outputs, carry, axis_name=) -> outputs`` as `disc` gets them, with what
        the carry remembers of earlier steps.
      disc_loss: ``features -> (scalar, terms)``.
      init_carry, update_carry: see `Carry`; the update gets the step's outputs.
      can_synthesize, can_segment: what `gen` answers.
      downsamplings: how often the networks halve a slice.
    """

    name: str
    prior: str
    fields: tuple[str, ...]
    gen: nn.Module
    gen_loss: Callable[[Any, Any, Batch, Carry], tuple[jax.Array, Terms]]
    disc: nn.Module | None = None
    show: Callable[..., Any] = _show_outputs
    disc_loss: Callable[[Any], tuple[jax.Array, Terms]] | None = None
    unpaired_fields: tuple[str, ...] = ()
    init_carry: Callable[[], Carry] = _no_carry
    update_carry: Callable[..., Carry] = _keep_carry
    can_synthesize: bool = True
    can_segment: bool = False
    downsamplings: int = 0


def selected(settings: type, section: Mapping[str, Any]) -> Any:
    """The dataclass `settings`, of a config section's fields of the same names."""
    return settings(**{f.name: section[f.name] for f in dataclasses.fields(settings)})
