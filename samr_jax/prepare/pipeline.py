"""From a folder of scans to a dataset: the whole preparation (section IV-A)."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset, open_dataset
from samr_jax.data.splits import PAPER_FRACTIONS
from samr_jax.data.write import write_dataset
from samr_jax.prepare.cohort.atlas import make_atlas
from samr_jax.prepare.cohort.common_scale import CommonScale, fit_common_scale
from samr_jax.prepare.cohort.jobs import make_jobs
from samr_jax.prepare.cohort.prepare_cohort import Cohort, prepare_cohort
from samr_jax.prepare.decide_options import choose_sequences, decide_options
from samr_jax.prepare.find.annotation import label_mapping
from samr_jax.prepare.find.layouts import find_subjects
from samr_jax.prepare.grids import Target, slices_with_brain
from samr_jax.prepare.options import Options, Steps
from samr_jax.prepare.report.provenance import provenance_of, write_records
from samr_jax.prepare.report.quality_page import write_page
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_new_directory


def prepare(
    input: str | Path,
    output: str | Path,
    *,
    layout: str = "auto",
    labels: str | Mapping[int, int] = "auto",
    sequences: Sequence[str] | None = None,
    aptw_suffix: str = "APTw",
    target: Target | None = None,
    split: tuple[float, float, float] = PAPER_FRACTIONS,
    seed: int = 0,
    steps: Steps | None = None,
    atlas: str = "auto",
    keep_names: bool = False,
    workers: int = -1,
    scheduler: str | None = None,
    log: Callable[[str], None] = print,
) -> Dataset:
    """Turns a folder of scans into a dataset.

    Args:
      input: folder with the subjects, or a CSV manifest.
      output: directory of the dataset, new; it appears whole or not at all. Subjects
        that are done wait beside it, in ``<output>.work``, together with the key to the
        pseudonyms; a second run goes on from there. That folder is not to be shared.
      layout: how the files are named, see `samr_jax.prepare.find.layouts`.
      labels: label preset or map, see `samr_jax.prepare.find.annotation`.
      sequences: what to use; None takes those that every subject has.
      aptw_suffix: what BIDS files of APTw end in.
      target: the slices that are wanted.
      split: shares of training, validation and test patients.
      seed: of the split.
      steps: what to do; by default every step looks whether the data need it.
      atlas: ``template``, ``mean``, or ``auto``: a template where subjects had to be
        aligned, else the mean.
      keep_names: whether the source's identifiers appear in the dataset, in place of
        pseudonyms.
      workers: processes, -1 for one a core.
      scheduler: address of a Dask scheduler that runs the subjects instead.
      log: receives lines for the user.

    Returns:
      The dataset, opened.

    Raises:
      InputError: nothing can be made of the input. A subject that fails alone is told
        at the end and left out.
    """
    output, target = check_new_directory(output), target or Target()
    work = output.with_name(output.name + ".work")
    pool = {"workers": workers, "scheduler": scheduler}

    found = find_subjects(input, layout, aptw_suffix=aptw_suffix)
    log(f"{input}: {len(found.subjects)} subjects of layout {found.layout}")
    options = decide_options(
        found,
        steps or Steps(),
        sequences=choose_sequences(found, sequences, log),
        mapping=label_mapping(labels, auto=found.labels),
        target=target,
        atlas=atlas,
        log=log,
    )
    # Subject by subject: co-registration, skull stripping, bias field, resampling and
    # tissue maps.
    jobs = make_jobs(found.subjects, options, work, keep_names=keep_names)
    cohort = prepare_cohort(jobs, fractions=split, seed=seed, log=log, **pool)
    # Standardisation and atlas, from the training subjects alone.
    span = slices_with_brain([item.profile for item in cohort.stored], target.slices)
    scale = fit_common_scale(cohort.train, options, span, log)
    average = None
    if options.template:
        average = make_atlas(cohort.train, scale, options, work, **pool)

    dataset = _publish(
        output,
        work,
        cohort,
        scale,
        options,
        average=average,
        provenance=provenance_of(found, options, scale, seed=seed, split=split),
        **pool,
    )
    cohort.tell_failures(log)
    log(f"{output}: {_count(cohort)}; see {dataset.directory / 'qc/index.html'}")
    return dataset


def _publish(
    output: Path,
    work: Path,
    cohort: Cohort,
    scale: CommonScale,
    options: Options,
    *,
    average: np.ndarray | None,
    provenance: Mapping,
    workers: int,
    scheduler: str | None,
) -> Dataset:
    """Writes the dataset with its records and quality page, all of it or nothing."""
    draft = work / "dataset"
    shutil.rmtree(draft, ignore_errors=True)
    pool = {"workers": workers, "scheduler": scheduler}
    try:
        dataset = write_dataset(
            draft,
            [functools.partial(scale.subject, item) for item in cohort.stored],
            grid=scale.grid,
            sequences=options.sequences,
            splits=cohort.splits,
            common_units=scale.standard is not None,
            atlas=average,
            provenance=provenance,
            workers=workers,
        )
        write_records(draft, cohort.stored, scale, **pool)
        write_page(dataset, cohort.stored, scale, **pool)
        if output.exists():
            output.rmdir()
        os.replace(draft, output)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{draft}: cannot be written ({reason})") from error
    return open_dataset(output)


def _count(cohort: Cohort) -> str:
    parts = [f"{len(names)} {split}" for split, names in cohort.splits.items()]
    return ", ".join([*parts, f"{len(cohort.failures)} left out"])
