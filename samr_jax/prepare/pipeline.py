"""From a folder of scans to a dataset: the whole preparation (section IV-A)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import joblib
import numpy as np
from tqdm import tqdm

from samr_jax.data.build import write_dataset
from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import read_geometry
from samr_jax.data.splits import PAPER_FRACTIONS, split_subjects
from samr_jax.data.subject import Grid, Subject
from samr_jax.errors import InputError
from samr_jax.labels import SEQUENCES, check_sequences
from samr_jax.prepare import grids
from samr_jax.prepare.annotation import label_mapping
from samr_jax.prepare.cache import Stored, cache_key, find_stored, store
from samr_jax.prepare.layouts import LABELS_ROLE, Found, RawSubject, find_subjects
from samr_jax.prepare.subjects import prepare_subject


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
    keep_names: bool = False,
    workers: int = -1,
    log: Callable[[str], None] = print,
) -> Dataset:
    """Turns a folder of scans into a dataset.

    Args:
      input: folder with the subjects.
      output: directory of the dataset, new. Subjects that are done wait beside it, in
        ``<output>.work``, together with the key to the pseudonyms; a second run goes
        on from there. That folder is not meant to be shared.
      layout: how the files are named, see `samr_jax.prepare.layouts`.
      labels: label preset or map, see `samr_jax.prepare.annotation`.
      sequences: what to use; None takes those that every subject has.
      size: rows and columns of a slice.
      spacing: millimetres between them; None keeps the scans' own where that fits.
      slice_spacing: millimetres between slices; they are averaged over as much.
      slices: their number; None takes all that hold brain in most subjects.
      split: shares of training, validation and test patients.
      seed: of the split.
      keep_names: whether the source's identifiers appear in the dataset, in place of
        pseudonyms.
      workers: processes, -1 for one a core.
      log: receives lines for the user.

    Returns:
      The dataset, opened.
    """
    output = Path(output)
    if output.exists() and any(output.iterdir()):
        raise InputError(f"{output}: exists already, expected a new directory")
    found = find_subjects(input, layout)
    log(f"{input}: {len(found.subjects)} subjects of layout {found.layout}")
    names = choose_sequences(found, sequences, log)
    mapping = label_mapping(labels, auto=found.preset)
    grid = _common_grid(
        found, names, size=size, spacing=spacing, slice_spacing=slice_spacing
    )
    aliases = _aliases(found.subjects, keep_names)
    settings = {"sequences": names, "labels": dict(mapping), "grid": _describe(grid)}
    jobs = [
        _Job(raw, *aliases[raw.name], names, mapping, grid, settings)
        for raw in found.subjects
    ]
    work = output.with_name(output.name + ".work")
    _write_key(work, jobs)
    stored = _run(jobs, work, workers, log)
    splits = _splits(jobs, stored, split, seed)
    start, stop = grids.slices_with_brain([s.profile for s in stored], slices)
    dataset = write_dataset(
        output,
        [functools.partial(_load, item, start, stop) for item in stored],
        grid=grids.crop_slices(grid, start, stop),
        sequences=names,
        splits=splits,
        provenance={
            "layout": found.layout,
            "seed": seed,
            "split": list(split),
            **settings,
        },
        workers=workers,
    )
    log(f"{output}: {', '.join(f'{len(v)} {k}' for k, v in splits.items())}")
    return dataset


def choose_sequences(
    found: Found, wanted: Sequence[str] | None, log: Callable[[str], None] = print
) -> tuple[str, ...]:
    """The sequences to use: those asked for, or those that every subject has.

    A sequence that some subjects have and others lack is said aloud with the first
    missing file.
    """
    if wanted is not None:
        return check_sequences(wanted, source="sequences")
    held = {role for raw in found.subjects for role in raw.files} - {LABELS_ROLE}
    order = (*SEQUENCES, *sorted(held - set(SEQUENCES)))
    chosen = []
    for name in (name for name in order if name in held):
        lacking = [raw for raw in found.subjects if name not in raw.files]
        if not lacking:
            chosen.append(name)
            continue
        log(
            f"sequence {name} is left out: {len(lacking)} subject(s) lack it, the "
            f"first is {lacking[0].name}, expected {lacking[0].expected[name]}"
        )
    if not chosen:
        raise InputError(
            "no sequence is there for every subject, expected --sequences to name the "
            "ones to use"
        )
    return tuple(chosen)


@dataclasses.dataclass(frozen=True)
class _Job:
    """All that the preparation of one subject needs, for a worker process."""

    raw: RawSubject
    name: str
    patient: str
    sequences: tuple[str, ...]
    mapping: Mapping[int, int]
    grid: Grid
    settings: Mapping

    def run(self, work: Path) -> Stored | str:
        """The stored subject, or why there is none."""
        path = work / "subjects" / f"{cache_key(self.raw.files, self.settings)}.npz"
        try:
            return find_stored(self.name, path) or store(
                prepare_subject(
                    self.raw,
                    name=self.name,
                    patient=self.patient,
                    sequences=self.sequences,
                    mapping=self.mapping,
                    grid=self.grid,
                ),
                path,
            )
        except InputError as error:
            return str(error)


def _run(
    jobs: Sequence[_Job], work: Path, workers: int, log: Callable[[str], None]
) -> list[Stored]:
    """Prepares the subjects in parallel; failures are told and left out."""
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
    results = parallel(joblib.delayed(job.run)(work) for job in jobs)
    results = list(tqdm(results, total=len(jobs), desc="preparing", unit="subject"))
    failures = [r for r in results if isinstance(r, str)]
    for reason in failures:
        log(f"left out: {reason}")
    if len(failures) == len(jobs):
        raise InputError(
            f"none of {len(jobs)} subjects could be prepared: {failures[0]}"
        )
    return [r for r in results if isinstance(r, Stored)]


def _load(item: Stored, start: int, stop: int) -> Subject:
    """A task of the dataset writer: one subject, its slices cut to the common ones."""
    subject = item.load()
    tissue = None if subject.tissue is None else subject.tissue[start:stop]
    return dataclasses.replace(
        subject,
        images=subject.images[start:stop],
        labels=subject.labels[start:stop],
        tissue=tissue,
    )


def _common_grid(found: Found, sequences: Sequence[str], **options) -> Grid:
    """The grid over the first subject's scan, which all others must share."""
    for raw in found.subjects:
        if sequences[0] in raw.files:
            shape, affine = read_geometry(raw.files[sequences[0]])
            return grids.grid_over(shape, affine, **options)
    raise InputError(f"{found.subjects[0].file(sequences[0])}: no such file")


def _aliases(
    subjects: Sequence[RawSubject], keep_names: bool
) -> dict[str, tuple[str, str]]:
    """Source name -> (name, patient) in the dataset."""
    if keep_names:
        return {raw.name: (raw.name, raw.patient) for raw in subjects}
    patients = sorted({raw.patient for raw in subjects})
    number = {patient: f"sub-{i:04d}" for i, patient in enumerate(patients, start=1)}
    visits: dict[str, int] = {}
    aliases = {}
    for raw in subjects:
        visit = visits[raw.patient] = visits.get(raw.patient, 0) + 1
        patient = number[raw.patient]
        aliases[raw.name] = (f"{patient}_ses-{visit:02d}", patient)
    return aliases


def _write_key(work: Path, jobs: Sequence[_Job]) -> None:
    """Writes which subject is which, for the owner of the data alone."""
    work.mkdir(parents=True, exist_ok=True)
    lines = ["name,source", *(f"{job.name},{job.raw.name}" for job in jobs)]
    (work / "names.csv").write_text("\n".join(lines) + "\n")


def _splits(
    jobs: Sequence[_Job],
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


def _describe(grid: Grid) -> dict:
    return {
        "size": list(grid.size),
        "slices": grid.slices,
        "affine": np.round(grid.affine, 6).tolist(),
    }
