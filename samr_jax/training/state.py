"""The train state: one pytree that a checkpoint holds and a step maps to the next."""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from samr_jax.methods.base import Method, MethodState
from samr_jax.methods.batch import Batch
from samr_jax.models.initialise import draw_variables, draw_with_outputs


class Player(flax.struct.PyTreeNode):
    """One side of the game.

    Attributes:
      params: its networks' parameters, float32.
      stats: running statistics of batch normalisation.
      opt_state: the optimizer's state, over all parameters as one vector.
      ema: exponential moving average of `params`, or None.
    """

    params: Any
    stats: Any
    opt_state: optax.OptState
    ema: Any = None

    @property
    def variables(self) -> dict:
        """Variables for evaluation: the averaged weights if there are any."""
        params = self.params if self.ema is None else self.ema
        return {"params": params, "batch_stats": self.stats}


class TrainState(flax.struct.PyTreeNode):
    """Everything that training changes.

    Attributes:
      step: optimizer steps done; the only position marker (data, learning rate and
        random keys are functions of it).
      gen: the minimising side.
      disc: the discriminators, or None.
      method_state: the method's own state, such as λ_cm.
    """

    step: jax.Array | np.ndarray
    gen: Player
    disc: Player | None
    method_state: MethodState

    @property
    def statistics(self) -> dict:
        """Running statistics of both sides."""
        players = {"gen": self.gen, "disc": self.disc}
        return {name: p.stats for name, p in players.items() if p is not None}


def make_optimizer(
    config: ml_collections.ConfigDict, *, steps: int
) -> optax.GradientTransformation:
    """Adam for one side, whose parameters are one flat vector.

    ``clip_norm`` limits the norm of the gradient. The gradient of a rare slice can be
    ten times as long as usual, and would move Adam ten steps at once.
    """
    adam = optax.adam(
        linear_decay(
            config.learning_rate,
            steps=steps,
            constant_steps=steps * config.constant_epochs // config.epochs,
        ),
        b1=config.adam_b1,
        b2=config.adam_b2,
    )
    if not config.clip_norm:
        return adam
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), adam)


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
    """Draws the initial state, as host arrays; `batch` gives the shapes."""
    gen_key, disc_key = jax.random.split(key)

    def player(variables: dict, *, ema: bool) -> Player:
        params = variables["params"]
        # Only the length matters, and joining the arrays would compile many programs.
        length = sum(leaf.size for leaf in jax.tree.leaves(params))
        return Player(
            params=params,
            stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(jnp.zeros(length)),
            ema=params if ema else None,
        )

    gen, outputs = draw_with_outputs(method.gen, gen_key, batch, train=True)
    disc = None
    if method.disc is not None:
        disc = player(
            draw_variables(method.disc, disc_key, batch, outputs, train=True), ema=False
        )
    state = TrainState(
        step=np.zeros((), np.int32),
        gen=player(gen, ema=ema),
        disc=disc,
        method_state=method.init_method_state(),
    )
    return jax.tree.map(np.array, jax.device_get(state))
