"""The train state: one pytree that a checkpoint holds and a step maps to the next."""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from samr_jax.batch import Batch
from samr_jax.methods.base import Carry, Method


@flax.struct.dataclass
class Player:
    """One side of the game.

    Attributes:
      params: its networks' parameters, float32.
      stats: running statistics of batch normalisation.
      opt_state: the optimizer's state.
      ema: exponential moving average of `params`, or None.
    """

    params: Any
    stats: Any
    opt_state: optax.OptState
    ema: Any = None

    @property
    def variables(self) -> dict:
        """For ``Module.apply`` at evaluation: the averaged weights where there are."""
        params = self.params if self.ema is None else self.ema
        return {"params": params, "batch_stats": self.stats}


@flax.struct.dataclass
class TrainState:
    """Everything that training changes.

    Attributes:
      step: optimizer steps done; the only position marker (data, learning rate and
        random keys are functions of it).
      gen: the minimising side.
      disc: the discriminators, or None.
      carry: the method's own state.
    """

    step: jax.Array
    gen: Player
    disc: Player | None
    carry: Carry


def linear_decay(
    learning_rate: float, *, steps: int, constant_steps: int
) -> optax.Schedule:
    """Constant for `constant_steps`, then linear to 0 at `steps` (section IV-B)."""
    return optax.schedules.join_schedules(
        [
            optax.schedules.constant_schedule(learning_rate),
            optax.schedules.linear_schedule(
                learning_rate, 0.0, max(1, steps - constant_steps)
            ),
        ],
        [constant_steps],
    )


def create_state(
    method: Method,
    key: jax.Array,
    batch: Batch,
    *,
    optimizer: optax.GradientTransformation,
    ema: bool = False,
) -> TrainState:
    """Draws the initial state; `batch` gives the shapes."""
    gen_key, disc_key, dropout_key = jax.random.split(key, 3)

    def player(variables: dict, *, ema: bool) -> Player:
        params = variables["params"]
        return Player(
            params=params,
            stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(params),
            # A copy: the state's buffers are donated, and none may be donated twice.
            ema=jax.tree.map(jnp.copy, params) if ema else None,
        )

    @jax.jit
    def create() -> TrainState:
        outputs, variables = method.gen.init_with_output(
            {"params": gen_key, "dropout": dropout_key}, batch, train=True
        )
        disc = None
        if method.disc is not None:
            judged = method.disc.init(disc_key, batch, outputs, train=True)
            disc = player(judged, ema=False)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            gen=player(variables, ema=ema),
            disc=disc,
            carry=method.init_carry(),
        )

    return create()
