"""UCG-SAMR: its streams, who learns from which, and image pools."""

import dataclasses
import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from samr_jax.config import default, method_of
from samr_jax.methods import two_domains, ucg_samr
from samr_jax.methods.base import Context
from samr_jax.methods.batch import Batch
from samr_jax.methods.image_pool import create_pool, exchange
from samr_jax.runs.model import build_method
from samr_jax.runtime.errors import InputError
from samr_jax.training.state import create_state
from samr_jax.training.step import make_train_step
from tests.tiny import shrink

NETWORKS = ("encoder_1", "decoder_1", "encoder_2", "decoder_2")


def tiny_method(sequences, *, image_pool=0):
    config = shrink(default("ucg_samr"))
    config.model.downsamplings = 1
    config.loss.image_pool = image_pool
    return method_of(config, Context(sequences, (16, 16)))


@pytest.fixture(scope="module")
def method_and_state():
    """One sequence and 16 x 16 pixels, since compiling is what takes the time."""
    method = tiny_method(1)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 16, 16))
    batch = Batch(
        mask=np.eye(5, dtype=np.float32)[labels],
        tissue=rng.uniform(0, 1, (2, 16, 16, 3)).astype(np.float32),
        images=rng.uniform(-1, 1, (2, 16, 16, 1)).astype(np.float32),
    )
    state = create_state(method, jax.random.key(0), batch, optimizer=optax.sgd(1.0))
    return method, state, batch


def call(module, params, stats, x):
    return module.apply(
        {"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"]
    )


def test_streams_are_those_of_figure_5(method_and_state):
    """Each stream, put together from single networks; statistics of the test's path."""
    method, state, batch = method_and_state
    outputs, stats = jax.jit(
        lambda: method.gen.apply(
            {"params": state.gen.params, "batch_stats": state.gen.stats},
            batch,
            train=True,
            mutable=["batch_stats"],
        )
    )()
    stats = stats["batch_stats"]

    @jax.jit
    def single(x, y):
        def run(name, value):
            network = getattr(method.gen, name).clone(name=None, parent=None)
            return call(network, state.gen.params[name], state.gen.stats[name], value)

        code_1, stats_1 = run("encoder_1", x)
        code_2, stats_2 = run("encoder_2", y)
        fake_x, stats_3 = run("decoder_1", code_2)
        fake_y, stats_4 = run("decoder_2", code_1)
        streams = {
            "recon_1": run("decoder_1", code_1)[0],
            "recon_2": run("decoder_2", code_2)[0],
            "cross_1": fake_x,
            "cross_2": fake_y,
            "cyc_1": run("decoder_1", run("encoder_2", fake_y.images)[0])[0],
            "cyc_2": run("decoder_2", run("encoder_1", fake_x)[0])[0],
        }
        tracked = dict(zip(NETWORKS, (stats_1, stats_3, stats_2, stats_4), strict=True))
        return streams, {k: v["batch_stats"] for k, v in tracked.items()}

    expected, tracked = single(ucg_samr.domain_1(batch), batch.images)
    for name, value in expected.items():
        assert jax.tree.structure(value) == jax.tree.structure(outputs[name])
        for a, b in zip(*map(jax.tree.leaves, (value, outputs[name])), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-4, err_msg=name)
    for name in NETWORKS:
        for a, b in zip(
            *map(jax.tree.leaves, (tracked[name], stats[name])), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)


REACHED = {
    "recon_1": {"encoder_1", "decoder_1"},
    "recon_2": {"encoder_2", "decoder_2"},
    "recon_cm": {"encoder_2", "decoder_2"},
    "gan_1": {"encoder_2", "decoder_1"},
    "gan_2": {"encoder_1", "decoder_2"},
    "cyc_1": set(NETWORKS),
    "cyc_2": set(NETWORKS),
    "cyc_cm": set(NETWORKS),
}


def test_gradients_reach_exactly_the_networks_of_their_stream(method_and_state):
    method, state, batch = method_and_state

    def losses(gen_params, disc_params, weights):
        outputs, _ = method.gen.apply(
            {"params": gen_params, "batch_stats": state.gen.stats},
            batch,
            train=True,
            mutable=["batch_stats"],
        )
        features, _ = method.disc.apply(
            {"params": disc_params, "batch_stats": state.disc.stats},
            batch,
            outputs,
            train=True,
            mutable=["batch_stats"],
        )
        loss = ucg_samr.Loss(**weights)
        gen, _ = ucg_samr.generator_loss(
            outputs, features, batch, state.method_state, loss=loss
        )
        disc, _ = two_domains.discriminator_loss(features, loss=loss)
        return gen, disc

    def sizes(gradient):
        return {
            name: sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree))
            for name, tree in gradient.items()
        }

    @jax.jit
    def norms(weights):
        params = state.gen.params, state.disc.params
        _, pull = jax.vjp(lambda *p: losses(*p, weights), *params)
        one, none = jnp.ones(()), jnp.zeros(())
        return sizes(pull((one, none))[0]), sizes(pull((none, one))[1])

    for term, reached in REACHED.items():
        weights = {name: float(name == term) for name in REACHED}
        of_gen, of_disc = norms(weights)
        assert {name for name, size in of_gen.items() if size} == reached, term
        judges = {"gan_1": {"discriminator_1"}, "gan_2": {"discriminator_2"}}
        found = {name for name, size in of_disc.items() if size}
        assert found == judges.get(term, set()), term


@pytest.mark.parametrize("sequences", [1, 4])
def test_any_number_of_sequences(sequences):
    method = tiny_method(sequences)
    batch = Batch(
        mask=np.zeros((1, 16, 16, 5), np.float32),
        tissue=np.zeros((1, 16, 16, 3), np.float32),
        images=np.zeros((1, 16, 16, sequences), np.float32),
    )
    variables = jax.eval_shape(
        lambda: method.gen.init(jax.random.key(0), batch, train=True)
    )
    run = lambda name: jax.eval_shape(  # noqa: E731
        lambda v: method.gen.apply(v, batch, method=name), variables
    )
    synthesis = run("synthesize")
    assert synthesis.images.shape == (1, 16, 16, sequences)
    assert synthesis.confidence.shape == (1, 8, 8, sequences)
    assert run("segment").shape == (1, 16, 16, 5)


# --- Image pools ---------------------------------------------------------------------


def test_pool_gives_back_what_it_was_given():
    pool = create_pool(3, (1, 1, 1))
    fakes = np.arange(1.0, 201).reshape(-1, 1, 1, 1)
    shown = []
    for start in range(0, 200, 2):
        own, pool = jax.jit(exchange)(pool, fakes[start : start + 2])
        shown += own.ravel().tolist()
    assert shown[:3] == [1, 2, 3]
    exchanged = [s != f for s, f in zip(shown[3:], fakes.ravel()[3:], strict=True)]
    assert 0.35 < np.mean(exchanged) < 0.65
    assert all(s <= f for s, f in zip(shown, fakes.ravel(), strict=True))
    # Beside the three first ones, which were shown and kept, nothing comes twice.
    held = pool["instances"].ravel().tolist()
    assert sorted(shown + held) == sorted([*fakes.ravel().tolist(), 1, 2, 3])


def test_pool_of_devices_is_that_of_the_global_batch():
    fakes = np.random.default_rng(0).uniform(-1, 1, (8, 2, 2, 2, 1))
    whole, shared = create_pool(4, (2, 2, 1)), create_pool(4, (2, 2, 1))
    mapped = jax.vmap(
        functools.partial(exchange, axis_name="batch"),
        in_axes=(None, 0),
        axis_name="batch",
    )
    for pair in fakes:
        expected, whole = exchange(whole, pair)
        found, of_devices = mapped(shared, pair[:, None])
        np.testing.assert_array_equal(found[:, 0], expected)
        for leaf, other in zip(*map(jax.tree.leaves, (of_devices, whole)), strict=True):
            np.testing.assert_array_equal(leaf, np.stack([other, other]))
        shared = jax.tree.map(operator.itemgetter(0), of_devices)


def test_pools_are_training_state(
    method_and_state,
):
    _, plain, batch = method_and_state
    method = tiny_method(1, image_pool=5)
    method_state = method.init_method_state()
    assert "pools" not in plain.method_state
    assert method_state["pools"]["1"]["instances"].shape == (5, 16, 16, 8)
    assert method_state["pools"]["2"]["instances"].shape == (5, 16, 16, 1)
    optimizer = optax.sgd(1.0)
    state = dataclasses.replace(plain, method_state=method_state)
    stored = {"labels": batch.mask.argmax(-1), "images": batch.images}
    stored["tissue"] = batch.tissue
    step = make_train_step(method, optimizer=optimizer, seed=0)
    new, metrics = jax.eval_shape(step, state, stored)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert {"disc/pooled_1", "disc/pooled_2"} <= metrics.keys()


def test_tissue_prior_is_required(dataset):
    config = shrink(default("ucg_samr"))
    bare = dataclasses.replace(dataset, has_tissue=False)
    with pytest.raises(InputError, match=r"no tissue maps.*UCG-SAMR"):
        build_method(config, bare)
