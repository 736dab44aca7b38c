"""Compiles the training step, and refuses a step that does not fit into memory."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import jax
import ml_collections

from samr_jax.runtime import parallel
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.memory import Limit
from samr_jax.runtime.step_memory import needed_bytes

_log = logging.getLogger(__name__)

LEAST_SHARE = 0.7
"""Share of the estimate that a step very probably needs: of the steps in
``docs/speed.md``, none needs less than 0.77. A step is compiled if this share fits."""

ESTIMATED = "at least {:.2f} GiB of memory by an estimate"
COUNTED = "{:.2f} GiB of memory by XLA's count"


def compile_in_memory(
    step: Callable, state: Any, batch: dict, config: ml_collections.ConfigDict
) -> Callable:
    """Compiles a step of `samr_jax.runtime.parallel.parallel_step`.

    Args:
      step: the step.
      state: arrays of the training state's shapes.
      batch: of the shapes of every batch, divided among this process's devices.
      config: of the training; ``config.memory_gib`` is the limit.

    Raises:
      InputError: the step needs more memory than the limit, by an estimate before the
        compilation or by XLA's count after it.
    """
    limit = _limit(config.memory_gib)
    traced = jax.make_jaxpr(step)(state, batch)
    estimate = needed_bytes(
        traced,
        donated=len(jax.tree.leaves(state)),
        platform=jax.default_backend(),
    )
    check_fits(LEAST_SHARE * estimate, ESTIMATED, limit, config)
    _log.info(
        "compiling the training step, which takes a minute or more; by an estimate it "
        "needs about %.2f GiB",
        estimate / 2**30,
    )
    compiled, gib = parallel.compile_step(step, state, batch)
    if math.isfinite(gib):
        check_fits(gib * 2**30, COUNTED, limit, config)
        _log.info("%s", _told(gib, state, limit))
    return compiled


def check_fits(
    needed: float, words: str, limit: Limit, config: ml_collections.ConfigDict
) -> None:
    """Refuses a training step that needs more memory than there is.

    Args:
      needed: bytes on each device.
      words: of that number, `ESTIMATED` or `COUNTED`.
      limit: bytes that each device has for the step.
      config: of the training.

    Raises:
      InputError: says what could be changed.
    """
    if needed <= limit.bytes:
        return
    changes = ["a smaller batch"] if config.batch_size > 1 else ["smaller networks"]
    if config.accumulation < config.batch_size:
        changes.append("a larger config.accumulation")
    if config.model.get("rematerialise") is False:
        changes.append("config.model.rematerialise=True")
    raise InputError(
        f"config.batch_size is {config.batch_size}: a training step needs "
        f"{words.format(needed / 2**30)}, and {_gib(limit)}; expected "
        f"{', '.join(changes)}, or another limit (config.memory_gib)"
    )


def _limit(gib: float) -> Limit:
    """The limit that the user has set, or the device's own."""
    if gib:
        return Limit(gib * 2**30, "allowed by config.memory_gib")
    return parallel.device_memory()


def _told(gib: float, state: Any, limit: Limit) -> str:
    """What a step needs, in words."""
    kept = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / 2**30
    text = (
        f"a step takes at most {gib:.2f} GiB of a device's memory: {kept:.2f} GiB for "
        f"weights and optimizers, {gib - kept:.2f} GiB for activations and gradients"
    )
    return f"{text}; {_gib(limit)}" if math.isfinite(limit.bytes) else text


def _gib(limit: Limit) -> str:
    return f"{limit.bytes / 2**30:.2f} GiB are {limit.source}"
