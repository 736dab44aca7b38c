"""Steps of the compared methods: who learns from which term, and what changes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from samr_jax.benchmark.measure import random_batch
from samr_jax.methods.batch import decode
from samr_jax.training.state import create_state
from samr_jax.training.step import make_train_step
from tests.methods.method_cases import tiny_method

TRANSLATORS = {"to_images", "to_anatomy"}
CYCLEGAN = {
    "gan_1": {"to_anatomy"},
    "gan_2": {"to_images"},
    "cyc_1": TRANSLATORS,
    "cyc_2": TRANSLATORS,
}
READ_1, READ_2 = {"encoder_1", "shared_encoder"}, {"encoder_2", "shared_encoder"}
DRAW_1, DRAW_2 = {"decoder_1", "shared_decoder"}, {"decoder_2", "shared_decoder"}
UNIT = {
    "recon_1": READ_1 | DRAW_1,
    "recon_2": READ_2 | DRAW_2,
    "gan_1": READ_2 | DRAW_1,
    "gan_2": READ_1 | DRAW_2,
    "cyc_1": READ_1 | DRAW_2 | READ_2 | DRAW_1,
    "cyc_2": READ_1 | DRAW_2 | READ_2 | DRAW_1,
    "kl": READ_1 | DRAW_2 | READ_2 | DRAW_1,
}
ONE = {term: {"network"} for term in ("adversarial", "feature_matching", "l1")}
REACHED = {
    "pix2pix": ONE,
    "synseg": CYCLEGAN | {"cross_entropy": {"to_images", "segmenter"}},
    "unit": UNIT,
    "segmentation": {term: {"segmenter"} for term in ("cross_entropy", "dice")},
    "samr": {
        "adversarial": {"generator"},
        "dice_of_real": {"segmenter"},
        "dice_of_fake": {"generator", "segmenter"},
    },
    "anatomy": {
        "adversarial": {"generator"},
        "dice_of_real": {"segmenter"},
        "confidence": {"generator"},
        "l1": {"generator"},
    },
}
"""Method -> term -> the networks of the minimising side that it trains.

The sides of the methods that are left out are among these, but UCG-SAMR's, which has
tests of its own.
"""

STEPPED = (
    "samr",
    "anatomy",
    "pix2pix",
    "shin",
    "pix2pixhd",
    "cyclegan",
    "synseg",
    "unit",
    "segmentation",
)


@functools.cache
def tiny_game(name):
    """A method, its state and a batch of two 16 x 16 slices of one sequence."""
    method = tiny_method(name)
    stored = random_batch(method.fields, 2, 16, 1)
    state = create_state(
        method, jax.random.key(0), decode(stored), optimizer=optax.sgd(0.1)
    )
    return method, state, stored


@pytest.mark.parametrize("name", REACHED)
def test_terms_reach_exactly_their_networks(name):
    method, state, stored = tiny_game(name)
    batch = decode(stored)

    def apply(module, params, stats, *args):
        return module.apply(
            {"params": params, "batch_stats": stats},
            batch,
            *args,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )[0]

    def terms_of(params):
        outputs = apply(method.gen, params, state.gen.stats)
        features = None
        if method.disc is not None:
            features = apply(method.disc, state.disc.params, state.disc.stats, outputs)
        terms = method.gen_loss(outputs, features, batch, state.method_state)[1]
        return jnp.stack([terms[term] for term in REACHED[name]])

    @jax.jit
    def sizes(params):
        _, pull = jax.vjp(terms_of, params)
        each = jax.lax.map(lambda one: pull(one)[0], jnp.eye(len(REACHED[name])))
        return {
            network: sum(
                jnp.abs(leaf).reshape(len(leaf), -1).sum(1)
                for leaf in jax.tree.leaves(tree)
            )
            for network, tree in each.items()
        }

    found = sizes(state.gen.params)
    for i, (term, expected) in enumerate(REACHED[name].items()):
        assert {key for key, size in found.items() if size[i] > 0} == expected, term


@pytest.mark.parametrize("name", STEPPED)
def test_a_step_changes_all_parameters_and_nothing_else(name):
    method, state, stored = tiny_game(name)
    step = make_train_step(method, optimizer=optax.sgd(0.1), seed=0)
    new, metrics = jax.jit(step)(state, stored)
    assert all(np.isfinite(value) for value in metrics.values()), metrics
    sides = [(state.gen, new.gen)]
    if method.disc is not None:
        sides.append((state.disc, new.disc))
    for before, after in sides:
        changed = {
            path: not np.array_equal(value, flatten_dict(after.params)[path])
            for path, value in flatten_dict(before.params).items()
        }
        # A bias before a norm that subtracts the mean has no effect.
        assert all(changed[path] for path in changed if path[-1] != "bias")
    if "pools" in state.method_state:
        seen = [int(pool["seen"]) for pool in new.method_state["pools"].values()]
        assert seen == [2, 2]


def test_codes_of_unit_are_noisy_in_training_only():
    method, state, stored = tiny_game("unit")
    batch = decode(stored)
    variables = {"params": state.gen.params}
    trained = [
        method.gen.apply(variables, batch, train=True, rngs={"dropout": key})
        for key in jax.random.split(jax.random.key(0))
    ]
    assert not np.array_equal(trained[0]["recon_1"], trained[1]["recon_1"])
    np.testing.assert_array_equal(trained[0]["codes"][0], trained[1]["codes"][0])
    # Without a random key: at test there is nothing random.
    assert method.gen.apply(variables, batch, method="segment").shape == (2, 16, 16, 5)
