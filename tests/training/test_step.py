"""The training step: parts, invariances, and what must not change what."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from samr_jax.config import flatten
from samr_jax.data.batches.paired import Batches
from samr_jax.methods.batch import decode
from samr_jax.methods.confidence import (
    ConfidenceLoss,
    init_confidence,
    switch_lambda_cm,
)
from samr_jax.runs.model import build_method
from samr_jax.runtime import parallel
from samr_jax.training.state import create_state, linear_decay, make_optimizer
from samr_jax.training.step import make_train_step
from tests.tiny import tiny_config, tiny_dataset

SIDES = ("real", "fake")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """One sequence, with which networks compile sooner."""
    return tiny_dataset(tmp_path_factory.mktemp("blobs") / "one", sequences=("T1w",))


@pytest.fixture(scope="module")
def batch(dataset):
    return Batches(dataset.split("train"), batch_size=4, seed=0)[0]


def method_and_step(config, dataset, *, axis_name=None, ema_decay=0.0, accumulation=1):
    method = build_method(config, dataset, epoch_steps=2, axis_name=axis_name)
    step = make_train_step(
        method,
        optimizer=adam(config),
        seed=0,
        axis_name=axis_name,
        ema_decay=ema_decay,
        accumulation=accumulation,
    )
    return method, step


def adam(config):
    return optax.adam(config.learning_rate, b1=config.adam_b1)


def setup(config, dataset, **options):
    method, step = method_and_step(config, dataset, **options)
    slices = Batches(dataset.split("train"), batch_size=1, seed=0)[0]
    state = create_state(
        method,
        jax.random.key(0),
        decode(slices),
        optimizer=adam(config),
        ema=options.get("ema_decay", 0.0) > 0,
    )
    return method, state, step


@pytest.fixture(scope="module")
def first_step(dataset, batch):
    """A function that takes the first step of a config, once for the same config.

    It returns the method, the state before and after the step, and the metrics.
    """
    taken = {}

    def take(config, **options):
        key = json.dumps([flatten(config), options], sort_keys=True)
        if key not in taken:
            method, state, step = setup(config, dataset, **options)
            taken[key] = method, state, *jax.jit(step)(state, batch)
        return taken[key]

    return take


@pytest.fixture
def smaller(config):
    """CG-SAMR with fewer layers and one discriminator for all labels."""
    config.model.downsamplings = 1
    config.model.blocks = 1
    config.ablation.labelwise = False
    return config


def assert_trees_close(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def test_accumulation_is_the_mean_gradient_of_parts_one_after_the_other(dataset, batch):
    """As two steps on halves would have it, had the first not moved the parameters."""
    # Pix2PixHD compiles sooner, and draws nothing at random.
    config = tiny_config(dataset, "pix2pixhd")
    _, state, whole = setup(config, dataset, accumulation=2)
    _, step = method_and_step(config, dataset)
    halves = [{n: a[i : i + 2] for n, a in batch.items()} for i in (0, 2)]
    step = jax.jit(step)
    first, _ = step(state, halves[0])
    between = state.replace(
        gen=state.gen.replace(stats=first.gen.stats),
        disc=state.disc.replace(stats=first.disc.stats),
        method_state=first.method_state,
    )
    second, metrics = step(between, halves[1])
    together, mean_metrics = jax.jit(whole)(state, batch)
    assert int(together.step) == 1
    assert_trees_close(together.statistics, second.statistics, 1e-6)
    assert_trees_close(together.method_state, second.method_state, 1e-6)
    assert mean_metrics.keys() == metrics.keys()

    def gradient(state):  # Adam's first moment after a step is (1 - b1) times it
        return [ravel_pytree(state.gen.opt_state[0].mu)[0], state.disc.opt_state[0].mu]

    for one, other, both in zip(*map(gradient, (first, second, together)), strict=True):
        error = np.abs((one + other) / 2 - both).max()
        assert error < 1e-4 * np.abs(both).max()


def test_step_equals_two_separate_gradients(smaller, first_step, batch):
    """The shared judgement gives what two independent jax.grad calls give."""
    method, state, new_state, metrics = first_step(smaller)
    decoded = decode(batch)

    def outputs_of(params):
        return method.gen.apply(
            {"params": params, "batch_stats": state.gen.stats},
            decoded,
            train=True,
            mutable=["batch_stats"],
        )[0]

    def features_of(params, outputs):
        return method.disc.apply(
            {"params": params, "batch_stats": state.disc.stats},
            decoded,
            outputs,
            train=True,
            mutable=["batch_stats"],
        )[0]

    def gen_loss(params):
        outputs = outputs_of(params)
        features = features_of(state.disc.params, outputs)
        return method.gen_loss(outputs, features, decoded, state.method_state)[0]

    def disc_loss(params):
        outputs = jax.lax.stop_gradient(outputs_of(state.gen.params))
        return method.disc_loss(features_of(params, outputs))[0]

    @jax.jit
    def both(gen_params, disc_params):
        return {
            "gen": jax.value_and_grad(gen_loss)(gen_params),
            "disc": jax.value_and_grad(disc_loss)(disc_params),
        }

    found = both(state.gen.params, state.disc.params)
    for name, (value, gradient) in found.items():
        # Adam's first moment after one step is (1 - b1) times the gradient.
        moment = getattr(new_state, name).opt_state[0].mu
        assert_trees_close(
            moment / (1 - smaller.adam_b1), ravel_pytree(gradient)[0], 1e-4
        )
        assert metrics[f"{name}/total"] == pytest.approx(float(value), rel=1e-5)
        assert metrics[f"{name}/grad_norm"] == pytest.approx(
            float(optax.global_norm(gradient)), rel=1e-3
        )


def test_devices_equal_one_device_with_the_whole_batch(
    smaller, dataset, batch, first_step
):
    """Four devices here; `tests.runtime.test_distributed` trains on two."""
    devices = 4
    _, state, on_one, metrics_of_one = first_step(smaller)
    _, shared = method_and_step(smaller, dataset, axis_name=parallel.AXIS)
    split = {
        name: array.reshape(devices, -1, *array.shape[1:])
        for name, array in batch.items()
    }
    on_many, metrics_of_many = jax.jit(
        jax.vmap(shared, in_axes=(None, 0), axis_name=parallel.AXIS)
    )(state, split)
    for device in range(devices):
        own = jax.tree.map(lambda leaf, d=device: leaf[d], on_many)
        # Adam divides by the gradient's size: compare its moments, which do not.
        assert_trees_close(own.gen.opt_state[0].mu, on_one.gen.opt_state[0].mu, 1e-5)
        assert_trees_close(own.disc.opt_state[0].mu, on_one.disc.opt_state[0].mu, 1e-5)
        assert_trees_close(own.gen.stats, on_one.gen.stats, 1e-5)
    for name, value in metrics_of_one.items():
        np.testing.assert_allclose(metrics_of_many[name], value, rtol=1e-4, atol=1e-6)


def test_same_seed_same_state(dataset, batch):
    """Also with the dropout of Pix2Pix, which is drawn from the seed."""
    config = tiny_config(dataset, "pix2pix")
    results = []
    for _ in range(2):
        _, state, step = setup(config, dataset)
        results.append(jax.jit(step)(state, batch)[0])
    for a, b in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(a, b)


def test_optimizers_start_as_for_the_joined_parameters(dataset):
    config = tiny_config(dataset)
    _, state, _ = setup(config, dataset)
    for player in (state.gen, state.disc):
        expected = adam(config).init(ravel_pytree(player.params)[0])
        assert jax.tree.structure(player.opt_state) == jax.tree.structure(expected)
        for a, b in zip(
            jax.tree.leaves(player.opt_state), jax.tree.leaves(expected), strict=True
        ):
            assert np.array_equal(a, b) and a.dtype == b.dtype and a.shape == b.shape


def test_average_of_weights(dataset, first_step):
    config = tiny_config(dataset, "pix2pix")
    _, state, new, _ = first_step(config, ema_decay=0.9)
    expected = jax.tree.map(
        lambda old, fresh: 0.9 * old + 0.1 * fresh, state.gen.params, new.gen.params
    )
    assert_trees_close(new.gen.ema, expected, 1e-6)


def test_a_rate_of_the_discriminators_alone(dataset, first_step):
    config = tiny_config(dataset, "pix2pix")
    changes = {}
    for rate in (1.0, 4.0):
        config.disc_lr_scale = rate
        _, state, new, _ = first_step(config)
        changes[rate] = {
            side: jax.tree.map(jnp.subtract, getattr(new, side).params, old.params)
            for side, old in (("gen", state.gen), ("disc", state.disc))
        }
    assert_trees_close(changes[4.0]["gen"], changes[1.0]["gen"], 0)
    faster = jax.tree.map(lambda change: 4 * change, changes[1.0]["disc"])
    assert_trees_close(changes[4.0]["disc"], faster, 1e-5)


def test_a_rate_of_the_segmenter_alone(smaller, first_step):
    changes = {}
    for rate in (1.0, 4.0):
        smaller.segmenter_lr_scale = rate
        _, state, new, _ = first_step(smaller)
        changes[rate] = {
            "disc": jax.tree.map(jnp.subtract, new.disc.params, state.disc.params)
        } | jax.tree.map(jnp.subtract, new.gen.params, state.gen.params)
    assert changes[1.0].keys() == {"disc", "generator", "segmenter"}
    for unchanged in ("disc", "generator"):
        # Adam's first step has the sign of the gradient. Where that is 0 but for
        # rounding, as of a bias before a norm, two programs differ by a whole step.
        (a, _), (b, _) = (ravel_pytree(changes[r][unchanged]) for r in (4.0, 1.0))
        assert np.mean(np.abs(a - b) < 1e-6) > 0.9
    faster = jax.tree.map(lambda change: 4 * change, changes[1.0]["segmenter"])
    assert_trees_close(changes[4.0]["segmenter"], faster, 1e-5)


def test_the_segmenter_need_not_learn_from_synthesized_images(smaller, dataset, batch):
    """That it does by default is tested in `tests.methods.test_method_steps`."""
    smaller.loss.segmenter_learns_from_fake = False
    method, state, _ = setup(smaller, dataset)

    @jax.jit
    def gradients(params):
        """One tree for the logits of real images, and one for those of fake images."""

        def squares(params):
            variables = {"params": params, "batch_stats": state.gen.stats}
            outputs, _ = method.gen.apply(
                variables, decode(batch), train=True, mutable=["batch_stats"]
            )
            return [(outputs[f"logits_of_{side}"] ** 2).sum() for side in SIDES]

        _, pull = jax.vjp(squares, params)
        return [pull([1.0, 0.0])[0], pull([0.0, 1.0])[0]]

    reached = {
        side: {
            network: any(np.any(leaf) for leaf in jax.tree.leaves(tree))
            for network, tree in gradient.items()
        }
        for side, gradient in zip(SIDES, gradients(state.gen.params), strict=True)
    }
    assert reached["real"] == {"generator": False, "segmenter": True}
    assert reached["fake"] == {"generator": True, "segmenter": False}


def test_bfloat16_computes_in_it_and_keeps_float32(smaller, dataset, batch, first_step):
    _, _, _, exact = first_step(smaller)
    smaller.dtype = "bfloat16"
    _, state, step = setup(smaller, dataset)
    lowered = jax.jit(step).lower(state, batch)
    assert "bf16" in lowered.as_text()
    new, metrics = lowered.compile()(state, batch)
    kinds = {leaf.dtype for leaf in jax.tree.leaves(new.gen.params)}
    assert kinds == {np.dtype(np.float32)}
    assert all(value.dtype == np.float32 for value in metrics.values())
    assert metrics["gen/total"] == pytest.approx(float(exact["gen/total"]), rel=0.05)


def test_lambda_switches_once_at_the_end_of_an_epoch():
    loss = ConfidenceLoss()
    state = init_confidence(loss)
    seen = []
    for mean in (0.9, 0.4, 0.9, 0.6, 0.1, 0.1):  # epochs of mean .65, .75, .1
        maps = jnp.full((1, 2, 2, 1), mean)
        state = switch_lambda_cm(state, maps, loss=loss, epoch_steps=2)
        seen.append(round(float(state["lambda_cm"]), 3))
    assert seen == [0.1, 0.1, 0.1, 0.03, 0.03, 0.03]


def test_schedule_is_constant_then_linear_to_zero():
    schedule = linear_decay(2e-4, steps=100, constant_steps=50)
    found = [float(schedule(step)) for step in (0, 49, 50, 75, 100)]
    assert found == pytest.approx([2e-4, 2e-4, 2e-4, 1e-4, 0.0])


@pytest.mark.parametrize("clip_norm", [0.0, 5.0])
def test_adam_of_gradients_no_longer_than_they_may_be(config, clip_norm):
    """Two steps of Kingma and Ba's equations, the second ten times as long."""
    config.update(learning_rate=0.1, adam_b1=0.5, adam_b2=0.9, clip_norm=clip_norm)
    config.update(epochs=2, constant_epochs=1)
    optimizer = make_optimizer(config, steps=4)
    gradients = np.array([[3.0, 4.0], [-30.0, 40.0]])
    state = optimizer.init(jnp.zeros(2))
    mean, square = np.zeros(2), np.zeros(2)
    for step, gradient in enumerate(gradients, start=1):
        found, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state)
        if clip_norm:
            gradient = gradient * min(1.0, clip_norm / np.linalg.norm(gradient))
        mean = 0.5 * mean + 0.5 * gradient
        square = 0.9 * square + 0.1 * gradient**2
        debiased = np.sqrt(square / (1 - 0.9**step))
        expected = -0.1 * mean / (1 - 0.5**step) / (debiased + 1e-8)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_ablated_atlas_is_seen_by_nobody(smaller, dataset, batch):
    smaller.ablation.atlas = False
    _, state, step = setup(smaller, dataset)
    changed = {**batch, "atlas": batch["atlas"][::-1] // 2}
    results = [jax.jit(step)(state, b)[0] for b in (batch, changed)]
    for a, b in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(a, b)
