"""Pictures of how training goes."""

from __future__ import annotations

from pathlib import Path

from samr_jax.data.dataset import Slices
from samr_jax.evaluate import lesion_rows, predictions
from samr_jax.evaluation.figures import training_samples
from samr_jax.inference import Model

SAMPLES = 2


def draw_samples(
    model: Model, slices: Slices, path: Path, *, batch_size: int, title: str
) -> None:
    """Mask, synthesized, real and 1 - c of a few slices of a split."""
    rows = lesion_rows(slices, SAMPLES)
    (instances, synthesis), *_ = predictions(
        model, slices, batch_size=batch_size, rows=rows
    )
    training_samples(
        instances,
        synthesis,
        sequences=model.dataset.sequences,
        path=path,
        simulated=model.dataset.simulated,
        title=title,
    )
