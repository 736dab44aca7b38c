"""Does the spread of samples predict the error?

A method that draws noise gives another image for every seed. If its samples and the
real image are draws from one distribution of standard deviation σ, they differ from
each other by 2 σ / √π on average, where the distribution is normal. So the standard
deviation of a few samples predicts the absolute error, as λ_cm / c does, and is held
against it in the same way (`samr_jax.evaluation.scores.calibration`).

The two predictions are of different errors: λ_cm / c of the error of the intermediate
image at half the size, the spread of the error of the final image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from samr_jax.data.slices import Slices
from samr_jax.data.window import unpack
from samr_jax.evaluation.scores.calibration import calibration, over_sequences
from samr_jax.evaluation.scores.edits import largest_lesions
from samr_jax.evaluation.scores.score import Column, TableScore
from samr_jax.labels import BACKGROUND

SAMPLES = 4

Synthesize = Callable[[Sequence[dict], int], np.ndarray]
"""Instances and a seed to syntheses ``(N, H, W, S)`` in [-1, 1]."""


def sample_spread(slices: Slices, synthesize: Synthesize) -> dict | None:
    """Calibration of the spread of samples, inside the brain.

    One slice of each patient is synthesized several times: the slice with most lesion.
    The first synthesis is held against the real image, the others give the spread.

    Args:
      slices: a split.
      synthesize: the method that is scored.

    Returns:
      JSON-ready: ``samples``, their number; ``patients``; ``sequences`` with the result
      of `calibration` for each sequence, in network intensity. None if no patient has a
      lesion.
    """
    chosen = largest_lesions(slices)
    if not chosen:
        return None
    image, *samples = (synthesize(chosen, seed) for seed in range(SAMPLES + 1))
    real = unpack(np.stack([item["images"] for item in chosen]))
    brain = np.stack([item["labels"] for item in chosen]) != BACKGROUND
    spread = np.std(samples, axis=0, ddof=1, dtype=np.float64)
    predicted, observed = 2 / np.sqrt(np.pi) * spread, np.abs(image - real)
    return {
        "samples": SAMPLES,
        "patients": len(chosen),
        "unit": "network intensity",
        "sequences": {
            name: calibration(
                predicted[brain][:, channel], observed[brain][:, channel], bins=10
            )
            for channel, name in enumerate(slices.dataset.sequences)
        },
    }


SAMPLE_SPREAD = TableScore(
    name="sample_spread",
    columns=(
        Column(
            "Samples' order",
            "{:.2f}",
            over_sequences(lambda scores: scores["sparsification"]["gain"]),
        ),
        Column(
            "Samples' calibration error",
            "{:.3f}",
            over_sequences(lambda scores: scores["calibration_error"]),
        ),
    ),
    note="Samples: the same two numbers as for λ_cm / c, for the error that the spread "
    f"of {SAMPLES} samples predicts, in one slice of each patient.",
)
