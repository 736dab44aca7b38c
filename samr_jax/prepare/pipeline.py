"""From a folder of scans to a dataset: the whole preparation (section IV-A)."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.dataset import Dataset, open_dataset
from samr_jax.data.splits import PAPER_FRACTIONS
from samr_jax.data.write import write_dataset
from samr_jax.prepare.cohort.atlas import make_atlas
from samr_jax.prepare.cohort.common_scale import CommonScale, fit_common_scale
from samr_jax.prepare.cohort.jobs import Failure, make_jobs
from samr_jax.prepare.cohort.prepare_cohort import Cohort, prepare_cohorts
from samr_jax.prepare.decide_options import (
    choose_sequences,
    choose_sets,
    decide_options,
)
from samr_jax.prepare.dicom.find_dicom import find_dicom
from samr_jax.prepare.find.annotation import label_mapping
from samr_jax.prepare.find.identical_scans import check_patients_differ
from samr_jax.prepare.find.layouts import DICOM, find_subjects, holds_dicom
from samr_jax.prepare.find.spacing import parse_spacing
from samr_jax.prepare.grids import Target, slices_with_brain
from samr_jax.prepare.options import Options, Steps
from samr_jax.prepare.report.failures import FailureReport
from samr_jax.prepare.report.provenance import provenance_of, write_records
from samr_jax.prepare.report.quality_page import write_page
from samr_jax.prepare.report.stripping import stripping_lines
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_new_directory


def prepare(
    input: str | Path,
    output: str | Path,
    *,
    layout: str = "auto",
    labels: str | Mapping[int, int] = "auto",
    sequences: Sequence[str] | None = None,
    also: Sequence[Sequence[str]] = (),
    aptw_suffix: str = "APTw",
    spacing_of: Sequence[str] | None = None,
    series: str | Path | None = None,
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
      output: a new directory for the dataset; it appears whole or not at all. The
        folder ``<output>.work`` next to it holds the subjects that are done, the key to
        the pseudonyms, and a page about the subjects that failed. A second run goes on
        from there. Do not share that folder.
      layout: how the files are named, see `samr_jax.prepare.find.layouts`.
      labels: label preset or map, see `samr_jax.prepare.find.annotation`.
      sequences: the sequences to use; None takes those that every subject has.
      also: the sequences of further datasets, which are written beside `output`. A
        subject that lacks a sequence of `output` is kept for those that it is enough
        for.
      aptw_suffix: suffix of APTw files in BIDS.
      spacing_of: voxel size in millimetres of files whose header has lost it.
      series: the table of DICOM series that the user has corrected.
      target: the slices that the user wants.
      split: shares of training, validation and test patients.
      seed: seed of the split.
      steps: the user's choice for each step; by default the data decide.
      atlas: ``template``, ``mean`` or ``auto``, which is a template if subjects had to
        be aligned and the mean otherwise.
      keep_names: whether the dataset has the source's identifiers instead of
        pseudonyms.
      workers: number of processes; -1 takes one for each core.
      scheduler: address of a Dask scheduler that runs the subjects instead.
      log: receives lines for the user.

    Returns:
      The dataset, opened.

    Raises:
      InputError: no dataset can be made of the input. A subject that cannot be used is
        left out; `log` receives its name and the reason at the time and at the end,
        whatever ends the run.
    """
    output, target = check_new_directory(output), target or Target()
    work = output.with_name(output.name + ".work")
    pool: dict[str, Any] = {"workers": workers, "scheduler": scheduler}

    if holds_dicom(input, layout):
        table = None if series is None else Path(series)
        found = find_dicom(Path(input), work / DICOM, table=table, log=log, **pool)
    elif series is not None:
        raise InputError(f"series {series}, expected it for DICOM series only")
    else:
        found = find_subjects(input, layout, aptw_suffix=aptw_suffix)
    log(f"{input}: {len(found.subjects)} subjects of layout {found.layout}")
    sets = choose_sets(choose_sequences(found, sequences, log), also)
    outputs = [output, *(check_new_directory(_beside(output, one)) for one in sets[1:])]
    options = decide_options(
        found,
        steps or Steps(),
        sets=sets,
        mapping=label_mapping(labels, auto=found.labels),
        target=target,
        atlas=atlas,
        log=log,
        spacing_of=parse_spacing(spacing_of),
    )
    check_patients_differ(found.subjects, options.sequences)
    jobs = make_jobs(found.subjects, options, work, keep_names=keep_names)
    with FailureReport(work / "failed", log) as report:
        # Each subject by itself: registration, skull stripping, bias correction,
        # resampling and tissue maps.
        cohorts = prepare_cohorts(
            jobs, sets, fractions=split, seed=seed, on_failure=report.add, **pool
        )
        prepared = {item.name: item for one in cohorts for item in one.stored}
        for line in stripping_lines(list(prepared.values())):
            log(line)
        describe = functools.partial(provenance_of, found, seed=seed, split=split)
        datasets = [
            _make_dataset(
                place,
                work,
                cohort,
                dataclasses.replace(options, sequences=cohort.sequences, sets=()),
                slices=target.slices,
                describe=describe,
                failures=report.failures,
                log=log,
                **pool,
            )
            for place, cohort in zip(outputs, cohorts, strict=True)
        ]
    for dataset, cohort in zip(datasets, cohorts, strict=True):
        for line in _summary(dataset, cohort, report.failures):
            log(line)
    return datasets[0]


def _beside(output: Path, sequences: Sequence[str]) -> Path:
    """Where a further dataset goes, such as ``mine_T1w_FLAIR`` beside ``mine``."""
    return output.with_name("_".join((output.name, *sequences)))


def _make_dataset(
    output: Path,
    work: Path,
    cohort: Cohort,
    options: Options,
    *,
    slices: int | None,
    describe: Callable[..., Mapping],
    failures: Sequence[Failure],
    log: Callable[[str], None],
    **pool: Any,
) -> Dataset:
    """Fits scale and atlas to the training subjects, and writes the dataset."""
    span = slices_with_brain([item.profile for item in cohort.stored], slices)
    scale = fit_common_scale(cohort.train, options, span, log)
    average = None
    if options.template:
        average = make_atlas(cohort.train, scale, options, work, **pool)
    return _publish(
        output,
        work,
        cohort,
        scale,
        options,
        average=average,
        provenance=describe(options=options, scale=scale),
        failures=failures,
        **pool,
    )


def _summary(
    dataset: Dataset, cohort: Cohort, failures: Sequence[Failure]
) -> list[str]:
    """How many subjects a dataset has, and who is not in it."""
    place, lines = dataset.directory, []
    if cohort.lacking:
        lines.append(
            f"{place}: without {len(cohort.lacking)} subject(s) that lack one of "
            f"{', '.join(cohort.sequences)}: {', '.join(cohort.lacking)}"
        )
    counts = [f"{len(names)} {part}" for part, names in cohort.splits.items()]
    counts.append(f"{len(failures)} left out")
    return [*lines, f"{place}: {', '.join(counts)}; see {place / 'qc/index.html'}"]


def _publish(
    output: Path,
    work: Path,
    cohort: Cohort,
    scale: CommonScale,
    options: Options,
    *,
    average: np.ndarray | None,
    provenance: Mapping,
    failures: Sequence[Failure],
    workers: int,
    scheduler: str | None,
) -> Dataset:
    """Writes the dataset with its records and quality page, whole or not at all."""
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
        write_page(dataset, cohort.stored, scale, failures, **pool)
        if output.exists():
            output.rmdir()
        os.replace(draft, output)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{draft}: cannot be written ({reason})") from error
    return open_dataset(output)
