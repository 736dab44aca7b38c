"""The preparation of one subject as a job: cached, and failing alone."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from samr_jax.prepare.cohort.cache import Stored, cache_key, find_stored, store
from samr_jax.prepare.find.raw import RawSubject
from samr_jax.prepare.options import Options
from samr_jax.prepare.subject.prepare_subject import prepare_subject
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_text

_GIVING_UP = (RuntimeError, ValueError, ArithmeticError, MemoryError, OSError)
"""What libraries raise over one subject, which does not concern the others."""


@dataclasses.dataclass(frozen=True)
class Job:
    """All that a worker process needs to prepare one subject.

    Attributes:
      raw: its files.
      name: what it is called in the dataset.
      patient: who it is, in the dataset.
      options: common to all subjects.
      folder: where results wait.
    """

    raw: RawSubject
    name: str
    patient: str
    options: Options
    folder: Path

    def run(self) -> Stored | str:
        """The stored subject, or in one line why there is none."""
        path = self.folder / f"{cache_key(self.raw.files, self.options.describe())}.npz"
        kept = find_stored(self.name, self.patient, path)
        if kept is not None:
            return kept
        try:
            prepared = prepare_subject(
                self.raw, self.options, name=self.name, patient=self.patient
            )
        except InputError as error:
            return f"{self.raw.name}: {error}"
        except _GIVING_UP as error:
            reason = str(error).strip().splitlines() or [""]
            return f"{self.raw.name}: {type(error).__name__}: {reason[0]}"
        # A disk that is full concerns all subjects: its error is not caught.
        return store(prepared, path)


def make_jobs(
    subjects: Sequence[RawSubject], options: Options, work: Path, *, keep_names: bool
) -> list[Job]:
    """One job a subject, and in `work` the key to the pseudonyms."""
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
    """Source name -> (name, patient) in the dataset: running numbers, unless asked."""
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
