"""The compared methods: their configs, priors and refusals; a run of the segmenter."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from samr_jax.benchmark.measure import random_batch
from samr_jax.config import check_size, method_of, set_field, validate
from samr_jax.methods.base import Context
from samr_jax.methods.batch import decode
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError
from samr_jax.training.loop import train_and_evaluate
from tests.methods.method_cases import load, shapes_of, tiny_method
from tests.tiny import tiny_config

CONFIGS = sorted(Path("configs").glob("*.py"))


@pytest.mark.parametrize("variant", ["paper", "demo"])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds_its_networks(path, variant):
    config = load(path, variant)
    validate(config)
    size = (config.data.size,) * 2
    method = method_of(config, Context(5, size))
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
        (("pix2pix", "pix2pixhd", "shin", "samr", "segmentation", "anatomy"), "paired"),
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
    assert method_of(config, Context(1, size)).downsamplings == depth


def test_sizes_that_a_method_cannot_halve():
    config = load("configs/pix2pix.py", "demo")
    method = method_of(config, Context(1, (30, 30)))
    with pytest.raises(InputError, match="multiple of 4, for networks that halve them"):
        check_size((30, 30), method.downsamplings, source="data")
    config = load("configs/pix2pixhd.py", "paper")
    assert method_of(config, Context(1, (64, 64))).downsamplings == 5


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("ablation.atlas", False, r"no field ablation\.atlas, expected.*'pix2pix'"),
        (
            "model.norm",
            "batch",
            r"no field model\.norm.*model\.ndf, model\.ngf",
        ),
        ("segmenter_lr_scale", 2.0, "no field segmenter_lr_scale.*disc_lr_scale"),
        ("loss.l1", "much", "config.loss.l1"),
    ],
)
def test_overrides_without_effect_are_refused(field, value, message):
    config = load("configs/pix2pix.py", "demo")
    with pytest.raises(InputError, match=message):
        set_field(config, field, value)


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("loss.l1_label_weights", (1.0,), "l1_label_weights has 1 numbers, expected 5"),
        ("loss.gan", "wgan", "loss.gan is 'wgan', expected one of"),
        ("loss.l1", -1.0, "loss.l1 is -1.0, expected 0 or more"),
        ("model.ngf", 0, "model.ngf is 0, expected a positive number"),
        ("batch_size", 0, "batch_size is 0, expected a positive number"),
        ("constant_epochs", 999, "constant_epochs is 999, expected 0 to"),
    ],
)
def test_values_that_a_field_cannot_have(field, value, message):
    config = load("configs/pix2pix.py", "demo")
    set_field(config, field, value)
    with pytest.raises(InputError, match=message):
        validate(config)


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


def test_a_segmenters_run_is_validated_by_its_dice(dataset, tmp_path):
    config = tiny_config(dataset, "segmentation")
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
