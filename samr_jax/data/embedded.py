"""The embedded dataset: subjects of the phantom, simulated once on this machine.

It is kept in ``$SAMR_JAX_CACHE``, by default ``~/.cache/samr_jax``.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import shutil
from collections.abc import Sequence

import samr_jax
from samr_jax.data import phantom
from samr_jax.data.dataset import DESCRIPTION, FORMAT, Dataset, open_dataset
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
    """Opens the phantom dataset of these settings; the first call builds it.

    Args:
      size: rows and columns of a slice.
      subjects: how many; the paper has 100, split 72 / 10 / 18.
      slices: axial slices of each, 4.4 mm apart.
      sequences: any of the paper's five, in any order.
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
        # Only the process that holds the lock writes here, so a partial directory was
        # left by a process that was killed.
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
                "simulation": phantom.VERSION,
                **settings,
            },
            simulated=True,
            workers=workers,
        )
    return dataset


def _name(index: int) -> str:
    return f"phantom-{index:04d}"


def _key(settings: dict) -> str:
    """Changes with the settings, the simulation's version and the files' format."""
    versions = {"simulation": phantom.VERSION, "format": FORMAT}
    content = repr(sorted({**settings, **versions}.items()))
    return hashlib.sha256(content.encode()).hexdigest()[:12]
