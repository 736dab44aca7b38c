"""The embedded dataset: what is in it, and when a cached one is built anew.

Values of a small dataset are stored in ``embedded_values.json``. After a deliberate
change of the simulation, raise `samr_jax.data.phantom.VERSION` and store them anew with
``python -m tests.data.test_embedded``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from samr_jax.data import embedded, phantom
from samr_jax.data.embedded import embedded_dataset
from samr_jax.data.window import STORED_SCALE

STORED = Path(__file__).with_name("embedded_values.json")
STORE = "python -m tests.data.test_embedded"

STEP = 7
"""Every how many pixels of the brain one is stored."""

CLOSE = {"images": 4 / STORED_SCALE, "tissue": 1.5 / 255, "labels": 0, "windows": 1e-4}
"""Differences that rounding on another machine may cause."""

MIN_CLOSE = 0.98
"""Share of values that must be so close: a label jumps where two tissues are level."""


def small_dataset():
    return embedded_dataset(size=32, subjects=2, slices=1, workers=1)


@pytest.fixture(scope="module")
def dataset():
    return small_dataset()


def values(dataset):
    """Windows, and every subject's arrays at some pixels of the brain."""
    items = [dataset.split(split)[0] for split in ("train", "test")]
    inside = [np.flatnonzero(item["labels"])[::STEP] for item in items]

    def sampled(name, scale=1):
        chosen = [
            item[name].reshape(32 * 32, -1)[pixels]
            for item, pixels in zip(items, inside, strict=True)
        ]
        return (np.concatenate(chosen) / scale).round(5).tolist()

    return {
        "images": sampled("images", STORED_SCALE),
        "tissue": sampled("tissue", 255),
        "labels": sampled("labels"),
        "windows": [[w.low, round(w.high, 2)] for w in dataset.windows.values()],
    }


def differing(found, stored):
    """Names of arrays that differ by more than another machine's rounding."""
    names = []
    for name, expected in stored.items():
        ours, theirs = np.array(found[name], float), np.array(expected, float)
        scale = np.abs(theirs).max() if name == "windows" else 1.0
        close = ours.shape == theirs.shape and np.mean(
            np.abs(ours - theirs) <= CLOSE[name] * scale
        )
        if close < MIN_CLOSE:
            names.append(name)
    return names


def test_it_is_simulated_and_has_subjects_in_two_splits(dataset):
    assert dataset.simulated and dataset.has_tissue
    assert len(dataset.splits["train"]) == len(dataset.splits["test"]) == 1


def test_the_version_is_raised_when_the_simulation_changes(dataset):
    record = json.loads(STORED.read_text())
    changed = differing(values(dataset), record["values"])
    assert record["version"] == phantom.VERSION, (
        f"values of version {record['version']} are stored, the simulation has version "
        f"{phantom.VERSION}: store its values with {STORE}"
    )
    assert not changed, (
        f"{', '.join(changed)} of the embedded dataset changed: if that is wanted, "
        f"raise samr_jax.data.phantom.VERSION (cached datasets are built anew) and "
        f"store the values with {STORE}"
    )


@pytest.mark.parametrize("constant, factor", [("NOISE", 1.05), ("BIAS", 1.05)])
def test_a_small_change_is_noticed(dataset, monkeypatch, tmp_path, constant, factor):
    from samr_jax.data.phantom import acquisition

    monkeypatch.setattr(acquisition, constant, factor * getattr(acquisition, constant))
    monkeypatch.setenv("SAMR_JAX_CACHE", str(tmp_path))
    assert "images" in differing(values(small_dataset()), values(dataset))


def test_the_version_decides_whether_a_cached_dataset_is_used(dataset, monkeypatch):
    """And not the source, where a comment would cost a hundred subjects."""

    def refuse(*args, **options):
        raise AssertionError("the source was read")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert small_dataset().directory == dataset.directory
    before = embedded._key({"seed": 0})
    monkeypatch.setattr(phantom, "VERSION", phantom.VERSION + 1)
    assert embedded._key({"seed": 0}) != before


if __name__ == "__main__":
    record = {"version": phantom.VERSION, "values": values(small_dataset())}
    STORED.write_text(json.dumps(record) + "\n")
