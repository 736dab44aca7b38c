"""The estimate of a program's memory, against sums by hand and against XLA's count."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from samr_jax.data.batches.paired import Batches
from samr_jax.methods.batch import decode
from samr_jax.runs.model import build_method
from samr_jax.runtime import parallel
from samr_jax.runtime.step_memory import needed_bytes
from samr_jax.training.compilation import LEAST_SHARE
from samr_jax.training.state import create_state, make_optimizer
from samr_jax.training.step import make_train_step
from tests.tiny import tiny_config

N = 64
X = jnp.zeros((N, N))
ONE = 4 * N * N
"""Bytes of `X`, the unit of this file."""


def units(function, *arguments, **options):
    """The estimate for a function, in units of `X`; scalars hardly count."""
    return round(needed_bytes(jax.make_jaxpr(function)(*arguments), **options) / ONE, 2)


def chain(x):
    return ((x @ x) @ x) @ x


def layers(x, *, count, remat):
    """Products, each followed by a function whose gradient needs its result."""
    layer = jax.checkpoint(lambda x: jnp.sin(x @ x) @ x) if remat else None
    for _ in range(count):
        x = layer(x) if layer else jnp.sin(x @ x) @ x
    return x.sum()


def test_values_are_freed_after_their_last_use():
    # The argument and, during the second product, its input and its result.
    assert units(chain, X) == 3

    def returning(x):
        first = x @ x
        return ((first @ x) @ x) @ first

    # The first product is in memory until the end.
    assert units(returning, X) == 4


def test_element_wise_operations_are_merged():
    assert units(lambda x: (jnp.exp(jnp.sin(x) * 2) + x.T).sum(), X) == 1
    # A product reads its input from memory.
    assert units(lambda x: (jnp.sin(x) @ x).sum(), X) == 3


def test_what_no_result_needs_does_not_count():
    def wasteful(x):
        y = jnp.stack([x @ x] * 10)
        return chain(x), y[0, 0, :0]

    assert units(lambda x: wasteful(x)[0], X) == units(chain, X)


def test_a_donated_argument_lends_its_memory():
    assert units(lambda x: x + 1, X) == 2
    assert units(lambda x: x + 1, X, donated=1) == 1


def test_calls_count_as_what_they_call():
    assert units(jax.jit(chain), X) == units(chain, X)
    assert units(jax.jit(lambda x: jax.jit(chain)(x)), X) == units(chain, X)


def test_a_loop_needs_what_its_body_needs():
    def looped(x):
        return lax.fori_loop(0, 10, lambda _, y: chain(y), x)

    # The argument, the loop's result, and the temporaries of one turn.
    assert 3 <= units(looped, X) <= 5


def test_a_gradient_keeps_what_it_needs_unless_it_is_computed_again():
    def gradient(count, remat):
        return units(jax.grad(lambda x: layers(x, count=count, remat=remat)), X)

    # Two products of each layer, or the input of each layer.
    assert gradient(8, False) - gradient(4, False) >= 2 * 4
    assert gradient(8, True) - gradient(4, True) == 4


def test_only_the_branch_of_the_platform_counts():
    def function(x):
        return lax.platform_dependent(x, cpu=chain, default=lambda x: x @ x)

    assert units(function, X, platform="cpu") == units(chain, X) == 3
    assert units(function, X, platform="gpu") == 2


def training_step(dataset, method, fields):
    """A training step under pmap, and its state and batch."""
    config = tiny_config(dataset, method)
    config.update_from_flattened_dict(fields)
    axis = parallel.AXIS
    built = build_method(config, dataset, axis_name=axis)
    optimizer = make_optimizer(config, steps=2)
    batches = Batches(dataset.split("train"), batch_size=4, seed=0, fields=built.fields)
    batch = batches[0]
    example = decode({name: array[:1] for name, array in batch.items()})
    state = create_state(built, jax.random.key(0), example, optimizer=optimizer)
    step = make_train_step(
        built,
        optimizer=optimizer,
        seed=0,
        accumulation=config.accumulation,
        axis_name=axis,
    )
    return parallel.parallel_step(step), state, parallel.shard(batch)


WIDER = {"model.ngf": 8, "model.ndf": 8}
"""Networks whose activations need more memory than all else."""


@pytest.mark.parametrize(
    "method, fields",
    [
        ("pix2pix", WIDER | {"accumulation": 2}),
        ("segmentation", {"model.unet_channels": 8}),
    ],
)
def test_a_training_step_against_xlas_count(dataset, method, fields):
    step, state, batch = training_step(dataset, method, fields)
    leaves = len(jax.tree.leaves(state))
    traced = jax.make_jaxpr(step)(state, batch)
    estimate = needed_bytes(traced, donated=leaves)
    _, gib = parallel.compile_step(step, state, batch)
    assert LEAST_SHARE < gib * 2**30 / estimate < 1.5
