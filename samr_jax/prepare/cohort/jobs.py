"""The preparation of one subject as a job, which is cached and fails alone."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from samr_jax.prepare.cohort.cache import Stored, cache_key, find_stored, store
from samr_jax.prepare.find.raw import RawSubject
from samr_jax.prepare.options import Options
from samr_jax.prepare.subject.failure import SubjectFailed, View
from samr_jax.prepare.subject.prepare_subject import prepare_subject
from samr_jax.runtime.files import write_text


@dataclasses.dataclass(frozen=True)
class Failure:
    """A subject that could not be prepared.

    Attributes:
      name: the subject's name in the dataset.
      source: the subject's name in the source.
      step: name of the step that failed.
      reason: one line: what was found and what was expected.
      views: pictures of the scans that the step had.
    """

    name: str
    source: str
    step: str
    reason: str
    views: tuple[View, ...]

    def __str__(self) -> str:
        return f"{self.source}: {self.reason} [step: {self.step}]"


@dataclasses.dataclass(frozen=True)
class Job:
    """All that a worker process needs to prepare one subject.

    Attributes:
      raw: the subject's files.
      name: the subject's name in the dataset.
      patient: the patient's name in the dataset.
      options: the options that all subjects share.
      folder: where prepared subjects are stored.
    """

    raw: RawSubject
    name: str
    patient: str
    options: Options
    folder: Path

    def run(self) -> Stored | Failure:
        """Prepares the subject, unless an earlier run has stored it."""
        path = self.folder / f"{cache_key(self.raw.files, self.options.describe())}.npz"
        kept = find_stored(self.name, self.patient, path)
        if kept is not None:
            return kept
        try:
            prepared = prepare_subject(
                self.raw, self.options, name=self.name, patient=self.patient
            )
        except SubjectFailed as error:
            return Failure(
                self.name, self.raw.name, error.step, error.reason, error.views
            )
        # A full disk concerns all subjects, so its error is not caught.
        return store(prepared, path)


def make_jobs(
    subjects: Sequence[RawSubject], options: Options, work: Path, *, keep_names: bool
) -> list[Job]:
    """Makes a job for each subject, and writes the key to the pseudonyms to `work`."""
    names = aliases(subjects, keep_names=keep_names)
    jobs = [Job(raw, *names[raw.name], options, work / "subjects") for raw in subjects]
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("name", "source"))
    rows.writerows((job.name, job.raw.name) for job in jobs)
    write_text(work / "names.csv", table.getvalue())
    return jobs


def aliases(
    subjects: Sequence[RawSubject], *, keep_names: bool
) -> Mapping[str, tuple[str, str]]:
    """Name in the source -> (name, patient) in the dataset.

    They are running numbers, or the source's own names with `keep_names`.
    """
    if keep_names:
        return {raw.name: (raw.name, raw.patient) for raw in subjects}
    patients = sorted({raw.patient for raw in subjects})
    number = {patient: f"sub-{i:04d}" for i, patient in enumerate(patients, start=1)}
    visits: dict[str, int] = {}
    named = {}
    for raw in subjects:
        visit = visits[raw.patient] = visits.get(raw.patient, 0) + 1
        patient = number[raw.patient]
        named[raw.name] = (f"{patient}_ses-{visit:02d}", patient)
    return named
