"""A trained method, ready to use."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from samr_jax.config import flatten, method_of
from samr_jax.data.dataset import Dataset, open_dataset
from samr_jax.methods.base import Context, Method
from samr_jax.methods.batch import decode
from samr_jax.models.generator import Synthesis
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runs.older import METHOD_STATE
from samr_jax.runs.workdir import read_config
from samr_jax.runtime import parallel
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.records import anything, each, read_record

DATASET_COPY = "dataset"
"""Folder of a work directory with the dataset's description and atlas."""


START = "start.json"
"""File of a work directory: which run's weights the training started with."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A method with its weights.

    Attributes:
      method: networks.
      variables: parameters and running statistics of the generator side.
      dataset: sequences, grid, windows and atlas of the training data.
      step: optimizer steps of the training.
      method_state: the method's own training state, such as λ_cm.
      config: leaves of the run's config by their dotted names.
      start: JSON-ready record of the run whose weights the training started with; empty
        for random weights.
    """

    method: Method
    variables: Any
    dataset: Dataset
    step: int
    method_state: Any
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    start: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def synthesize(self, stored: Mapping[str, np.ndarray]) -> Synthesis:
        """Runs the generator on a batch of one fixed size, compiled once.

        Several devices of this process divide the batch among them.

        Args:
          stored: a batch as `samr_jax.methods.batch.decode` takes it.

        Returns:
          numpy arrays; see `Synthesis`.

        Raises:
          InputError: the method does not synthesize, or not from these fields.
        """
        name, needed = self.method.name, set(self.method.fields) - {"images"}
        if not self.method.can_synthesize:
            raise InputError(f"{name} does not synthesize, expected another run")
        if missing := sorted(needed - stored.keys()):
            raise InputError(
                f"{name} synthesizes from {', '.join(sorted(needed))}; there is no "
                f"{missing[0]} here, expected a run of a method that needs none"
            )
        return self._run("synthesize", stored)

    def segment(self, stored: Mapping[str, np.ndarray]) -> np.ndarray:
        """Label probabilities ``(N, H, W, 5)`` of a batch's images."""
        return self._run("segment", stored)

    def _run(self, function: str, stored: Mapping[str, np.ndarray]) -> Any:
        run = _compiled(self.method, function)
        batch = parallel.over_local_devices(stored)
        try:
            return jax.device_get(run(self.variables, batch))
        except flax.errors.FlaxError as error:
            raise InputError(
                f"{self.method.name}: the weights do not fit the networks ({error}), "
                "expected a run whose files are whole"
            ) from error


def build_method(
    config: ml_collections.ConfigDict,
    dataset: Dataset,
    *,
    epoch_steps: int = 1,
    axis_name: str | None = None,
) -> Method:
    """The method that a config describes, for a dataset.

    Raises:
      InputError: the method needs a tissue prior that the dataset has not.
    """
    context = Context(
        sequences=len(dataset.sequences),
        size=dataset.grid.size,
        epoch_steps=epoch_steps,
        dtype=jnp.dtype(config.dtype),
        axis_name=axis_name,
    )
    method = method_of(config, context)
    if "tissue" in method.fields and not dataset.has_tissue:
        raise InputError(
            f"{dataset.directory}: no tissue maps, expected the WM, GM and CSF "
            f"probabilities that {method.name} needs"
        )
    return method


def load_model(run: Path | str, *, which: str = "latest") -> Model:
    """Loads a trained run.

    Args:
      run: its work directory.
      which: ``latest`` or ``best`` checkpoint.

    Raises:
      InputError: the directory holds no usable run.
    """
    run = Path(run)
    config = read_config(run)
    dataset = open_dataset(run / DATASET_COPY)
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    step = checkpoints.best() if which == "best" else None
    state, _ = checkpoints.read(step)
    checkpoints.close()
    gen = state["gen"]
    params = gen["params"] if gen.get("ema") is None else gen["ema"]
    return Model(
        method=build_method(config, dataset),
        variables={"params": params, "batch_stats": gen["stats"] or {}},
        dataset=dataset,
        step=int(state["step"]),
        method_state=state[METHOD_STATE] or {},
        config=flatten(config),
        start=read_start(run),
    )


def read_start(run: Path) -> dict[str, Any]:
    """The record of the weights that a run started with; empty for random weights."""
    path = run / START
    return read_record(path, each(anything)) if path.exists() else {}


@functools.lru_cache(maxsize=8)
def _compiled(method: Method, function: str) -> Callable:
    """The jitted function, one for all weights of a method."""

    @jax.jit
    def run(variables, stored):
        return method.gen.apply(
            variables,
            decode(stored),
            method=function,
            rngs={"dropout": jax.random.key(0)},
        )

    return run
