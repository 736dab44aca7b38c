"""The training step of every method: one generator forward, one shared judgement.

The order of updates is pix2pixHD's: the losses of both sides come from the networks
before the step, and the discriminators see the synthesized images as constants. With
`jax.vjp` the generator runs forward once, and the discriminators judge real and
synthesized input once. The two losses send different cotangents back through that one
judgement.

The gradient of each side is one flat vector, which takes one collective and one
optimizer kernel instead of one for every parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from samr_jax.methods.base import Method
from samr_jax.methods.batch import decode
from samr_jax.training.state import Player, TrainState

Step = Callable[[TrainState, dict], tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
    method: Method,
    *,
    optimizer: optax.GradientTransformation,
    seed: int,
    ema_decay: float = 0.0,
    accumulation: int = 1,
    axis_name: str | None = None,
) -> Step:
    """Builds ``step(state, batch) -> (state, metrics)`` for one device.

    Args:
      method: networks, losses, and the sides' relative learning rates.
      optimizer: the optimizer of both sides.
      seed: seed of dropout and other noise.
      ema_decay: decay of the generator side's averaged weights, if the state has them.
      accumulation: parts of the device's batch that are computed one after the other,
        to save memory. The update is the one of their mean gradient. Batch norm sees
        one part at a time and normalises each part by its own statistics.
      axis_name: the device axis to average gradients, statistics and metrics over, or
        None for a single device without one.

    Returns:
      A pure function. ``batch`` is in stored form (`samr_jax.methods.batch.decode`);
      metrics are float32 scalars named ``gen/…`` and ``disc/…``.
    """

    lr_scales = {"gen": 1.0, "disc": method.disc_lr_scale}
    part_scales = {"gen": method.gen_lr_scales, "disc": ()}

    def average(tree: Any) -> Any:
        return tree if axis_name is None else jax.lax.pmean(tree, axis_name)

    def gradients(state: TrainState, part: tuple) -> tuple[TrainState, tuple]:
        """The state with new statistics; the gradients of both sides, and metrics."""
        stored, key = part
        batch = decode(stored)

        def generate(params):
            return _apply(method.gen, params, state.gen.stats, batch, key=key)

        outputs, pull_gen, gen_stats = jax.vjp(generate, state.gen.params, has_aux=True)
        disc, metrics, grads = None, {}, {}
        if method.disc is None:
            (total, terms), to_outputs = _value_and_cotangent(
                lambda outputs: method.gen_loss(
                    outputs, None, batch, state.method_state
                ),
                outputs,
            )
        else:
            player: Any = state.disc

            def judge(params, outputs):
                shown = method.with_pool(
                    outputs, state.method_state, axis_name=axis_name
                )
                noise = jax.random.fold_in(key, 1)
                return _apply(
                    method.disc, params, player.stats, batch, shown, key=noise
                )

            features, pull_disc, disc_stats = jax.vjp(
                judge, player.params, outputs, has_aux=True
            )
            (disc_total, disc_terms), judged = _value_and_cotangent(
                method.disc_loss, features
            )
            (total, terms), (to_outputs, to_features) = _value_and_cotangent(
                lambda pair: method.gen_loss(
                    pair[0], pair[1], batch, state.method_state
                ),
                (outputs, features),
            )
            # Each pull needs one of the two cotangents; XLA drops the other.
            grads["disc"], _ = ravel_pytree(pull_disc(judged)[0])
            to_outputs = jax.tree.map(jnp.add, to_outputs, pull_disc(to_features)[1])
            disc = player.replace(stats=disc_stats)
            metrics = _metrics("disc", disc_total, disc_terms)
        grads["gen"], _ = ravel_pytree(pull_gen(to_outputs)[0])
        metrics |= _metrics("gen", total, terms)
        method_state = method.update_method_state(
            state.method_state, outputs, axis_name=axis_name
        )
        gen = state.gen.replace(stats=gen_stats)
        state = state.replace(gen=gen, disc=disc, method_state=method_state)
        return state, (grads, metrics)

    def update(side: str, player: Player, vector: jax.Array) -> Player:
        _, unravel = ravel_pytree(player.params)
        updates, opt_state = optimizer.update(vector, player.opt_state)
        updates = unravel(lr_scales[side] * updates)
        for name, scale in part_scales[side]:
            updates[name] = jax.tree.map(partial(jnp.multiply, scale), updates[name])
        params = optax.apply_updates(player.params, updates)
        ema = player.ema
        if ema is not None:
            ema = optax.incremental_update(params, ema, 1 - ema_decay)
        stats = average(player.stats)
        return Player(params=params, stats=stats, opt_state=opt_state, ema=ema)

    def train_step(state: TrainState, stored: dict):
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        if axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        if accumulation == 1:
            state, results = gradients(state, (stored, key))
        else:
            parts = {
                name: array.reshape(accumulation, -1, *array.shape[1:])
                for name, array in stored.items()
            }
            keys = jax.random.split(key, accumulation)
            state, results = jax.lax.scan(gradients, state, (parts, keys))
            results = jax.tree.map(lambda values: values.mean(0), results)
        grads, metrics = average(results)
        metrics |= {
            f"{side}/grad_norm": jnp.linalg.norm(vector)
            for side, vector in grads.items()
        }
        players = {
            side: update(side, getattr(state, side), vector)
            for side, vector in grads.items()
        }
        return state.replace(step=state.step + 1, **players), metrics

    return train_step


def _apply(module, params, stats, *args, key=None):
    """Runs a module in training mode; returns its output and its new statistics."""
    outputs, updated = module.apply(
        {"params": params, "batch_stats": stats},
        *args,
        train=True,
        mutable=["batch_stats"],
        rngs=None if key is None else {"dropout": key},
    )
    return outputs, updated.get("batch_stats", stats)


def _value_and_cotangent(loss, argument):
    """``loss(argument)`` with its terms, and its gradient."""
    return jax.value_and_grad(loss, has_aux=True)(argument)


def _metrics(side: str, total, terms) -> dict[str, jax.Array]:
    values = {"total": total, **terms}
    return {f"{side}/{name}": value for name, value in values.items()}
