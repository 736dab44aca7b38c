"""Prepares all subjects of a study in parallel, and splits them by patient.

For each set of sequences there is a cohort of the subjects that have all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from samr_jax.data.splits import split_subjects
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.jobs import Failure, Job
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.processes import run_all

Splits = Mapping[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Cohort:
    """The subjects that could be prepared.

    Attributes:
      stored: the subjects, sorted by name.
      splits: ``train``, ``val``, ``test`` -> names of subjects.
      sequences: what all subjects have.
      lacking: names of the prepared subjects that lack one of the sequences.
    """

    stored: tuple[Stored, ...]
    splits: Splits
    sequences: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def train(self) -> list[Stored]:
        """The training subjects, to which scale and atlas are fitted."""
        return [item for item in self.stored if item.name in self.splits["train"]]


def prepare_cohorts(
    jobs: Sequence[Job],
    sets: Sequence[tuple[str, ...]],
    *,
    fractions: tuple[float, float, float],
    seed: int,
    on_failure: Callable[[Failure], None],
    **pool,
) -> list[Cohort]:
    """Runs all jobs.

    Args:
      jobs: one job for each subject.
      sets: the sequences of each cohort. All cohorts have the same split, so that a
        patient who is trained on in one is tested in none.
      fractions: shares of training, validation and test patients.
      seed: seed of the split.
      on_failure: is called for each subject that fails, as soon as it fails.
      **pool: options of `samr_jax.runtime.processes.run_all`.

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
    splits = _members(drawn, {item.name for item in stored})
    if not (splits["train"] and splits["test"]):
        # Only in this case do patients move to another split than they were drawn to.
        drawn = _draw_again(jobs, {item.name for item in stored}, fractions, seed)
    return [_cohort(stored, drawn, sequences) for sequences in sets]


def _draw_again(
    jobs: Sequence[Job],
    done: set[str],
    fractions: tuple[float, float, float],
    seed: int,
) -> Splits:
    """The split of the subjects that could be prepared."""
    try:
        return _draw([job for job in jobs if job.name in done], fractions, seed)
    except InputError as error:
        left = f"{len(done)} of {len(jobs)} subjects could be prepared"
        raise InputError(f"{left}: {error}") from error


def _cohort(
    stored: Sequence[Stored], drawn: Splits, sequences: tuple[str, ...]
) -> Cohort:
    """The subjects that have all of the sequences."""
    members = tuple(item.only(sequences) for item in stored if item.has(sequences))
    lacking = tuple(item.name for item in stored if not item.has(sequences))
    splits = _members(drawn, {item.name for item in members})
    for part in ("train", "test"):
        if not splits[part]:
            raise InputError(
                f"no {part} subject has {', '.join(sequences)}, expected one or more: "
                "another --seed draws another split"
            )
    return Cohort(members, splits, sequences, lacking)


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
