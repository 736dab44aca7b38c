"""The weights of a generator as one small file of numbers and text, without code.

The format is safetensors: kernels in half precision, statistics in single precision,
and the provenance of the weights in the header.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np
import safetensors
import safetensors.numpy

from samr_jax.config import flatten, unflatten
from samr_jax.data.dataset import Dataset
from samr_jax.runs.model import Model, build_method
from samr_jax.runs.older import METHOD_STATE, upgraded, upgraded_state
from samr_jax.runs.provenance import provenance
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import replacing

FORMAT, OLDER_FORMAT = "samr_jax weights 2", "samr_jax weights 1"

DIGEST = "sha256"
"""Field of the header with a hash of all tensors, which the older format has not."""


def write_weights(path: Path, model: Model, scores: Mapping[str, Any]) -> None:
    """Writes the file that `read_weights` reads.

    Args:
      path: the new file.
      model: a trained model that synthesizes.
      scores: JSON-ready scores, kept in the header.

    Raises:
      InputError: a weight is too large for half precision, or not finite.
    """
    tensors = {}
    for name, value in _flat(model).items():
        kind = np.float16 if name.startswith("params/") else np.float32
        with np.errstate(over="ignore"):
            tensors[name] = np.asarray(value).astype(kind)
        if not np.isfinite(tensors[name]).all():
            raise InputError(f"{name}: not finite in half precision, expected numbers")
    header = {
        "provenance": provenance(model),
        METHOD_STATE: {
            name: float(value) for name, value in model.method_state.items()
        },
        "scores": scores,
        "simulated": model.dataset.simulated,
        DIGEST: _digest(tensors),
    }
    texts = {name: json.dumps(value) for name, value in header.items()}
    with replacing(path) as partial:
        # safetensors' own save_file makes a file that only its owner can read.
        data = safetensors.numpy.save(tensors, {"format": FORMAT, **texts})
        partial.write_bytes(data)


def read_weights(path: Path, dataset: Dataset) -> Model:
    """Reads a model.

    Args:
      path: a file of `write_weights`.
      dataset: description of the training data, which comes with the file.

    Raises:
      InputError: the file is not one of ours, is damaged, or of other data.
    """
    header = read_header(path)
    try:
        with safetensors.safe_open(path, framework="np") as file:
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["format"] == FORMAT and header[DIGEST] != _digest(flat):
            raise InputError(
                "damaged (other weights than were written), expected a new copy"
            )
        origin = header["provenance"]
        if origin["dataset_hash"] != dataset.content_hash:
            raise InputError(
                f"trained on data {origin['dataset_hash']:.12}, expected "
                f"{dataset.content_hash:.12} as in {dataset.directory}"
            )
        config = unflatten(upgraded(origin["config"]))
        tree = flax.traverse_util.unflatten_dict(
            {name: value.astype(np.float32) for name, value in flat.items()}, sep="/"
        )
        return Model(
            method=build_method(config, dataset),
            variables={"batch_stats": {}, **tree},
            dataset=dataset,
            step=int(origin["step"]),
            method_state={
                name: np.float32(value) for name, value in header[METHOD_STATE].items()
            },
            config=flatten(config),
            start=origin.get("start", {}),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path}: damaged ({error!r:.200})") from error


def read_header(path: Path) -> dict[str, Any]:
    """The header of a file: ``format``, ``provenance``, ``method_state``, ``scores``.

    Raises:
      InputError: the file is not one of ours, or is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            texts = file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not readable as safetensors ({error})") from error
    found = texts.pop("format", None)
    if found not in (FORMAT, OLDER_FORMAT):
        raise InputError(f"{path}: no {FORMAT!r} in its header")
    try:
        header = {name: json.loads(text) for name, text in texts.items()}
        return upgraded_state(header | {"format": found})
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged header ({error})") from error


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the tensors as they are stored: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _flat(model: Model) -> dict[str, Any]:
    """Leaves of the networks that synthesize, by names such as ``params/a/kernel``."""
    kept = {
        collection: {
            name: tree[name] for name in model.method.generator if name in tree
        }
        for collection, tree in model.variables.items()
    }
    return flax.traverse_util.flatten_dict(kept, sep="/")
