"""Speed of a training step and a synthesis call, beside what the machine could do.

Times are medians of calls on random data, without the calls before the clock starts.
Their keys are those of a PyTorch implementation that is timed in the same way.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from jax.experimental.compilation_cache import compilation_cache

from samr_jax.benchmark.machine import (
    clocks,
    machine_rates,
    median_seconds,
    medians,
    peak_gib,
    since,
)
from samr_jax.config import method_of
from samr_jax.data.batches.paired import Batches
from samr_jax.data.embedded import embedded_dataset
from samr_jax.data.window import STORED_SCALE
from samr_jax.evaluation.scoring import predictions
from samr_jax.labels import ATLAS_NEIGHBOURS, LABELS, TISSUES
from samr_jax.methods.base import Context, Method
from samr_jax.methods.batch import decode
from samr_jax.runs.model import Model
from samr_jax.runtime import parallel
from samr_jax.training.state import create_state, make_optimizer
from samr_jax.training.step import make_train_step

DATA_SUBJECTS = 5
"""Phantoms whose slices are read and synthesized to time the reading of data."""

READ_BATCHES = 32

TRAIN_WARM_UP = 4
"""Steps before those that are timed: by then, memory that one frees serves the next."""


def benchmark(
    config: ml_collections.ConfigDict,
    *,
    size: int,
    steps: int,
    synthesis: bool = True,
    train: bool = True,
    data: bool = False,
) -> dict:
    """Times a method at a size.

    Args:
      config: method, networks, batch size and dtype.
      size: rows and columns of a slice.
      steps: timed calls of each.
      synthesis: whether to time synthesis.
      train: whether to time the full training step.
      data: whether to time reading, too, and the synthesis of a whole split.

    Returns:
      JSON-ready: settings, device, ``params`` of G, D and U, ``synthesis_s``,
      ``train_step_s``, the CPU seconds of both, seconds of compiling with a cold and
      with a warm cache, ``peak_gib``, XLA's count of FLOPs and bytes, the machine's
      measured matrix rate and copy bandwidth, and the rates of `_time_data`.
    """
    method, batch, state, optimizer = prepared(config, size, axis_name=parallel.AXIS)
    result = _settings(config, size, method, state) | {
        "machine": machine_rates(config.dtype)
    }
    if synthesis:
        result |= _time_synthesis(method, state, batch, steps)
    if train:
        step = parallel.parallel_step(
            make_train_step(
                method, optimizer=optimizer, seed=0, axis_name=parallel.AXIS
            )
        )
        result |= _time_training(step, state, batch, steps)
    result["peak_gib"] = peak_gib()
    if data:
        result |= _time_data(config, method, state, size)
    return result


def count_work(config: ml_collections.ConfigDict, *, size: int) -> dict:
    """XLA's count of the work in a training step and in a synthesis call.

    The programs for GPUs and TPUs are counted before XLA changes them: convolutions
    count as they are written, whatever form a CPU computes them in. Nothing is compiled
    or timed, so that a count takes about a minute at any size.

    Returns:
      JSON-ready: settings, ``train_gflop`` and ``synthesis_gflop``.
    """
    method, batch, state, optimizer = prepared(config, size, axis_name=None)
    step = make_train_step(method, optimizer=optimizer, seed=0)
    programs = {
        "train_gflop": jax.jit(step).trace(state, batch),
        "synthesis_gflop": synthesis_of(method).trace(state.gen.variables, batch),
    }
    counts = {
        name: _counted(it.lower(lowering_platforms=("cuda",)))["flops"] / 1e9
        for name, it in programs.items()
    }
    return _settings(config, size, method, state) | counts


def prepared(
    config: ml_collections.ConfigDict, size: int, *, axis_name: str | None
) -> tuple[Method, dict, Any, optax.GradientTransformation]:
    """A method with random data and weights, and the optimizer of a training.

    The optimizer's schedule has one step an epoch, which does not matter for its time.
    """
    sequences = len(config.data.sequences)
    context = Context(
        sequences, (size, size), dtype=jnp.dtype(config.dtype), axis_name=axis_name
    )
    method = method_of(config, context)
    batch = random_batch(method.fields, config.batch_size, size, sequences)
    optimizer = make_optimizer(config, steps=config.epochs)
    state = create_state(
        method,
        jax.random.key(0),
        decode({name: array[:1] for name, array in batch.items()}),
        optimizer=optimizer,
    )
    return method, batch, state, optimizer


def _settings(
    config: ml_collections.ConfigDict, size: int, method: Method, state: Any
) -> dict:
    return {
        "peer": "samr_jax",
        "version": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "method": method.name,
        "size": size,
        "batch": config.batch_size,
        "sequences": len(config.data.sequences),
        "ngf": config.model.ngf,
        "dtype": config.dtype,
        "params": count_parameters(state),
    }


def random_batch(
    fields: tuple[str, ...], batch_size: int, size: int, sequences: int
) -> dict[str, np.ndarray]:
    """A batch of random numbers, as a dataset stores its instances."""
    rng = np.random.default_rng(0)
    channels = {"images": sequences, "atlas": ATLAS_NEIGHBOURS * sequences}

    def field(name: str) -> np.ndarray:
        shape = (batch_size, size, size)
        if name == "labels":
            return rng.integers(0, len(LABELS), shape, dtype=np.uint8)
        if name == "tissue":
            return rng.integers(0, 255, (*shape, len(TISSUES)), dtype=np.uint8)
        limits = -STORED_SCALE, STORED_SCALE
        return rng.integers(*limits, (*shape, channels[name]), dtype=np.int16)

    return {name: field(name) for name in fields}


def count_parameters(state: Any) -> dict[str, int]:
    """The number of parameters of G (or of all translators), U and D."""

    def count(tree: Any) -> int:
        return sum(leaf.size for leaf in jax.tree.leaves(tree))

    networks = dict(state.gen.params)
    counts = {"U": count(networks.pop("segmenter", {}))}
    counts["G"] = count(networks)
    counts["D"] = count(state.disc.params) if state.disc is not None else 0
    return counts


def synthesis_of(method: Method) -> Any:
    """A function of variables and a stored batch that synthesizes its images."""

    @jax.jit
    def synthesize(variables, stored):
        synthesis: Any = method.gen.apply(
            variables,
            decode(stored),
            method="synthesize",
            rngs={"dropout": jax.random.key(0)},
        )
        return synthesis.images

    return synthesize


def _time_synthesis(method: Method, state: Any, batch: dict, steps: int) -> dict:
    synthesize = synthesis_of(method)
    arguments = jax.device_put((state.gen.variables, batch))
    compiled, times = _compile(lambda: synthesize.lower(*arguments).compile())
    seconds, cpu_seconds = median_seconds(compiled, arguments, steps)
    return {
        "synthesis_s": seconds,
        "synthesis_cpu_s": cpu_seconds,
        "synthesis_compile_s": times,
        "synthesis_cost": _cost(compiled, seconds),
    }


def _time_training(step: Callable, state: Any, batch: dict, steps: int) -> dict:
    state = parallel.replicate(state)
    shards = parallel.shard(batch)
    (compiled, gib), compile_times = _compile(
        lambda: parallel.compile_step(step, state, shards)
    )
    times = []
    for _ in range(steps + TRAIN_WARM_UP):
        begin = clocks()
        state, metrics = compiled(state, shards)
        jax.block_until_ready((state, metrics))
        times.append(since(begin))
    seconds, cpu_seconds = medians(times[TRAIN_WARM_UP:])
    return {
        "train_step_s": seconds,
        "train_step_cpu_s": cpu_seconds,
        "train_step_gib": gib,
        "train_compile_s": compile_times,
        "train_cost": _cost(compiled, seconds),
    }


def _time_data(
    config: ml_collections.ConfigDict, method: Method, state: Any, size: int
) -> dict:
    """Batches that the loader reads in a second, and slices that a model reads from
    files and synthesizes in a second."""
    dataset = embedded_dataset(
        size=size,
        subjects=DATA_SUBJECTS,
        slices=config.data.slices,
        sequences=config.data.sequences,
        seed=0,
    )
    slices = dataset.split("train")
    batches = Batches(
        slices, batch_size=config.batch_size, seed=0, fields=method.fields
    ).iterate(0, READ_BATCHES + 1)
    next(batches)
    begin = time.perf_counter()
    read = sum(1 for _ in batches)
    rates = {"loader_batches_per_s": read / (time.perf_counter() - begin)}
    if method.can_synthesize:
        model = Model(method, state.gen.variables, dataset, 0, state.method_state)
        for _ in range(2):  # compiles, then is timed
            begin = time.perf_counter()
            done = predictions(model, slices, batch_size=config.batch_size)
            count = sum(len(instances) for instances, _ in done)
        rates["synthesis_slices_per_s"] = count / (time.perf_counter() - begin)
    return rates


def _compile(call: Callable) -> tuple[Any, dict[str, float]]:
    """Compiles twice: with an empty compilation cache and with a filled one.

    Returns:
      The program, and the seconds of both.
    """
    times = {}
    before = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as directory:
        jax.config.update("jax_compilation_cache_dir", directory)
        for state in ("cold", "warm"):
            compilation_cache.reset_cache()
            jax.clear_caches()
            begin = time.perf_counter()
            compiled = call()
            times[state] = time.perf_counter() - begin
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()
    return compiled, times


def _cost(compiled: Any, seconds: float) -> dict[str, float]:
    """XLA's count of a program's work, and its rates if a call takes `seconds`."""
    counted = _counted(compiled)
    flops, moved = counted["flops"], counted["bytes accessed"]
    return {
        "gflop": flops / 1e9,
        "gb": moved / 1e9,
        "gflop_per_s": flops / seconds / 1e9,
        "gb_per_s": moved / seconds / 1e9,
    }


def _counted(program: Any) -> dict[str, float]:
    counted = program.cost_analysis() or {}
    if isinstance(counted, list):
        counted = counted[0]
    return {"flops": 0.0, "bytes accessed": 0.0} | counted
