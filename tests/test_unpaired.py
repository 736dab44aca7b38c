"""UCG-SAMR: unpaired sampling, streams, loss terms, and who learns from which."""

import dataclasses
import functools
import json
import math
import operator
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from samr_jax.batch import Batch
from samr_jax.config import default
from samr_jax.data.nifti import write_volume
from samr_jax.data.unpaired import UnpairedBatches
from samr_jax.data.window import unpack
from samr_jax.errors import InputError
from samr_jax.inference import build_method, load_model
from samr_jax.labels import LABELS
from samr_jax.methods import two_domains, ucg_samr
from samr_jax.methods.image_pool import create_pool, exchange
from samr_jax.models.decoder import Synthesis
from samr_jax.models.translator import anatomy
from samr_jax.segmentation import read_scans, segment_volume
from samr_jax.state import create_state
from samr_jax.step import make_train_step
from samr_jax.train import train_and_evaluate
from tests.tiny import shrink, tiny_config

NETWORKS = ("encoder_1", "decoder_1", "encoder_2", "decoder_2")


# --- Unpaired sampling ---------------------------------------------------------------


def numbered_slices(subjects=5, each=4):
    """Instances whose arrays say which slice they are of."""
    return [
        {
            "subject": f"subject-{i // each}",
            "labels": np.array(i),
            "tissue": np.array(i),
            "images": np.array(i),
        }
        for i in range(subjects * each)
    ]


def subjects_of(slices, rows):
    return {slices[row]["subject"] for row in rows}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_domains_are_of_different_subjects_and_see_all_their_slices(batch_size):
    slices = numbered_slices()
    batches = UnpairedBatches(slices, batch_size=batch_size, seed=3)
    assert batches.epoch_steps == 12 // batch_size
    seen = [batches[step] for step in range(24)]
    first = np.concatenate([batch["labels"] for batch in seen])
    second = np.concatenate([batch["images"] for batch in seen])
    assert all((batch["labels"] == batch["tissue"]).all() for batch in seen)
    own, others = subjects_of(slices, first), subjects_of(slices, second)
    assert (len(own), len(others)) == (3, 2) and not own & others
    # One epoch: each of the 12 and 8 slices once, in an order of its own.
    assert sorted(first[:12]) == sorted({*first.tolist()})
    assert sorted(second[:8]) == sorted({*second.tolist()})
    assert first[:12].tolist() != first[12:24].tolist()


def test_division_and_order_come_from_the_seed():
    slices = numbered_slices(subjects=8)

    def run(seed):
        batches = UnpairedBatches(slices, batch_size=2, seed=seed)
        return [batches.rows(step) for step in range(8)]

    assert run(0) == run(0)
    divisions = {
        frozenset(subjects_of(slices, [r for first, _ in run(seed) for r in first]))
        for seed in range(6)
    }
    assert len(divisions) > 1


@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_same_subjects_never_share_a_slice(batch_size):
    slices = numbered_slices(subjects=2)
    batches = UnpairedBatches(slices, batch_size=batch_size, seed=0, same_subjects=True)
    seen = [batches.rows(step) for step in range(200)]
    assert not any(set(first) & set(second) for first, second in seen)
    for domain in zip(*seen, strict=True):
        assert {row for rows in domain for row in rows} == set(range(8))


@pytest.mark.parametrize("same_subjects", [False, True])
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_out_the_global_batch(processes, same_subjects):
    options = {"batch_size": 4, "seed": 1, "same_subjects": same_subjects}
    whole = UnpairedBatches(numbered_slices(), **options)
    parts = [
        UnpairedBatches(
            numbered_slices(), process_index=i, process_count=processes, **options
        )
        for i in range(processes)
    ]
    for step in range(30):
        batch = whole[step]
        own = [part[step] for part in parts]
        for name in ("labels", "tissue", "images"):
            shares = [share[name] for share in own]
            assert {len(share) for share in shares} == {4 // processes}
            np.testing.assert_array_equal(np.stack(shares, axis=1).ravel(), batch[name])
        # No device sees a mask of which another one sees the images.
        assert not {*batch["labels"].tolist()} & {*batch["images"].tolist()}


def test_batches_are_a_function_of_the_step():
    options = {"batch_size": 2, "seed": 0, "same_subjects": True}
    fresh, read = (UnpairedBatches(numbered_slices(), **options) for _ in range(2))
    for step, batch in enumerate(read.iterate(5, 25), start=5):
        for name, array in batch.items():
            np.testing.assert_array_equal(array, fresh[step][name])
    assert step == 24


@pytest.mark.parametrize(
    "subjects, options, message",
    [
        (1, {}, r"1 subject\(s\), expected at least 2"),
        (1, {"same_subjects": True}, "4 slices, expected more than"),
        (4, {"process_count": 3}, "not divisible by 3 processes"),
    ],
)
def test_too_little_data_is_refused(subjects, options, message):
    with pytest.raises(InputError, match=message):
        UnpairedBatches(numbered_slices(subjects), batch_size=4, seed=0, **options)


# --- Loss terms ----------------------------------------------------------------------


def example_outputs(rng, sequences=3):
    """Random outputs, features and batch, no network involved."""

    def uniform(low, high, *shape):
        return rng.uniform(low, high, shape).astype(np.float32)

    def anatomy():
        return uniform(0, 1, 2, 4, 4, 8)

    def synthesis():
        return Synthesis(
            uniform(-1, 1, 2, 4, 4, sequences),
            uniform(-1, 1, 2, 2, 2, sequences),
            uniform(0.1, 0.9, 2, 2, 2, sequences),
        )

    outputs = {
        **{name: anatomy() for name in ("recon_1", "cross_1", "cyc_1")},
        **{name: synthesis() for name in ("recon_2", "cross_2", "cyc_2")},
    }
    # Two scales of a feature layer and logits.
    features = {
        f"{side}_{domain}": [
            [uniform(-1, 1, 2, 3, 3, 2), uniform(-2, 2, 2, 3, 3, 1)] for _ in range(2)
        ]
        for side in ("real", "fake")
        for domain in (1, 2)
    }
    labels = rng.integers(0, 5, (2, 4, 4))
    batch = Batch(
        mask=np.eye(5, dtype=np.float32)[labels],
        tissue=uniform(0, 1, 2, 4, 4, 3),
        images=uniform(-1, 1, 2, 4, 4, sequences),
    )
    return outputs, features, batch


def expected_terms(outputs, features, batch, lambda_cm):
    """Equations (7) to (9), pixel by pixel in float64."""
    x = np.concatenate([batch.mask, batch.tissue], -1).astype(np.float64)
    y = batch.images.astype(np.float64)
    small = np.array(
        [
            [[image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in (0, 1)]
             for i in (0, 1)]
            for image in y
        ]
    )  # fmt: skip

    def confidence(s):
        c = s.confidence.astype(np.float64)
        return np.mean(c * np.abs(s.intermediate - small)) - lambda_cm * np.mean(
            np.log(c)
        )

    def real(scales):
        return sum(np.mean(np.log1p(np.exp(-np.float64(s[-1])))) for s in scales)

    return {
        "recon_1": np.mean(np.abs(x - outputs["recon_1"])),
        "recon_2": np.mean(np.abs(y - outputs["recon_2"].images)),
        "recon_cm": confidence(outputs["recon_2"]),
        "gan_1": real(features["fake_1"]),
        "gan_2": real(features["fake_2"]),
        "cyc_1": np.mean(np.abs(x - outputs["cyc_1"])),
        "cyc_2": np.mean(np.abs(y - outputs["cyc_2"].images)),
        "cyc_cm": confidence(outputs["cyc_2"]),
    }


def test_terms_and_weights_of_equation_10():
    rng = np.random.default_rng(0)
    outputs, features, batch = example_outputs(rng)
    expected = expected_terms(outputs, features, batch, lambda_cm=0.1)
    weights = dict(zip(expected, rng.uniform(0.5, 2, 8), strict=True))
    total, terms = ucg_samr.generator_loss(
        outputs,
        features,
        batch,
        {"lambda_cm": 0.1},
        weights=ucg_samr.Weights(**weights),
        gan="bce",
    )
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value, rel=1e-5), name
    assert total == pytest.approx(
        sum(weights[name] * value for name, value in expected.items()), rel=1e-5
    )
    maps = [outputs[name].confidence for name in ("recon_2", "cyc_2")]
    assert terms["mean_confidence"] == pytest.approx(np.mean(maps), rel=1e-5)


def test_discriminators_loss_is_equation_8():
    rng = np.random.default_rng(1)
    _, features, _ = example_outputs(rng)
    weights = ucg_samr.Weights(*[1.0] * 3, 0.5, 2.0, *[1.0] * 3)
    total, terms = two_domains.discriminator_loss(features, weights=weights, gan="bce")
    value = {}
    for name, scales in features.items():
        sign = -1 if name.startswith("real") else 1
        value[name] = sum(
            np.mean(np.log1p(np.exp(sign * np.float64(s[-1])))) for s in scales
        )
        assert terms[name] == pytest.approx(value[name], rel=1e-5)
    assert total == pytest.approx(
        0.25 * (value["real_1"] + value["fake_1"]) + value["real_2"] + value["fake_2"],
        rel=1e-5,
    )


def test_distances_of_domain_1():
    """L1 over all channels; or cross-entropy of the labels and L1 of the tissue."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, (2, 4, 4))
    x = np.concatenate([np.eye(5)[labels], rng.uniform(0, 1, (2, 4, 4, 3))], -1)
    found = rng.dirichlet(np.ones(5), (2, 4, 4))
    rebuilt = np.concatenate([found, rng.uniform(0, 1, (2, 4, 4, 3))], -1)
    l1 = two_domains.anatomy_loss(x, rebuilt, distance="l1")
    assert l1 == pytest.approx(np.abs(x - rebuilt).mean(), rel=1e-5)
    entropy = two_domains.anatomy_loss(x, rebuilt, distance="cross_entropy")
    truth = np.take_along_axis(found, labels[..., None], -1)
    expected = -np.log(truth).mean() + 3 * np.abs(x - rebuilt)[..., 5:].mean()
    assert entropy == pytest.approx(expected / 8, rel=1e-4)


def test_a_label_missed_for_sure_has_a_gradient_in_cross_entropy_only():
    x = jnp.asarray([[[[0.0, 0, 0, 0, 1, 0, 0, 0]]]])  # tumor
    logits = jnp.asarray([[[[0.0, 8, 0, 0, 0, 0, 0, 0]]]])  # normal brain

    def pull(distance):
        def loss(logits):
            return two_domains.anatomy_loss(x, anatomy(logits), distance=distance)

        return float(jnp.abs(jax.grad(loss)(logits)[..., 4]).max())

    assert pull("l1") < 1e-3
    assert pull("cross_entropy") > 0.1


class _Eye(nn.Module):
    """A discriminator that returns what it sees."""

    @nn.compact
    def __call__(self, x, *, train):
        return [[x]]


@pytest.mark.parametrize("train", [True, False])
def test_instance_noise_is_of_the_stated_size_and_in_training_only(train):
    shape = (4, 32, 32)
    batch = Batch(
        mask=jnp.zeros((*shape, 5)),
        tissue=jnp.zeros((*shape, 3)),
        images=jnp.zeros((*shape, 2)),
    )
    outputs = {
        "cross_1": jnp.zeros((*shape, 8)),
        "cross_2": Synthesis(jnp.zeros((*shape, 2))),
    }
    side = two_domains.DiscriminatorSide(_Eye(), _Eye(), noise=0.2)
    features = side.apply(
        {}, batch, outputs, train=train, rngs={"dropout": jax.random.key(0)}
    )
    for name, [[seen]] in features.items():
        expected = 0.2 if train else 0.0
        assert float(seen.std()) == pytest.approx(expected, rel=0.05), name
    assert train == bool((features["real_1"][0][0] != features["fake_1"][0][0]).all())


def test_confidence_switch_looks_at_the_maps_of_the_loss():
    outputs, _, _ = example_outputs(np.random.default_rng(2))
    settings = ucg_samr.cg_samr.LossSettings(
        **dict.fromkeys(ucg_samr.cg_samr.LossSettings.__annotations__, 0.0)
        | {"lambda_cm": 0.1, "lambda_cm_late": 0.03, "confidence_threshold": 0.7}
    )

    def filled(value):
        maps = {name: np.full((1, 2, 2, 1), value) for name in "abc"}
        return Synthesis(*maps.values())

    carry = ucg_samr.cg_samr.init_carry(settings)
    for recon, cycle, late in ((0.6, 0.7, False), (0.7, 0.8, True), (0.1, 0.1, True)):
        outputs |= {"recon_2": filled(recon), "cyc_2": filled(cycle)}
        carry = ucg_samr.update_carry(carry, outputs, settings=settings, epoch_steps=1)
        assert float(carry["lambda_cm"]) == pytest.approx(0.03 if late else 0.1)


# --- Networks ------------------------------------------------------------------------


def tiny_method(sequences, *, image_pool=0):
    config = shrink(default())
    config.model.downsamplings = 1
    config.unpaired.image_pool = image_pool
    return ucg_samr.create(
        sequences=sequences,
        size=(16, 16),
        model=config.model.to_dict(),
        loss=config.loss.to_dict(),
        unpaired=config.unpaired.to_dict(),
        epoch_steps=1,
    )


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
        weights = ucg_samr.Weights(**weights)
        options = {"weights": weights, "gan": "bce"}
        gen, _ = ucg_samr.generator_loss(
            outputs, features, batch, state.carry, **options
        )
        disc, _ = two_domains.discriminator_loss(features, **options)
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


def test_pools_are_training_state_and_only_the_discriminators_are_shown_them(
    method_and_state,
):
    _, plain, batch = method_and_state
    method = tiny_method(1, image_pool=5)
    carry = method.init_carry()
    assert "pools" not in plain.carry
    assert carry["pools"]["1"]["instances"].shape == (5, 16, 16, 8)
    assert carry["pools"]["2"]["instances"].shape == (5, 16, 16, 1)
    optimizer = optax.sgd(1.0)
    state = dataclasses.replace(plain, carry=carry)
    stored = {"labels": batch.mask.argmax(-1), "images": batch.images}
    stored["tissue"] = batch.tissue
    step = make_train_step(method, optimizer=optimizer, seed=0)
    new, metrics = jax.eval_shape(step, state, stored)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert {"disc/pooled_1", "disc/pooled_2"} <= metrics.keys()

    outputs, features, images = example_outputs(np.random.default_rng(3))
    for domain in "12":
        features[f"pooled_{domain}"] = features[f"real_{domain}"]
    weights = ucg_samr.Weights(*[1.0] * 8)
    total, terms = two_domains.discriminator_loss(features, weights=weights, gan="bce")
    names = ("real_1", "pooled_1", "real_2", "pooled_2")
    assert total == pytest.approx(0.5 * sum(float(terms[name]) for name in names))
    _, terms = ucg_samr.generator_loss(
        outputs, features, images, {"lambda_cm": 0.1}, weights=weights, gan="bce"
    )
    expected = expected_terms(outputs, features, images, 0.1)
    assert terms["gan_1"] == pytest.approx(expected["gan_1"], rel=1e-5)


def test_tissue_prior_is_required(config, dataset):
    config.method = "ucg_samr"
    bare = dataclasses.replace(dataset, has_tissue=False)
    with pytest.raises(InputError, match=r"no tissue maps.*UCG-SAMR"):
        build_method(config, bare)


# --- The real loop -------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """Work directory of two steps of the real loop."""
    config = tiny_config(dataset)
    config.method = "ucg_samr"
    config.batch_size = 2
    config.model.downsamplings = 1
    config.steps = 2
    workdir = tmp_path_factory.mktemp("unpaired") / "run"
    train_and_evaluate(config, workdir)
    return workdir


def test_a_run_evaluates_both_directions(run):
    result = json.loads((run / "metrics.json").read_text())
    assert result["anatomy_prior"] == "tissue probability maps of the subject"
    assert set(result["segmentation"]["dice"]) == {"edema", "cavity", "tumor"}
    log = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    steps = [entry for entry in log if "gen/total" in entry]
    assert [entry["step"] for entry in steps] == [1, 2]
    assert all(math.isfinite(v) for entry in steps for v in entry.values())
    table = (run / "table.md").read_text()
    assert "edema deleted" in table and "SSIM" in table
    for name in ("comparison.png", "translation.png"):
        assert (run / "figures" / name).stat().st_size > 0


def test_a_loaded_run_translates_both_ways(run, dataset):
    model = load_model(run)
    slices = dataset.split("test")
    fields = ("labels", "tissue", "images")
    stored = {name: np.stack([slices[i][name] for i in range(2)]) for name in fields}
    synthesis = model.synthesize(stored)
    assert synthesis.images.shape == (2, 32, 32, 2)
    assert synthesis.confidence.shape == (2, 16, 16, 2)
    probabilities = model.segment(stored)
    assert probabilities.shape == (2, 32, 32, len(LABELS))
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)


def patient(dataset, directory, *, flipped):
    """A test subject's scans as files; its instances."""
    slices = dataset.split("test")
    name = slices[0]["subject"]
    items = [item for item in slices if item["subject"] == name]
    images = dataset.restore(name, unpack(np.stack([i["images"] for i in items])))
    images[np.stack([item["labels"] for item in items]) == 0] = 0
    affine = dataset.grid.affine
    volume = np.swapaxes(images, 0, 2)
    if flipped:
        volume = volume[::-1]
        affine = affine @ np.array(
            [[-1, 0, 0, len(volume) - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        )
    for channel, sequence in enumerate(dataset.sequences):
        write_volume(directory / f"{sequence}.nii.gz", volume[..., channel], affine)
    return items


class Fifths:
    """Stands in for a model: a pixel's label is the fifth of T1w's range it is in."""

    def __init__(self, dataset, *, can_segment=True):
        self.dataset = dataset
        self.method = types.SimpleNamespace(name="Fifths", can_segment=can_segment)

    def segment(self, stored):
        level = (unpack(stored["images"])[..., 0] + 1) / 2
        return np.eye(len(LABELS))[np.minimum((5 * level).astype(int), 4)]


@pytest.mark.parametrize("flipped", [False, True])
def test_scans_are_segmented_as_slices_are(dataset, tmp_path, flipped):
    """Through files, other voxel orders and refitted windows: the same label map."""
    items = patient(dataset, tmp_path, flipped=flipped)
    model = Fifths(dataset)
    found = segment_volume(model, read_scans(tmp_path, dataset))
    slices = {name: np.stack([item[name] for item in items]) for name in items[0]}
    expected = model.segment(slices).argmax(-1)
    expected[slices["labels"] == 0] = 0
    assert set(np.unique(expected)) >= {0, 1, 4}
    expected = np.swapaxes(expected, 0, 2)[:: -1 if flipped else 1]
    assert np.mean(found == expected) > 0.98


def test_scans_that_cannot_be_segmented(dataset, tmp_path):
    patient(dataset, tmp_path, flipped=False)
    scans = read_scans(tmp_path, dataset)
    away = np.eye(4)
    away[2, 3] = 500
    moved = {
        name: dataclasses.replace(scan, affine=away @ scan.affine)
        for name, scan in scans.items()
    }
    with pytest.raises(InputError, match="no brain within"):
        segment_volume(Fifths(dataset), moved)
    with pytest.raises(InputError, match="Fifths does not segment"):
        segment_volume(Fifths(dataset, can_segment=False), scans)
    (tmp_path / f"{dataset.sequences[0]}.nii.gz").unlink()
    with pytest.raises(InputError, match="no such file"):
        read_scans(tmp_path, dataset)
