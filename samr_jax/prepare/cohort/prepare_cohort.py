"""Prepares all subjects of a study in parallel, and splits them by patient."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from samr_jax.data.splits import split_subjects
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.jobs import Failure, Job
from samr_jax.prepare.cohort.parallel import run_all
from samr_jax.runtime.errors import InputError

Splits = Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Cohort:
    """The subjects that could be prepared.

    Attributes:
      stored: the subjects, sorted by name.
      splits: ``train``, ``val``, ``test`` -> names of subjects.
    """

    stored: tuple[Stored, ...]
    splits: Splits

    @property
    def train(self) -> list[Stored]:
        """The training subjects, to which scale and atlas are fitted."""
        return [item for item in self.stored if item.name in self.splits["train"]]


def prepare_cohort(
    jobs: Sequence[Job],
    *,
    fractions: tuple[float, float, float],
    seed: int,
    on_failure: Callable[[Failure], None],
    **pool,
) -> Cohort:
    """Runs all jobs.

    Args:
      jobs: one job for each subject.
      fractions: shares of training, validation and test patients.
      seed: seed of the split.
      on_failure: is called for each subject that fails, as soon as it fails.
      **pool: options of `samr_jax.prepare.cohort.parallel.run_all`.

    Raises:
      InputError: no subject could be prepared, or too few patients are left.
    """
    # The split is drawn before anything is computed, so that an error comes at once.
    drawn = _draw(jobs, fractions, seed)

    def tell(result: Stored | Failure) -> None:
        if isinstance(result, Failure):
            on_failure(result)

    calls = [job.run for job in jobs]
    results = run_all(calls, label="preparing", on_result=tell, **pool)
    stored = tuple(found for found in results if isinstance(found, Stored))
    failures = [found for found in results if isinstance(found, Failure)]
    if not stored:
        raise InputError(f"none of {len(jobs)} subjects could be used; {failures[0]}")
    done = {item.name for item in stored}
    splits = _members(drawn, done)
    if not (splits["train"] and splits["test"]):
        # Only in this case do patients move to another split than they were drawn to.
        whole = [job for job in jobs if job.name in done]
        try:
            splits = _members(_draw(whole, fractions, seed), done)
        except InputError as error:
            left = f"{len(stored)} of {len(jobs)} subjects could be prepared"
            raise InputError(f"{left}: {error}") from error
    return Cohort(stored, splits)


def _draw(
    jobs: Sequence[Job], fractions: tuple[float, float, float], seed: int
) -> Splits:
    """Split -> names of subjects. All time points of a patient are in one split."""
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
