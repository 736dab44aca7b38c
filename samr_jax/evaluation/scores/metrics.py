"""The paper's metrics (section IV-C), on intensities 0..255.

``[-1, 1]`` maps affinely to ``0..255``: "within 16 of the ground truth" is on that
scale, and SSIM and PSNR have a data range of 255. Both are of the whole slice,
background included. Counts are kept, so that percentages of a split are of its pixels
and not means of slices' percentages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from skimage.metrics import structural_similarity

from samr_jax.labels import LABELS, LESION_LABELS
from samr_jax.runtime.errors import InputError

DATA_RANGE = 255.0
TOLERANCE = 16.0
SSIM_WINDOW = 11
REGIONS = {LABELS[code]: (code,) for code in LESION_LABELS} | {"lesion": LESION_LABELS}
"""Where pixel accuracy is taken: each lesion label, and their union."""


def to_metric_range(images: np.ndarray) -> np.ndarray:
    """[-1, 1] to 0..255."""
    return (np.asarray(images, np.float64) + 1) * (DATA_RANGE / 2)


def pixel_hits(
    synthesized: np.ndarray, real: np.ndarray, labels: np.ndarray, codes: Sequence[int]
) -> tuple[np.ndarray, int]:
    """Pixels of some labels that are right.

    Args:
      synthesized, real: ``(..., S)`` in 0..255.
      labels: ``(...)`` codes.
      codes: the labels that count.

    Returns:
      Per sequence the number of pixels within `TOLERANCE`, and the number of pixels.
    """
    region = np.isin(labels, codes)
    right = np.abs(synthesized[region] - real[region]) <= TOLERANCE
    return right.sum(axis=0), int(region.sum())


def ssim(synthesized: np.ndarray, real: np.ndarray) -> float:
    """SSIM of one channel ``(H, W)`` in 0..255 (Wang 2004: 11 x 11, sigma 1.5)."""
    if min(real.shape) < SSIM_WINDOW:
        raise InputError(
            f"slices of {real.shape[0]} x {real.shape[1]}, expected at least "
            f"{SSIM_WINDOW} x {SSIM_WINDOW} for SSIM"
        )
    return float(
        structural_similarity(
            real,
            synthesized,
            win_size=SSIM_WINDOW,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=DATA_RANGE,
        )
    )


def psnr(synthesized: np.ndarray, real: np.ndarray) -> float:
    """PSNR in dB of images in 0..255.

    The squared error is not taken below that of 8-bit rounding (58.9 dB), so that an
    identical image does not make a mean infinite.
    """
    error = max(np.mean(np.square(synthesized - real)), 1 / 12)
    return float(10 * np.log10(DATA_RANGE**2 / error))


class SynthesisScores:
    """Accumulates the metrics over a split, subject by subject."""

    def __init__(self, sequences: Sequence[str]):
        self.sequences = tuple(sequences)
        self._subjects: dict[str, _Counts] = {}

    def add(
        self,
        synthesized: np.ndarray,
        real: np.ndarray,
        labels: np.ndarray,
        subjects: Sequence[str],
    ) -> None:
        """Adds slices.

        Args:
          synthesized, real: ``(N, H, W, S)`` in [-1, 1].
          labels: ``(N, H, W)``.
          subjects: whose each slice is, named by patient.

        Raises:
          InputError: a synthesized value is not finite.
        """
        bad = np.count_nonzero(~np.isfinite(synthesized))
        if bad:
            raise InputError(
                f"synthesized images: {bad} values are not finite, expected [-1, 1]"
            )
        synthesized, real = to_metric_range(synthesized), to_metric_range(real)
        for fake, true, label, name in zip(
            synthesized, real, labels, subjects, strict=True
        ):
            counts = self._subjects.setdefault(name, _Counts(len(self.sequences)))
            counts.add(fake, true, label)

    def summary(self) -> dict:
        """JSON-ready scores.

        ``sequences`` has for each sequence, and ``average`` for their mean, ``edema``,
        ``cavity``, ``tumor`` and ``lesion`` (pixel accuracy in percent, None where no
        slice has the label), ``ssim`` and ``psnr``; ``subjects`` the averages of each
        subject, and ``weights`` how much each counts in the split's: its pixels of the
        region, or its slices.
        """
        if not self._subjects:
            raise InputError("no slices to score, expected at least one")
        total = sum(self._subjects.values(), _Counts(len(self.sequences)))
        return {
            "data_range": DATA_RANGE,
            "region": "whole slice",
            "tolerance": TOLERANCE,
            "slices": total.slices,
            "sequences": dict(zip(self.sequences, total.scores(), strict=True)),
            "average": average(total.scores()),
            "subjects": {
                name: average(counts.scores())
                for name, counts in sorted(self._subjects.items())
            },
            "weights": {
                name: {**counts.pixels, "ssim": counts.slices, "psnr": counts.slices}
                for name, counts in sorted(self._subjects.items())
            },
        }


class _Counts:
    """Hits, pixels and sums over slices."""

    def __init__(self, sequences: int):
        self.slices = 0
        self.hits = {name: np.zeros(sequences, np.int64) for name in REGIONS}
        self.pixels = dict.fromkeys(REGIONS, 0)
        self.ssim = np.zeros(sequences)
        self.psnr = np.zeros(sequences)

    def add(self, fake: np.ndarray, true: np.ndarray, labels: np.ndarray) -> None:
        self.slices += 1
        for name, codes in REGIONS.items():
            hits, pixels = pixel_hits(fake, true, labels, codes)
            self.hits[name] += hits
            self.pixels[name] += pixels
        for channel in range(true.shape[-1]):
            pair = fake[..., channel], true[..., channel]
            self.ssim[channel] += ssim(*pair)
            self.psnr[channel] += psnr(*pair)

    def __add__(self, other: _Counts) -> _Counts:
        out = _Counts(len(self.ssim))
        out.slices = self.slices + other.slices
        for name in REGIONS:
            out.hits[name] = self.hits[name] + other.hits[name]
            out.pixels[name] = self.pixels[name] + other.pixels[name]
        out.ssim = self.ssim + other.ssim
        out.psnr = self.psnr + other.psnr
        return out

    def scores(self) -> list[dict[str, float | None]]:
        """One dictionary a sequence."""
        return [
            {
                **{
                    name: 100 * float(self.hits[name][channel]) / pixels
                    if (pixels := self.pixels[name])
                    else None
                    for name in REGIONS
                },
                "ssim": self.ssim[channel] / self.slices,
                "psnr": self.psnr[channel] / self.slices,
            }
            for channel in range(len(self.ssim))
        ]


def average(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Mean of each score over sequences; None where none has it."""
    out = {}
    for name in scores[0]:
        values = [item[name] for item in scores if item[name] is not None]
        out[name] = float(np.mean(values)) if values else None
    return out


class DiceCounts:
    """Dice per lesion label, accumulated per patient (Tables II and IV).

    Beside the overlap it counts, slice by slice, lesions that a segmentation deletes
    (the reference has the label and it has not) and invents (the reverse).
    """

    def __init__(self):
        self._overlap: dict[str, np.ndarray] = {}
        self._deleted = np.zeros(len(LESION_LABELS), np.int64)
        self._invented = np.zeros(len(LESION_LABELS), np.int64)
        self._slices = np.zeros(len(LESION_LABELS), np.int64)

    def add(
        self, predicted: np.ndarray, reference: np.ndarray, subjects: Sequence[str]
    ) -> None:
        """Adds label maps ``(N, H, W)``."""
        for found, true, name in zip(predicted, reference, subjects, strict=True):
            rows = self._overlap.setdefault(
                name, np.zeros((2, len(LESION_LABELS)), np.int64)
            )
            for place, code in enumerate(LESION_LABELS):
                a, b = found == code, true == code
                rows[0, place] += 2 * np.count_nonzero(a & b)
                rows[1, place] += np.count_nonzero(a) + np.count_nonzero(b)
                self._slices[place] += b.any()
                self._deleted[place] += b.any() and not a.any()
                self._invented[place] += a.any() and not b.any()

    def summary(self) -> dict:
        """JSON-ready scores of each lesion label.

        ``dice`` is the mean over the patients for whom either map has the label (None
        without any), ``subjects`` has each patient's; ``deleted`` and ``invented``
        count slices, of ``slices`` in which the reference has the label.
        """
        if not self._overlap:
            raise InputError("no slices to score, expected at least one")

        def dice(rows: np.ndarray) -> dict[str, float | None]:
            return {
                LABELS[code]: float(rows[0, place] / rows[1, place])
                if rows[1, place]
                else None
                for place, code in enumerate(LESION_LABELS)
            }

        def count(numbers: np.ndarray) -> dict[str, int]:
            return {
                LABELS[c]: int(n) for c, n in zip(LESION_LABELS, numbers, strict=True)
            }

        subjects = {name: dice(rows) for name, rows in sorted(self._overlap.items())}
        return {
            "dice": average(list(subjects.values())),
            "deleted": count(self._deleted),
            "invented": count(self._invented),
            "slices": count(self._slices),
            "subjects": subjects,
        }
