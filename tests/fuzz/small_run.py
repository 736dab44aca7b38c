"""A run that looks finished, without its training."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from samr_jax.config import flatten
from samr_jax.data.dataset import Dataset
from samr_jax.methods.batch import decode
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runs.model import DATASET_COPY, Model, build_method
from samr_jax.runs.workdir import claim, keep_description
from samr_jax.runtime.files import write_json
from samr_jax.training.data import training_batches
from samr_jax.training.state import TrainState, create_state, make_optimizer
from tests.tiny import tiny_config

METHOD = "pix2pix"
"""Its networks are drawn fastest."""


def small_run(workdir: Path, dataset: Dataset) -> None:
    """Writes a work directory whose weights are random numbers."""
    config, state = _config_and_state(dataset)
    claim(workdir, config, {"dataset_hash": dataset.content_hash})
    keep_description(dataset, workdir / DATASET_COPY)
    checkpoints = Checkpoints(workdir / "checkpoints")
    checkpoints.save(4, state.replace(step=np.int32(4)), meta={}, score=0.5)
    checkpoints.close()
    write_json(workdir / "metrics.json", {"step": 4, "method": METHOD})
    write_json(workdir / "run.json", {"seconds": 3.5, "device": "1 x cpu"})


def small_model(dataset: Dataset) -> Model:
    """A model whose weights are random numbers."""
    config, state = _config_and_state(dataset)
    return Model(
        method=build_method(config, dataset),
        variables=state.gen.variables,
        dataset=dataset,
        step=4,
        method_state=state.method_state,
        config=flatten(config),
    )


def _config_and_state(dataset: Dataset) -> tuple[object, TrainState]:
    config = tiny_config(dataset, METHOD)
    method = build_method(config, dataset)
    example = training_batches(config, dataset, method)[0]
    state = create_state(
        method,
        jax.random.key(0),
        decode({name: array[:1] for name, array in example.items()}),
        optimizer=make_optimizer(config, steps=4),
    )
    return config, state
