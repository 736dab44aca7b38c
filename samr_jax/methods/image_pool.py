"""A pool of earlier fakes, so that a discriminator does not forget them (CycleGAN).

Once the pool is full, every second fake is exchanged for a random one of the pool. The
pool belongs to the training state; all devices hold the same one, filled with the
global batch.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Pool = dict[str, Any]


def create_pool(size: int, shape: tuple[int, ...]) -> Pool:
    """An empty pool of `size` instances ``shape``, ``(H, W, C)``."""
    return {
        "instances": jnp.zeros((size, *shape), jnp.float32),
        "seen": jnp.zeros((), jnp.int32),
    }


def exchange(
    pool: Pool, fakes: jax.Array, *, axis_name: str | None = None
) -> tuple[jax.Array, Pool]:
    """Puts fakes into the pool and takes what the discriminator is to be shown.

    Args:
      pool: see `create_pool`.
      fakes: this device's, ``(N, H, W, C)``.
      axis_name: device axis of the global batch.

    Returns:
      As many instances, without a gradient, and the new pool.
    """
    fakes = jax.lax.stop_gradient(fakes)
    count = len(fakes)
    if axis_name is not None:
        fakes = jax.lax.all_gather(fakes, axis_name, tiled=True)
    pool, shown = jax.lax.scan(_exchange_one, pool, fakes)
    if axis_name is not None:
        start = count * jax.lax.axis_index(axis_name)
        shown = jax.lax.dynamic_slice_in_dim(shown, start, count)
    return shown, pool


def _exchange_one(pool: Pool, fake: jax.Array) -> tuple[Pool, jax.Array]:
    instances, seen = pool["instances"], pool["seen"]
    size = len(instances)
    # What was seen so far is all the randomness that a checkpoint needs.
    coin, place = jax.random.split(jax.random.fold_in(jax.random.key(0), seen))
    filling = seen < size
    place = jnp.where(filling, seen, jax.random.randint(place, (), 0, size))
    exchanged = ~filling & jax.random.bernoulli(coin)
    shown = jnp.where(exchanged, instances[place], fake)
    stored = jnp.where(filling | exchanged, fake, instances[place])
    pool = {"instances": instances.at[place].set(stored), "seen": seen + 1}
    return pool, shown
