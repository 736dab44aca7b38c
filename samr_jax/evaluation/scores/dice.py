"""Dice, lost and invented lesions, and surface distances of a segmentation.

Which patients count for a label is decided by the reference alone: a mean is over the
patients whose reference has the label. In the other patients whatever is found is
false; it is counted apart, in millilitres. So the means of two segmentations of the
same patients are over the same patients, and their difference is the mean difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samr_jax.evaluation.scores.slice_scores import average
from samr_jax.evaluation.scores.surface import hausdorff_95
from samr_jax.labels import LABELS, LESION_LABELS
from samr_jax.runtime.errors import InputError

LESIONS = tuple(LABELS[code] for code in LESION_LABELS)


class DiceScores:
    """Accumulates label maps of a split, patient by patient (Tables II and IV)."""

    def __init__(self, spacing: Sequence[float]):
        """Args:
        spacing: millimetres between slices, rows and columns.
        """
        self._spacing = tuple(spacing)
        self._patients: dict[str, _Patient] = {}

    def add(
        self,
        predicted: np.ndarray,
        reference: np.ndarray,
        subjects: Sequence[str],
        heights: Sequence[int],
    ) -> None:
        """Adds slices.

        Args:
          predicted, reference: label maps ``(N, H, W)``.
          subjects: ``(N,)`` names of the patients.
          heights: ``(N,)`` indices of the slices in their patient's volume.
        """
        for found, true, name, height in zip(
            predicted, reference, subjects, heights, strict=True
        ):
            self._patients.setdefault(name, _Patient()).add(found, true, int(height))

    def summary(self) -> dict:
        """JSON-ready scores by lesion label.

        Returns:
          ``subjects`` and ``hausdorff_subjects`` have each patient's Dice and 95 %
          Hausdorff distance in mm; ``dice`` and ``hausdorff_95`` are their means over
          the patients whose reference has the label (for distances: and in whom
          something was found). ``missed`` counts patients whose lesion was not found
          at all; ``false_positives`` the patients without the label, those of them in
          whom it was found, and its mean volume in ml over all of them. ``deleted`` and
          ``invented`` count slices, of ``slices`` whose reference has the label.

        Raises:
          InputError: no slice was added.
        """
        if not self._patients:
            raise InputError("no slices to score, expected at least one")
        patients = dict(sorted(self._patients.items()))
        dice = {name: patient.dice() for name, patient in patients.items()}
        distances = {n: p.distances(self._spacing) for n, p in patients.items()}
        return {
            "dice": average(list(dice.values())),
            "hausdorff_95": average(list(distances.values())),
            "missed": self._count(lambda patient: patient.missed),
            "false_positives": self._false_positives(),
            "deleted": self._count(lambda patient: patient.deleted),
            "invented": self._count(lambda patient: patient.invented),
            "slices": self._count(lambda patient: patient.slices),
            "subjects": dice,
            "hausdorff_subjects": distances,
        }

    def _count(self, counts) -> dict[str, int]:
        """A count of every label, summed over patients."""
        total = sum(counts(patient) for patient in self._patients.values())
        return {name: int(n) for name, n in zip(LESIONS, total, strict=True)}

    def _false_positives(self) -> dict[str, dict]:
        voxel = float(np.prod(self._spacing)) / 1000
        found = np.array([p.found for p in self._patients.values()])
        absent = np.array([p.true == 0 for p in self._patients.values()])
        out = {}
        for place, name in enumerate(LESIONS):
            volumes = found[absent[:, place], place] * voxel
            out[name] = {
                "patients": len(volumes),
                "found_in": int(np.count_nonzero(volumes)),
                "mean_ml": float(volumes.mean()) if len(volumes) else None,
            }
        return out


class _Patient:
    """Counts by label, and where the lesion is, of one patient."""

    def __init__(self):
        self.both, self.found, self.true, self.slices, self.deleted, self.invented = (
            np.zeros((6, len(LESION_LABELS)), np.int64)
        )
        self._places: list[np.ndarray] = []  # rows of height, row, column, codes

    @property
    def missed(self) -> np.ndarray:
        return (self.true > 0) & (self.found == 0)

    def add(self, found: np.ndarray, true: np.ndarray, height: int) -> None:
        lesion = np.isin(found, LESION_LABELS) | np.isin(true, LESION_LABELS)
        rows, columns = np.nonzero(lesion)
        found, true = found[lesion], true[lesion]
        heights = np.full(len(rows), height)
        self._places.append(np.stack([heights, rows, columns, found, true]))
        for place, code in enumerate(LESION_LABELS):
            a, b = found == code, true == code
            self.both[place] += np.count_nonzero(a & b)
            self.found[place] += np.count_nonzero(a)
            self.true[place] += np.count_nonzero(b)
            self.slices[place] += b.any()
            self.deleted[place] += b.any() and not a.any()
            self.invented[place] += a.any() and not b.any()

    def dice(self) -> dict[str, float | None]:
        """Of each label; None if the reference has none of it."""
        return {
            name: float(2 * both / (found + true)) if true else None
            for name, both, found, true in zip(
                LESIONS, self.both, self.found, self.true, strict=True
            )
        }

    def distances(self, spacing: Sequence[float]) -> dict[str, float | None]:
        """95 % Hausdorff distance of each label in mm; None if either map lacks it."""
        heights, rows, columns, found, true = np.concatenate(self._places, axis=1)
        out = dict.fromkeys(LESIONS)
        for place, code in enumerate(LESION_LABELS):
            if not (self.found[place] and self.true[place]):
                continue
            either = (found == code) | (true == code)
            at = np.stack([heights, rows, columns])[:, either]
            at = at - at.min(axis=1, keepdims=True)
            volumes = np.zeros((2, *(at.max(axis=1) + 1)), bool)
            volumes[0][tuple(at)] = found[either] == code
            volumes[1][tuple(at)] = true[either] == code
            out[LESIONS[place]] = hausdorff_95(*volumes, spacing=spacing)
        return out
