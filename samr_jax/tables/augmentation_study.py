"""The augmentation experiment: segmenters trained on real and further volumes.

All take the same number of optimizer steps on the same real patients, so that what
differs is what they see. They are tested on the real test patients.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset
from samr_jax.evaluation.evaluate import evaluate
from samr_jax.inference.augment import geometric_set, mixed, synthesized_set
from samr_jax.runs.model import load_model
from samr_jax.runs.workdir import CONFIG, claim
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from samr_jax.tables.rows import SEGMENTER, Row
from samr_jax.tables.table_runs import METRICS, Bench, run

_log = logging.getLogger(__name__)

FOLDER = "augmentation"
CONTROL = "geometric"


def augmented_evaluations(
    bench: Bench, row: Row | None, share: float
) -> tuple[list[dict], list[Path]]:
    """Evaluations of segmenters trained on real volumes and a share of further ones.

    Args:
      bench: whose runs synthesize.
      row: what synthesizes; None for the ordinary transforms.
      share: further volumes for each real training volume.

    Returns:
      One a seed, and the runs' directories. A seed is that of the synthesizing run, of
      the manipulated masks and of the segmenter.
    """
    name = CONTROL if row is None else row.key
    results, runs = [], []
    for seed in bench.seeds:
        directory = bench.workdir / FOLDER / name / f"share-{share:g}" / f"seed-{seed}"
        results.append(_evaluation(bench, row, share, seed, directory))
        runs.append(directory)
    return results, runs


def real_steps(bench: Bench, seed: int) -> int:
    """Optimizer steps of the segmenter on the real training data alone."""
    config = bench.config(SEGMENTER, seed)
    slices = len(bench.dataset.split("train"))
    return config.steps or config.epochs * max(1, slices // config.batch_size)


def volumes_of(bench: Bench, share: float) -> int:
    """Further volumes: the share of the real training volumes, at least one."""
    return max(1, round(share * len(bench.dataset.splits["train"])))


def _evaluation(
    bench: Bench, row: Row | None, share: float, seed: int, directory: Path
) -> dict:
    """Of a finished segmenter, which is trained where it is missing."""
    config = bench.config(SEGMENTER, seed, steps=real_steps(bench, seed))
    if (directory / METRICS).exists():
        facts = read_json(directory / CONFIG)["facts"]  # the mix itself is gone
        claim(directory, config, facts)
        result = read_json(directory / METRICS)
        if result["dataset_hash"] == bench.dataset.content_hash:
            return result
    further = _further(bench, row, seed)
    bench.workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bench.workdir, prefix=".mix-") as scratch:
        mix = mixed(
            bench.dataset,
            further,
            Path(scratch, "mix"),
            volumes=volumes_of(bench, share),
        )
        config.data.dir = str(mix.directory)
        run(config, directory, mix)
    # Once more, on the real dataset itself rather than the mix's copy of it.
    return evaluate(
        load_model(directory),
        bench.dataset,
        "test",
        directory,
        batch_size=config.eval_batch_size,
    )


def _further(bench: Bench, row: Row | None, seed: int) -> Dataset:
    """The set for the largest share, made once for each row and seed."""
    name = CONTROL if row is None else row.key
    directory = bench.workdir / FOLDER / name / f"set-{seed}"
    count = volumes_of(bench, 1.0)
    if (directory / DESCRIPTION).exists():
        found = open_dataset(directory)
        source = found.provenance.get("masks_of", found.provenance.get("volumes_of"))
        if source != bench.dataset.content_hash:
            raise InputError(
                f"{directory}: made of another dataset, expected another --workdir"
            )
        return found
    if row is None:
        return geometric_set(bench.dataset, directory, count=count, seed=seed)
    bench.evaluations(row)
    model = load_model(bench.workdir / row.key / f"seed-{seed}")
    _log.info("synthesizing %d volumes by %s", count, row.title)
    return synthesized_set(model, bench.dataset, directory, count=count, seed=seed)
