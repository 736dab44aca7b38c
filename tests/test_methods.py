"""The compared methods: loss terms, who learns from which, steps; the ablations."""

import functools
import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from samr_jax.batch import Batch, decode
from samr_jax.benchmark import random_batch
from samr_jax.config import check_size, default, validate
from samr_jax.errors import InputError
from samr_jax.inference import Model, method_of
from samr_jax.methods import METHODS, cyclegan, segmentation, unit
from samr_jax.models.decoder import Synthesis
from samr_jax.state import create_state
from samr_jax.step import make_train_step
from samr_jax.train import train_and_evaluate
from tests.tiny import shrink, tiny_config

CONFIGS = sorted(Path("configs").glob("*.py"))


def load(path, variant):
    spec = importlib.util.spec_from_file_location("config_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(variant)


def shapes_of(method, batch):
    """Outputs, features and variables of both sides, as shapes; nothing is compiled."""

    def run():
        rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
        outputs, gen = method.gen.init_with_output(rngs, batch, train=True)
        if method.disc is None:
            return outputs, None, gen, {}
        shown = method.show(outputs, method.init_carry(), axis_name=None)
        features, disc = method.disc.init_with_output(rngs, batch, shown, train=True)
        return outputs, features, gen, disc

    return jax.eval_shape(run)


# --- Configs -------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["paper", "demo"])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds_its_networks(path, variant):
    config = load(path, variant)
    validate(config)
    size = (config.data.size,) * 2
    method = method_of(config, sequences=5, size=size)
    check_size(size, method.downsamplings, source="config")
    batch = decode(random_batch(method.fields, 1, config.data.size, 5))
    outputs, _, gen, disc = shapes_of(method, batch)
    kinds = {leaf.dtype for leaf in jax.tree.leaves((outputs, gen, disc))}
    assert kinds == {jnp.dtype("float32")}

    def answer(name):
        keys = {"dropout": jax.random.key(0)}
        return jax.eval_shape(
            lambda v: method.gen.apply(v, batch, method=name, rngs=keys), gen
        )

    if method.can_synthesize:
        assert answer("synthesize").images.shape == (1, *size, 5)
    if method.can_segment:
        assert answer("segment").shape == (1, *size, 5)


def test_demos_of_a_table_have_the_same_data_and_steps():
    for others, own in (
        (("pix2pix", "pix2pixhd", "shin", "samr", "segmentation"), "paired"),
        (("cyclegan", "unit", "synseg"), "unpaired"),
    ):
        first = load(f"configs/{own}.py", "demo")
        for other in others:
            second = load(f"configs/{other}.py", "demo")
            for field in ("data", "batch_size", "epochs", "constant_epochs", "seed"):
                assert first[field] == second[field], (other, field)
            if other != "segmentation":
                assert first.learning_rate == second.learning_rate, other


@pytest.mark.parametrize(
    "name, prior, segments",
    [
        ("pix2pix", "atlas", False),
        ("pix2pixhd", "atlas", False),
        ("shin", "tissue probability maps of the subject", False),
        ("samr", "atlas", False),
        ("cyclegan", "tissue probability maps of the subject", True),
        ("unit", "tissue probability maps of the subject", True),
        ("synseg", "tissue probability maps of the subject", True),
        ("segmentation", "none", True),
    ],
)
def test_the_prior_that_a_method_names_is_what_it_is_given(name, prior, segments):
    method = tiny_method(name)
    assert (method.prior, method.can_segment) == (prior, segments)
    assert ("atlas" in method.fields) == (prior == "atlas")
    assert ("tissue" in method.fields) == prior.startswith("tissue")


@pytest.mark.parametrize(
    "size, depth", [((256, 256), 8), ((64, 64), 6), ((240, 192), 4), ((512, 512), 8)]
)
def test_depth_of_pix2pix_follows_the_size(size, depth):
    config = load("configs/pix2pix.py", "paper")
    assert method_of(config, sequences=1, size=size).downsamplings == depth


def test_sizes_that_a_method_cannot_halve():
    config = load("configs/pix2pix.py", "demo")
    method = method_of(config, sequences=1, size=(30, 30))
    with pytest.raises(InputError, match="multiple of 4, for networks that halve them"):
        check_size((30, 30), method.downsamplings, source="data")
    config = load("configs/pix2pixhd.py", "paper")
    assert method_of(config, sequences=1, size=(64, 64)).downsamplings == 5


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("ablation.atlas", False, r"ablation\.atlas is False.*'pix2pix' has no such"),
        ("segmentation.label_weights", (1.0, 2.0), "has 2 numbers, expected 5"),
    ],
)
def test_settings_that_a_method_has_not(field, value, message):
    config = load("configs/pix2pix.py", "demo")
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError, match=message):
        validate(config)


# --- Loss terms ----------------------------------------------------------------------

RNG = np.random.default_rng(0)


def uniform(low, high, *shape):
    return RNG.uniform(low, high, shape).astype(np.float32)


def example_batch():
    labels = RNG.integers(0, 5, (2, 4, 4))
    return Batch(
        mask=np.eye(5, dtype=np.float32)[labels],
        tissue=uniform(0, 1, 2, 4, 4, 3),
        images=uniform(-1, 1, 2, 4, 4, 3),
    )


def example_features(*names, scales=1):
    return {
        name: [
            [uniform(-1, 1, 2, 3, 3, 2), uniform(-2, 2, 2, 3, 3, 1)]
            for _ in range(scales)
        ]
        for name in names
    }


def example_streams(*names):
    """Domain 1 is an array and domain 2 a `Synthesis`."""
    return {
        name: uniform(0, 1, 2, 4, 4, 8)
        if name.endswith("1")
        else Synthesis(uniform(-1, 1, 2, 4, 4, 3))
        for name in names
    }


def distances(outputs, batch):
    """Mean absolute difference of each stream to its domain, in float64."""
    x = np.concatenate([batch.mask, batch.tissue], -1).astype(np.float64)
    y = batch.images.astype(np.float64)
    return {
        name: np.abs(x - value).mean()
        if name.endswith("1")
        else np.abs(y - value.images).mean()
        for name, value in outputs.items()
        if name.startswith(("recon", "cyc"))
    }


def wrong_by(features, goal):
    """Least-squares loss of the logits."""
    return sum(np.mean((np.float64(layers[-1]) - goal) ** 2) for layers in features)


def pixelwise_cross_entropy(mask, logits, weights):
    total = 0.0
    for place in np.ndindex(mask.shape[:-1]):
        label, row = mask[place].argmax(), np.float64(logits[place])
        total -= weights[label] * (row[label] - np.log(np.exp(row).sum()))
    return total / mask[..., 0].size


def test_pix2pix_is_a_conditional_gan_with_a_pixel_loss():
    batch, images = example_batch(), uniform(-1, 1, 2, 4, 4, 3)
    features = example_features("real", "fake")
    total, _ = method_of(
        load("configs/pix2pix.py", "paper"), sequences=3, size=(16, 16)
    ).gen_loss({"synthesis": Synthesis(images)}, features, batch, {})
    logits = np.float64(features["fake"][0][-1])
    expected = np.log1p(np.exp(-logits)).mean()
    expected += 100 * np.abs(np.float64(images) - batch.images).mean()
    assert total == pytest.approx(expected, rel=1e-5)


def test_pix2pixhd_is_least_squares_with_feature_matching():
    batch, images = example_batch(), uniform(-1, 1, 2, 4, 4, 3)
    features = example_features("real", "fake", scales=2)
    method = method_of(
        load("configs/pix2pixhd.py", "paper"), sequences=3, size=(32, 32)
    )
    total, _ = method.gen_loss({"synthesis": Synthesis(images)}, features, batch, {})
    matching = sum(
        np.abs(np.float64(a[0]) - b[0]).mean()
        for a, b in zip(features["real"], features["fake"], strict=True)
    )
    assert total == pytest.approx(
        wrong_by(features["fake"], 1) + 10 * matching, rel=1e-5
    )
    total, _ = method.disc_loss(features)
    assert total == pytest.approx(
        (wrong_by(features["real"], 1) + wrong_by(features["fake"], 0)) / 2, rel=1e-5
    )


NAMES = ("real_1", "fake_1", "real_2", "fake_2")


def test_cyclegan_weighs_realism_and_cycles():
    batch, features = example_batch(), example_features(*NAMES)
    outputs = example_streams("cyc_1", "cyc_2")
    expected = distances(outputs, batch) | {
        "gan_1": wrong_by(features["fake_1"], 1),
        "gan_2": wrong_by(features["fake_2"], 1),
    }
    weights = {name: float(i + 1) for i, name in enumerate(expected)}
    total, terms = cyclegan.generator_loss(
        outputs, features, batch, {}, weights=cyclegan.Weights(**weights), gan="lsgan"
    )
    assert terms == pytest.approx(expected, rel=1e-5)
    weighted = sum(weights[name] * value for name, value in expected.items())
    assert total == pytest.approx(weighted, rel=1e-5)


def test_synseg_adds_the_segmentation_of_synthesized_images():
    batch, features = example_batch(), example_features(*NAMES)
    outputs = example_streams("cyc_1", "cyc_2")
    outputs["logits"] = uniform(-2, 2, 2, 4, 4, 5)
    config = load("configs/synseg.py", "paper")
    options = {"sequences": 3, "size": (8, 8)}
    total, _ = method_of(config, **options).gen_loss(outputs, features, batch, {})
    config.method = "cyclegan"
    translation, _ = method_of(config, **options).gen_loss(outputs, features, batch, {})
    weights = config.segmentation.label_weights
    assert len(set(weights)) > 1
    labels = pixelwise_cross_entropy(batch.mask, outputs["logits"], weights)
    assert total == pytest.approx(float(translation) + labels, rel=1e-5)


def test_unit_weighs_its_streams_and_codes():
    batch, features = example_batch(), example_features(*NAMES)
    outputs = example_streams("recon_1", "recon_2", "cyc_1", "cyc_2")
    codes = [uniform(-2, 2, 2, 2, 2, 4) for _ in range(4)]
    expected = distances(outputs, batch) | {
        "gan_1": wrong_by(features["fake_1"], 1),
        "gan_2": wrong_by(features["fake_2"], 1),
        "kl": sum(np.mean(np.float64(code) ** 2) / 2 for code in codes),
    }
    weights = {name: float(i + 1) for i, name in enumerate(expected)}
    total, terms = unit.generator_loss(
        outputs | {"codes": codes},
        features,
        batch,
        {},
        weights=unit.Weights(**weights),
        gan="lsgan",
    )
    assert terms == pytest.approx(expected, rel=1e-5)
    weighted = sum(weights[name] * value for name, value in expected.items())
    assert total == pytest.approx(weighted, rel=1e-5)


def test_the_segmenter_learns_from_cross_entropy_and_dice():
    batch, logits = example_batch(), uniform(-2, 2, 2, 4, 4, 5)
    weights = (1.0, 2.0, 3.0, 4.0, 5.0)
    total, _ = segmentation.segmentation_loss(
        logits, None, batch, {}, cross_entropy=2.0, dice=3.0, label_weights=weights
    )
    powers = np.exp(np.float64(logits))
    p = powers / powers.sum(-1, keepdims=True)
    axes = (0, 1, 2)
    overlap = (p * batch.mask).sum(axes)
    dice = np.mean(1 - 2 * overlap / (p.sum(axes) + batch.mask.sum(axes)))
    expected = 2 * pixelwise_cross_entropy(batch.mask, logits, weights) + 3 * dice
    assert total == pytest.approx(expected, rel=1e-5)


# --- Who learns from which, and one step ---------------------------------------------

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
}
"""Method -> term -> the networks of the minimising side that it trains.

The sides of the methods that are left out are among these, but UCG-SAMR's, which has
tests of its own.
"""

STEPPED = [name for name in METHODS if name not in ("cg_samr", "ucg_samr")]


def tiny_method(name):
    config = shrink(default())
    config.method = name
    config.model.downsamplings = 1
    config.model.unet_depth = 1
    config.unpaired.image_pool = 3
    return method_of(config, sequences=1, size=(16, 16))


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
        terms = method.gen_loss(outputs, features, batch, state.carry)[1]
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
    if "pools" in state.carry:
        seen = [int(pool["seen"]) for pool in new.carry["pools"].values()]
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


@pytest.mark.parametrize(
    "name, message",
    [
        ("shin", "Shin et al. synthesizes from labels, tissue; there is no tissue"),
        ("segmentation", "U-Net does not synthesize"),
    ],
)
def test_what_a_method_cannot_synthesize_from(name, message):
    model = Model(tiny_method(name), {}, None, 0, {})
    stored = random_batch(("labels", "atlas"), 1, 16, 1)
    with pytest.raises(InputError, match=message):
        model.synthesize(stored)


# --- Ablations (Table V) -------------------------------------------------------------

PARTS = ("stretch_out", "labelwise", "atlas", "shape_consistency", "confidence")


def parts_of(method):
    """``{side/path: shape}`` of all parameters, and the loss terms that are logged."""
    batch = decode(random_batch(method.fields, 1, 16, 2))
    outputs, features, gen, disc = shapes_of(method, batch)
    _, terms = jax.eval_shape(
        lambda o, f: method.gen_loss(o, f, batch, method.init_carry()),
        outputs,
        features,
    )
    flat = flatten_dict({"gen": gen["params"], "disc": disc["params"]}, sep="/")
    return {path: leaf.shape for path, leaf in flat.items()}, set(terms)


@functools.cache
def ablated(part=None, method="cg_samr"):
    config = shrink(default())
    config.method = method
    if part:
        config.ablation[part] = False
    return method_of(config, sequences=2, size=(16, 16))


DECODER = "gen/generator/decoder/"
CHANGES = {
    "stretch_out": (DECODER + "branch_", DECODER + "heads_"),
    "labelwise": ("disc/",),
    "atlas": (
        "gen/generator/atlas_encoder/",
        "gen/generator/mask_encoder/",
        "disc/discriminator/",
    ),
    "shape_consistency": ("gen/segmenter/",),
    "confidence": (DECODER + "heads_", DECODER + "branch_"),
}
"""Ablation -> the parameters that it adds, removes or changes in shape."""

TERMS = {
    "shape_consistency": {"dice_of_real", "dice_of_fake"},
    "confidence": {"confidence", "mean_confidence", "lambda_cm"},
}
"""Ablation -> the loss terms that it removes."""


@pytest.mark.parametrize("part", PARTS)
def test_an_ablation_changes_exactly_its_part(part):
    (full, all_terms), (left, terms) = map(parts_of, (ablated(), ablated(part)))
    changed = {
        path for path in full.keys() | left.keys() if full.get(path) != left.get(path)
    }
    assert changed and all(path.startswith(CHANGES[part]) for path in changed)
    for prefix in CHANGES[part]:
        assert any(path.startswith(prefix) for path in changed), prefix
    if part == "atlas":
        # The discriminators lose its channels and nothing else.
        own = {path for path in changed if path.startswith("disc")}
        assert all(path.endswith("layer_0/conv/kernel") for path in own)
    if part == "confidence":
        # The last up-convolution no longer receives the trusted intermediate image.
        own = {path for path in changed if "branch_" in path}
        assert {path.split("branch_")[1][1:] for path in own} == {"/up_1/conv/kernel"}
    assert all_terms - terms == TERMS.get(part, set()) and terms <= all_terms
    assert ablated(part).prior == ("none" if part == "atlas" else "atlas")


@pytest.mark.parametrize("part", TERMS)
def test_a_loss_without_a_term_is_the_sum_of_the_others(part):
    batch, features = example_batch(), example_features("real", "fake", scales=6)
    p = [np.full((2, 4, 4, 5), 0.2, np.float32), uniform(0, 1, 2, 4, 4, 5)]
    half = uniform(0.1, 0.9, 2, 2, 2, 3)
    outputs = {
        "synthesis": Synthesis(uniform(-1, 1, 2, 4, 4, 3), half, half),
        "labels_of_real": p[0],
        "labels_of_fake": p[1],
    }
    carry = {"lambda_cm": 0.1}
    full, terms = ablated().gen_loss(outputs, features, batch, carry)
    if part == "confidence":
        outputs["synthesis"] = Synthesis(outputs["synthesis"].images)
        missing = default().loss.confidence * terms["confidence"]
    else:
        del outputs["labels_of_real"], outputs["labels_of_fake"]
        missing = terms["dice_of_real"] + terms["dice_of_fake"]
    left, _ = ablated(part).gen_loss(outputs, features, batch, carry)
    assert left == pytest.approx(float(full - missing), rel=1e-5)
    if part == "confidence":
        # Without a confidence map the losses are SAMR's, which has none.
        samr = ablated(method="samr")
        assert samr.gen_loss(outputs, features, batch, carry)[0] == left
        assert samr.disc_loss(features)[0] == ablated(part).disc_loss(features)[0]
        assert parts_of(samr)[1] == parts_of(ablated(part))[1]


def test_samr_differs_from_the_ablation_by_a_block_in_each_branch():
    samr, _ = parts_of(ablated(method="samr"))
    without, _ = parts_of(ablated("confidence"))
    added = samr.keys() - without.keys()
    assert without.items() <= samr.items()
    assert {path.split("/conv")[0].split("/norm")[0] for path in added} == {
        f"{DECODER}branch_{i}/trunk/block_0{part}"
        for i in range(2)
        for part in ("", "/first")
    }


# --- The real loop -------------------------------------------------------------------


def test_a_segmenters_run_is_validated_by_its_dice(dataset, tmp_path):
    config = tiny_config(dataset)
    config.method = "segmentation"
    config.steps = 2
    train_and_evaluate(config, tmp_path / "run")
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    (entry,) = [line for line in map(json.loads, log) if "val/score" in line]
    dice = [value for name, value in entry.items() if name.startswith("val/dice_")]
    assert 0 < len(dice) <= 3
    assert entry["val/score"] == pytest.approx(np.mean(dice))
    assert list((tmp_path / "run" / "figures").glob("step-*.png"))
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["anatomy_prior"] == "none"
