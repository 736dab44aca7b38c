"""From a folder of scans to a dataset: the whole preparation (section IV-A)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from samr_jax.data.build import write_dataset
from samr_jax.data.dataset import Dataset
from samr_jax.data.splits import PAPER_FRACTIONS, split_subjects
from samr_jax.errors import InputError
from samr_jax.prepare import grids
from samr_jax.prepare.annotation import label_mapping
from samr_jax.prepare.atlas import make_atlas
from samr_jax.prepare.cache import Stored
from samr_jax.prepare.finish import fit_finish
from samr_jax.prepare.jobs import Job, make_jobs
from samr_jax.prepare.layouts import find_subjects
from samr_jax.prepare.parallel import run_all
from samr_jax.prepare.planning import choose_sequences, make_plan
from samr_jax.prepare.provenance import account, write_records
from samr_jax.prepare.qc import write_page
from samr_jax.prepare.steps import Steps


def prepare(
    input: str | Path,
    output: str | Path,
    *,
    layout: str = "auto",
    labels: str | Mapping[int, int] = "auto",
    sequences: Sequence[str] | None = None,
    size: int = 256,
    spacing: float | None = None,
    slice_spacing: float = 4.4,
    slices: int | None = None,
    split: tuple[float, float, float] = PAPER_FRACTIONS,
    seed: int = 0,
    steps: Steps | None = None,
    atlas: str = "auto",
    aptw_suffix: str = "APTw",
    keep_names: bool = False,
    workers: int = -1,
    scheduler: str | None = None,
    log: Callable[[str], None] = print,
) -> Dataset:
    """Turns a folder of scans into a dataset.

    Args:
      input: folder with the subjects, or a CSV manifest.
      output: directory of the dataset, new. Subjects that are done wait beside it, in
        ``<output>.work``, together with the key to the pseudonyms; a second run goes
        on from there. That folder is not meant to be shared.
      layout: how the files are named, see `samr_jax.prepare.layouts`.
      labels: label preset or map, see `samr_jax.prepare.annotation`.
      sequences: what to use; None takes those that every subject has.
      size: rows and columns of a slice.
      spacing: millimetres between them; None keeps the scans' own where they share a
        grid that fits, else spreads the brain over the slice.
      slice_spacing: millimetres between slices; they are averaged over as much.
      slices: their number; None takes all that hold brain in most subjects.
      split: shares of training, validation and test patients.
      seed: of the split.
      steps: what to do; by default every step looks whether the data need it.
      atlas: ``template``, ``mean``, or ``auto``: a template where subjects had to be
        aligned, else the mean.
      aptw_suffix: what BIDS files of APTw end in.
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
    output = Path(output)
    if output.exists() and (output.is_file() or any(output.iterdir())):
        raise InputError(f"{output}: exists already, expected a new directory")
    pool = {"workers": workers, "scheduler": scheduler}
    found = find_subjects(input, layout, aptw_suffix=aptw_suffix)
    log(f"{input}: {len(found.subjects)} subjects of layout {found.layout}")
    plan = make_plan(
        found,
        steps or Steps(),
        sequences=choose_sequences(found, sequences, log),
        mapping=label_mapping(labels, auto=found.labels),
        size=size,
        spacing=spacing,
        slice_spacing=slice_spacing,
        atlas=atlas,
        log=log,
    )
    work = output.with_name(output.name + ".work")
    jobs = make_jobs(found.subjects, plan, work, keep_names=keep_names)
    stored, failures = _run(jobs, pool, log)
    splits = _splits(jobs, stored, split, seed)
    start, stop = grids.slices_with_brain([s.profile for s in stored], slices)
    train = [item for item in stored if item.name in splits["train"]]
    finish = fit_finish(train, plan, (start, stop), log)
    average = None
    if plan.template:
        average = make_atlas(train, finish, plan, work, **pool)
    dataset = write_dataset(
        output,
        [functools.partial(finish.subject, item) for item in stored],
        grid=finish.grid,
        sequences=plan.sequences,
        splits=splits,
        common_units=finish.standard is not None,
        atlas=average,
        provenance=account(found, plan, finish, seed=seed, split=split),
        workers=workers,
    )
    write_records(dataset.directory, stored, finish)
    page = write_page(dataset, stored, finish)
    counts = ", ".join(f"{len(names)} {key}" for key, names in splits.items())
    log(f"{output}: {counts}; {len(failures)} subjects failed; see {page}")
    return dataset


def _run(
    jobs: Sequence[Job], pool: Mapping, log: Callable[[str], None]
) -> tuple[list[Stored], list[str]]:
    """Prepares the subjects in parallel; failures are told and left out."""
    results = run_all([job.run for job in jobs], label="preparing", **pool)
    failures = [reason for reason in results if isinstance(reason, str)]
    for reason in failures:
        log(f"left out: {reason}")
    if len(failures) == len(jobs):
        raise InputError(f"none of {len(jobs)} subjects could be used; {failures[0]}")
    return [item for item in results if isinstance(item, Stored)], failures


def _splits(
    jobs: Sequence[Job],
    stored: Sequence[Stored],
    fractions: tuple[float, float, float],
    seed: int,
) -> dict[str, tuple[str, ...]]:
    """Split -> subjects.

    Patients are drawn before failures are known, so that mending one subject moves no
    other; only where that leaves nothing to train or test on are they drawn anew.
    """
    done = {item.name for item in stored}
    whole = [job for job in jobs if job.name in done]
    for drawn in (jobs, whole):
        patients = split_subjects(
            [job.patient for job in drawn], fractions=fractions, seed=seed
        )
        splits = {
            split: tuple(job.name for job in whole if job.patient in members)
            for split, members in patients.items()
        }
        if splits["train"] and splits["test"]:
            break
    return splits
