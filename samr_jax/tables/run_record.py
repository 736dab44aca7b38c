"""What a table says of how its numbers came about."""

from __future__ import annotations

from collections.abc import Mapping

from samr_jax.data.dataset import Dataset


def describe(dataset: Dataset) -> dict:
    """JSON-ready: what the rows were trained and tested on."""
    return {
        "hash": dataset.content_hash,
        "simulated": dataset.simulated,
        "sequences": list(dataset.sequences),
        "size": list(dataset.grid.size),
        "split": {name: list(names) for name, names in dataset.splits.items()},
        "provenance": dict(dataset.provenance),
    }


def circumstances_page(content: Mapping) -> str:
    """How a table's numbers came about: data, seeds, budget, device, code.

    Args:
      content: of ``table<N>.json``.
    """
    dataset, seeds = content["dataset"], ", ".join(map(str, content["seeds"]))
    size = " x ".join(map(str, dataset["size"]))
    patients = ", ".join(f"{len(n)} {name}" for name, n in dataset["split"].items())
    lines = [
        "# How it was made",
        "",
        f"- Data: {size}, {patients} patients, hash {dataset['hash'][:12]}.",
        f"- Seeds: {seeds}; numbers are means, ± is the standard deviation over seeds, "
        "intervals are over patients.",
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
