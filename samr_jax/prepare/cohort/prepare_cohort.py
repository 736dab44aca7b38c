"""All subjects of a study: prepared in parallel, and split by patient."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from samr_jax.data.splits import split_subjects
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.jobs import Job
from samr_jax.prepare.cohort.parallel import run_all
from samr_jax.runtime.errors import InputError

Splits = Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Cohort:
    """What became of the subjects.

    Attributes:
      stored: those that could be prepared, sorted by name.
      splits: ``train``, ``val``, ``test`` -> their names.
      failures: a line for each of the others.
    """

    stored: tuple[Stored, ...]
    splits: Splits
    failures: tuple[str, ...]

    @property
    def train(self) -> list[Stored]:
        """The subjects that scales and atlas are learned from."""
        return [item for item in self.stored if item.name in self.splits["train"]]

    def tell_failures(self, log: Callable[[str], None]) -> None:
        """One line for each subject that is left out: its name and the reason."""
        for failure in self.failures:
            log(f"left out: {failure}")


def prepare_cohort(
    jobs: Sequence[Job],
    *,
    fractions: tuple[float, float, float],
    seed: int,
    log: Callable[[str], None],
    **pool,
) -> Cohort:
    """Runs all jobs.

    Args:
      jobs: one a subject.
      fractions: shares of training, validation and test patients.
      seed: of the split.
      log: receives a line for each subject that failed.
      **pool: of `samr_jax.prepare.cohort.parallel.run_all`.

    Raises:
      InputError: no subject could be prepared, or there are too few patients.
    """
    # Drawn before anything is computed: a wrong split is told at once.
    drawn = _draw(jobs, fractions, seed)
    results = run_all([job.run for job in jobs], label="preparing", **pool)
    failures = tuple(found for found in results if isinstance(found, str))
    stored = tuple(found for found in results if isinstance(found, Stored))
    if not stored:
        raise InputError(f"none of {len(jobs)} subjects could be used; {failures[0]}")
    done = {item.name for item in stored}
    splits = _members(drawn, done)
    if not (splits["train"] and splits["test"]):
        # Only then do other patients move to another split than they were drawn to.
        whole = [job for job in jobs if job.name in done]
        splits = _members(_draw(whole, fractions, seed), done)
    cohort = Cohort(stored, splits, failures)
    cohort.tell_failures(log)
    return cohort


def _draw(
    jobs: Sequence[Job], fractions: tuple[float, float, float], seed: int
) -> Splits:
    """Split -> names of subjects; all time points of a patient share one."""
    patients = split_subjects(
        [job.patient for job in jobs], fractions=fractions, seed=seed
    )
    return {
        split: tuple(job.name for job in jobs if job.patient in members)
        for split, members in patients.items()
    }


def _members(splits: Splits, done: set[str]) -> Splits:
    """The split without the subjects that failed."""
    return {
        split: tuple(name for name in names if name in done)
        for split, names in splits.items()
    }
