"""The embedded dataset: the phantom, built once on this machine and kept.

It is simulated. It lives in ``$SAMR_JAX_CACHE``, by default ``~/.cache/samr_jax``.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import samr_jax
from samr_jax.data import phantom
from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset
from samr_jax.data.splits import split_subjects
from samr_jax.data.write import write_dataset
from samr_jax.runtime.files import cache_directory, locked
from samr_jax.sequences import SEQUENCES, check_sequences

_log = logging.getLogger(__name__)


def embedded_dataset(
    *,
    size: int = 256,
    subjects: int = 100,
    slices: int = 15,
    sequences: Sequence[str] = SEQUENCES,
    seed: int = 0,
    workers: int = -1,
) -> Dataset:
    """Opens the phantom dataset of these settings, building it where it is missing.

    Args:
      size: rows and columns of a slice.
      subjects: how many; the paper has 100, split 72 / 10 / 18.
      slices: axial slices of each, 4.4 mm apart.
      sequences: any of the five names.
      seed: of the subjects and of the split.
      workers: parallel processes, -1 for one a core.
    """
    sequences = check_sequences(sequences, source="config.data.sequences")
    settings = {
        "size": size,
        "subjects": subjects,
        "slices": slices,
        "sequences": list(sequences),
        "seed": seed,
    }
    cache = cache_directory()
    directory = cache / f"phantom-{size}-{subjects}x{slices}-{_key(settings)}"
    with locked(cache / f".{directory.name}.lock", wait=True):
        if (directory / DESCRIPTION).exists():
            return open_dataset(directory)
        # Whoever holds the lock is alone: what lies here is of a killed process.
        for stale in cache.glob(f".{directory.name}.partial-*"):
            shutil.rmtree(stale)
        _log.info("building the embedded (simulated) dataset in %s", directory)
        names = [_name(index) for index in range(subjects)]
        grid = phantom.grid(size, slices)
        dataset = write_dataset(
            directory,
            [
                functools.partial(
                    phantom.simulate_subject,
                    index,
                    seed=seed,
                    grid=grid,
                    sequences=sequences,
                )
                for index in range(subjects)
            ],
            grid=grid,
            sequences=sequences,
            splits=split_subjects(names, seed=seed),
            common_units=True,
            provenance={
                "source": "digital brain phantom (simulated)",
                "samr_jax": samr_jax.__version__,
                **settings,
            },
            simulated=True,
            workers=workers,
        )
    return dataset


def _name(index: int) -> str:
    return f"phantom-{index:04d}"


def _key(settings: dict) -> str:
    """Changes with the settings and with the source that makes a dataset."""
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    simulator = Path(phantom.__file__).parent
    for folder in (simulator, simulator.parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
