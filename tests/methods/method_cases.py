"""The compared methods as tests build them: from a config, tiny, or without a part."""

import functools
import importlib.util

import jax
from flax.traverse_util import flatten_dict

from samr_jax.benchmark.measure import random_batch
from samr_jax.config import default, method_of
from samr_jax.methods.base import Context
from samr_jax.methods.batch import decode
from tests.tiny import shrink


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
        shown = method.with_pool(outputs, method.init_method_state(), axis_name=None)
        features, disc = method.disc.init_with_output(rngs, batch, shown, train=True)
        return outputs, features, gen, disc

    return jax.eval_shape(run)


def tiny_method(name):
    config = shrink(default(name))
    for section, field, value in (
        ("model", "downsamplings", 1),
        ("model", "blocks", 1),
        ("model", "unet_depth", 1),
        ("loss", "image_pool", 3),
    ):
        if field in config[section]:
            config[section][field] = value
    return method_of(config, Context(sequences=1, size=(16, 16)))


@functools.cache
def ablated(part=None, method="cg_samr"):
    config = shrink(default(method))
    if part:
        config.ablation[part] = False
    return method_of(config, Context(sequences=2, size=(16, 16)))


def parts_of(method):
    """``{side/path: shape}`` of all parameters, and the loss terms that are logged."""
    batch = decode(random_batch(method.fields, 1, 16, 2))
    outputs, features, gen, disc = shapes_of(method, batch)
    _, terms = jax.eval_shape(
        lambda o, f: method.gen_loss(o, f, batch, method.init_method_state()),
        outputs,
        features,
    )
    flat = flatten_dict({"gen": gen["params"], "disc": disc["params"]}, sep="/")
    return {path: leaf.shape for path, leaf in flat.items()}, set(terms)


TERMS = {
    "shape_consistency": {
        f"{term}_of_{side}"
        for term in ("dice", "cross_entropy")
        for side in ("real", "fake")
    },
    "confidence": {"confidence", "mean_confidence", "lambda_cm"},
}
"""Ablation -> the loss terms that it removes."""
