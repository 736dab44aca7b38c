"""The compared methods as tests build them: from a config, tiny, or without a part."""

import functools
import importlib.util

import jax
from flax.traverse_util import flatten_dict

from samr_jax.benchmark.measure import random_batch
from samr_jax.config import default
from samr_jax.methods.batch import decode
from samr_jax.runs.model import method_of
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
        shown = method.show(outputs, method.init_carry(), axis_name=None)
        features, disc = method.disc.init_with_output(rngs, batch, shown, train=True)
        return outputs, features, gen, disc

    return jax.eval_shape(run)


def tiny_method(name):
    config = shrink(default())
    config.method = name
    config.model.downsamplings = 1
    config.model.unet_depth = 1
    config.unpaired.image_pool = 3
    return method_of(config, sequences=1, size=(16, 16))


@functools.cache
def ablated(part=None, method="cg_samr"):
    config = shrink(default())
    config.method = method
    if part:
        config.ablation[part] = False
    return method_of(config, sequences=2, size=(16, 16))


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


TERMS = {
    "shape_consistency": {
        f"{term}_of_{side}"
        for term in ("dice", "cross_entropy")
        for side in ("real", "fake")
    },
    "confidence": {"confidence", "mean_confidence", "lambda_cm"},
}
"""Ablation -> the loss terms that it removes."""
