"""Provenance: what is needed to make a result again on the same machine."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata

import flax.traverse_util
import jax
import numpy as np

from samr_jax import __version__
from samr_jax.config import CONTROL_FIELDS
from samr_jax.runs.model import Model

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def provenance(model: Model) -> dict:
    """The provenance of a model as JSON; names no file and no patient.

    Returns:
      The versions, the kind and number of devices, the seed, the fields of the config
      that bear on the weights, the hash of the training data, and the step. For a
      training that started with another run's weights, also that run's provenance.
    """
    origin = {"start": model.start} if model.start else {}
    return {
        "versions": {
            "python": platform.python_version(),
            "samr_jax": __version__,
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "seed": model.config.get("seed"),
        "config": {
            field: value
            for field, value in model.config.items()
            if field not in (*CONTROL_FIELDS, "start_from")
        },
        "dataset_hash": model.dataset.content_hash,
        "step": model.step,
        **origin,
    }


def weights_hash(model: Model) -> str:
    """SHA-256 of all weights: of their names, types, shapes and values."""
    digest = hashlib.sha256()
    leaves = flax.traverse_util.flatten_dict(model.variables, sep="/")
    for name, value in sorted(leaves.items()):
        array = np.ascontiguousarray(value)
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
