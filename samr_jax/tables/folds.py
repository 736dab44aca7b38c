"""Cross-validation by patient: a dataset for every fold.

Every patient is tested in one fold and trained on in the others. Whatever is fitted to
training patients is fitted again in every fold: the atlas, the windows and the standard
intensity scale, so that nothing of a test patient is known to the training.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset
from samr_jax.data.splits import SPLITS
from samr_jax.data.stacks import Stack, Stacks
from samr_jax.data.subject import Subject
from samr_jax.data.write import write_dataset
from samr_jax.labels import BACKGROUND
from samr_jax.prepare.cohort.standardise import Standard, fit_standard
from samr_jax.prepare.report.recorded import (
    read_records,
    standard_scale,
    standard_scales,
)
from samr_jax.prepare.subject.landmarks import healthy_values, piecewise_linear
from samr_jax.runtime.errors import InputError

VALIDATION_SHARE = 0.1
"""Of a fold's training patients; they choose the best checkpoint and nothing else."""

MIN_PATIENTS = 4
"""Training patients of a fold that a validation patient is taken from."""


def fold_splits(
    patient_of: Mapping[str, str],
    folds: int,
    *,
    seed: int = 0,
    train_patients: int | None = None,
) -> list[dict[str, tuple[str, ...]]]:
    """The splits of a cross-validation by patient.

    Args:
      patient_of: subject -> patient. Sessions of a patient stay together.
      folds: how many.
      seed: of the order of the patients. The same seed gives the same folds.
      train_patients: how many patients each fold is trained on; by default all that it
        neither tests nor validates on. A smaller number takes the first patients of a
        larger one, and leaves validation and test patients as they are.

    Returns:
      For every fold ``train``, ``val`` and ``test`` -> sorted names of subjects.

    Raises:
      InputError: there are fewer than two folds, fewer patients than folds, or fewer
        training patients than were asked for.
    """
    patients = sorted(set(patient_of.values()))
    if not 2 <= folds <= len(patients):
        raise InputError(
            f"--folds={folds}, expected 2 to {len(patients)}, the number of patients"
        )
    order = np.random.default_rng(seed).permutation(patients).tolist()

    def of(chosen: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(s for s, p in patient_of.items() if p in set(chosen)))

    splits = []
    for fold in range(folds):
        test = order[fold::folds]
        # From another place in every fold, so that validation patients differ, too.
        start = (fold + 1) % folds
        rest = [p for k in range(folds) for p in order[(start + k) % folds :: folds]]
        rest = [patient for patient in rest if patient not in test]
        count = max(1, round(VALIDATION_SHARE * len(rest)))
        count = count if len(rest) >= MIN_PATIENTS else 0
        validated, trained = rest[:count], rest[count:]
        if train_patients is not None and not 1 <= train_patients <= len(trained):
            raise InputError(
                f"--train_patients={train_patients}, expected 1 to {len(trained)}, the "
                f"training patients of fold {fold} of {folds}"
            )
        trained = trained[:train_patients]
        splits.append({"train": of(trained), "val": of(validated), "test": of(test)})
    return splits


def fold_dataset(
    dataset: Dataset,
    directory: Path,
    *,
    fold: int,
    folds: int,
    seed: int = 0,
    train_patients: int | None = None,
) -> Dataset:
    """The dataset of a fold; it is written where it is missing.

    Args:
      dataset: all patients, whatever their split.
      directory: of the fold's dataset.
      fold: 0 to ``folds - 1``.
      folds: how many.
      seed: see `fold_splits`.
      train_patients: see `fold_splits`. The dataset holds no other training patients.

    Raises:
      InputError: the directory holds a fold of another dataset or cross-validation.
    """
    made = {"of": dataset.content_hash, "fold": fold, "folds": folds, "seed": seed}
    if train_patients:
        made["train_patients"] = train_patients
    if (directory / DESCRIPTION).exists():
        found = open_dataset(directory)
        if found.provenance.get("cross_validation") != made:
            raise InputError(
                f"{directory}: fold of another dataset or number of folds or training "
                "patients, expected another --workdir"
            )
        return found
    subjects = [name for split in SPLITS for name in dataset.splits[split]]
    patients = {name: dataset.patient_of(name) for name in subjects}
    splits = fold_splits(patients, folds, seed=seed, train_patients=train_patients)[
        fold
    ]
    taken = {name for names in splits.values() for name in names}
    source = _Source(dataset)
    standard = _fold_standard(source, splits["train"])
    directory.parent.mkdir(parents=True, exist_ok=True)
    provenance = {**dataset.provenance, "cross_validation": made}
    if standard is not None:
        scales = {name: list(marks) for name, marks in standard.scales.items()}
        provenance["standard"] = {**dataset.provenance["standard"], "scales": scales}
    provenance["atlas"] = "mean"
    return write_dataset(
        directory,
        [
            functools.partial(source.subject, name, standard)
            for name in subjects
            if name in taken
        ],
        grid=dataset.grid,
        sequences=dataset.sequences,
        splits=splits,
        common_units=not dataset.subject_windows,
        provenance=provenance,
        simulated=dataset.simulated,
        workers=1,  # the tasks share the open dataset
    )


@dataclasses.dataclass(frozen=True)
class _Source:
    """The subjects of a dataset, in the units that they came in where these are known.

    Attributes:
      dataset: all patients.
    """

    dataset: Dataset

    @functools.cached_property
    def stacks(self) -> Mapping[str, Stacks]:
        """Name of a subject -> the split that holds it."""
        found = {split: Stacks(self.dataset, split) for split in SPLITS}
        return {name: found[s] for s in SPLITS for name in self.dataset.splits[s]}

    @functools.cached_property
    def marks(self) -> Mapping[str, Mapping[str, list[float]]]:
        """Subject -> sequence -> landmarks of its own scan; empty if none are kept."""
        if not standard_scales(self.dataset):
            return {}
        records = read_records(self.dataset.directory)
        return {name: one["landmarks"] for name, one in records.items()}

    def subject(self, name: str, standard: Standard | None = None) -> Subject:
        """A subject in its scans' own units, or on a standard scale."""
        stack: Stack = self.stacks[name][name]
        images = self.dataset.restore(name, stack.images)
        for channel, sequence in enumerate(self.dataset.sequences):
            own = np.array(self.marks.get(name, {}).get(sequence, ()))
            if own.size:
                image = images[..., channel]
                scale = standard_scale(self.dataset, sequence)
                image = piecewise_linear(image, scale, own)
                if standard is not None:
                    image = standard.apply(sequence, image, own)
                images[..., channel] = image
        images[stack.labels == BACKGROUND] = 0
        tissue = None
        if stack.tissue is not None:
            tissue = stack.tissue.astype(np.float32) / 255
        return Subject(
            name, images, stack.labels, tissue, self.dataset.patient_of(name)
        )


def _fold_standard(source: _Source, train: Sequence[str]) -> Standard | None:
    """The standard scale of a fold's training subjects; None if there was none."""
    dataset = source.dataset
    if not source.marks:
        return None
    healthy: dict[str, list[np.ndarray]] = {name: [] for name in dataset.sequences}
    for subject in map(source.subject, train):
        for channel, sequence in enumerate(dataset.sequences):
            healthy[sequence].append(healthy_values(subject, channel))
    scaled = standard_scales(dataset)
    return fit_standard([n for n in dataset.sequences if n in scaled], healthy)
