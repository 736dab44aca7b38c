"""What a table says about how its numbers came about."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import jax

from samr_jax.config import flatten
from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.stored import METRICS
from samr_jax.runs.workdir import read_config
from samr_jax.runtime.records import (
    COUNT,
    TEXT,
    fields,
    or_null,
    read_record,
    value,
)

RECORD = "run.json"
"""File of a run: its seconds, device and commit."""

_TIME = value("a time in seconds", lambda x: type(x) in (int, float) and 0 <= x < 1e12)
_RECORD = fields(
    {"seconds": _TIME},
    optional={"device": TEXT, "jax": TEXT, "commit": or_null(TEXT)},
)


def dataset_record(dataset: Dataset) -> dict:
    """JSON-ready: the dataset that the rows were trained and tested on."""
    return {
        "hash": dataset.content_hash,
        "simulated": dataset.simulated,
        "sequences": list(dataset.sequences),
        "size": list(dataset.grid.size),
        "split": {name: list(names) for name, names in dataset.splits.items()},
        "provenance": dict(dataset.provenance),
    }


def device_and_commit() -> dict[str, str | None]:
    """The devices, the version of JAX, and the commit of this code if it is known."""
    devices = jax.devices()
    here = Path(__file__).parent
    try:
        git = ["git", "-C", str(here), "rev-parse", "HEAD"]
        done = subprocess.run(git, capture_output=True, text=True, check=True)
        commit = done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    return {
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "jax": jax.__version__,
        "commit": commit,
    }


def provenance_of(run: Path) -> dict:
    """JSON-ready: the config, the budget, the device and the commit of a run.

    Args:
      run: the work directory of a finished run.

    Raises:
      InputError: one of its files is damaged.
    """
    config, steps = flatten(read_config(run)), steps_of(run)
    return {
        **_record(run),
        "workdir": str(run),
        "seed": config["seed"],
        "steps": steps,
        "batch_size": config["batch_size"],
        "images_seen": steps * config["batch_size"],
        "config": config,
    }


def steps_of(run: Path) -> int:
    """The steps after which a finished run was evaluated.

    Raises:
      InputError: its evaluation is damaged.
    """
    return read_record(run / METRICS, fields({"step": COUNT}))["step"]


def seconds_of(run: Path) -> float:
    """The seconds that a run has taken so far; 0 if it has no record of them.

    Raises:
      InputError: the record is damaged.
    """
    return float(_record(run).get("seconds", 0.0))


def _record(run: Path) -> dict:
    """The record of a run; empty if it has none."""
    path = run / RECORD
    return read_record(path, _RECORD) if path.exists() else {}


def how_it_was_made(content: Mapping) -> str:
    """A page about a table's data, seeds, budget, device and code.

    Args:
      content: of ``table<N>.json``.
    """
    dataset, seeds = content["dataset"], ", ".join(map(str, content["seeds"]))
    size = " x ".join(map(str, dataset["size"]))
    counts = {name: len(names) for name, names in dataset["split"].items()}
    patients = ", ".join(f"{count} {name}" for name, count in counts.items())
    if folds := content.get("folds"):
        patients = f"{sum(counts.values())} patients in {folds} folds, each tested once"
        if trained := content.get("train_patients"):
            patients += f", {trained} training patients a fold"
    else:
        patients += " patients"
    if lesions := content.get("lesions"):
        patients += f"; lesions of synthesized data from mask files ({len(lesions)})"
        if content.get("lesions_space") == "mni":
            patients += ", carried from MNI space"
    lines = [
        "# How it was made",
        "",
        f"- Data: {size}, {patients}, hash {dataset['hash'][:12]}.",
        f"- Seeds: {seeds}; numbers are means over seeds, ± is their standard "
        "deviation, intervals are over patients.",
    ]
    for name, runs in content["runs"].items():
        first = runs[0]
        seconds = sum(run.get("seconds", 0) for run in runs) / len(runs)
        lines.append(
            f"- {name}: {first['steps']} steps of {first['batch_size']} "
            f"({first['images_seen']} images), {seconds:.0f} s a run on "
            f"{first.get('device', 'an unknown device')}, commit "
            f"{(first.get('commit') or 'unknown')[:12]}."
        )
    return "\n".join(lines) + "\n"
