"""All scores. A new score is a file of this folder and a line here."""

from __future__ import annotations

from collections.abc import Iterable

from samr_jax.evaluation.scores.brain_ssim import BRAIN_SSIM
from samr_jax.evaluation.scores.calibration import CALIBRATION
from samr_jax.evaluation.scores.edits import EDITS
from samr_jax.evaluation.scores.feature_distance import FEATURE_DISTANCE
from samr_jax.evaluation.scores.intensity_error import INTENSITY_ERROR
from samr_jax.evaluation.scores.mask_follow import MASK_FOLLOW
from samr_jax.evaluation.scores.memorisation import MEMORISATION
from samr_jax.evaluation.scores.pixel_accuracy import PIXEL_ACCURACY
from samr_jax.evaluation.scores.sample_spread import SAMPLE_SPREAD
from samr_jax.evaluation.scores.score import (
    Score,
    ScoreKind,
    Setting,
    TableScore,
)
from samr_jax.evaluation.scores.sharpness import SHARPNESS
from samr_jax.evaluation.scores.similarity import SIMILARITY
from samr_jax.evaluation.scores.slice_scores import (
    SliceColumn,
    SliceMeasure,
    SliceScores,
)
from samr_jax.evaluation.scores.slice_steps import SLICE_STEPS
from samr_jax.evaluation.scores.spectrum import SPECTRUM

SLICE_MEASURES: tuple[SliceMeasure, ...] = (
    PIXEL_ACCURACY,
    SIMILARITY,
)
"""Scores of slices, by sequence: the columns of Tables I and III, in their order."""

SCORE_KINDS: tuple[ScoreKind, ...] = (
    MASK_FOLLOW,
    MEMORISATION,
    CALIBRATION,
    SPECTRUM,
    SHARPNESS,
    BRAIN_SSIM,
    INTENSITY_ERROR,
    SLICE_STEPS,
    FEATURE_DISTANCE,
)
"""Scores of a whole split, beyond the paper."""

METHOD_SCORES: tuple[TableScore, ...] = (SAMPLE_SPREAD, EDITS)
"""Scores that need the method itself, for syntheses of other masks or seeds."""


def slice_columns() -> dict[str, SliceColumn]:
    """Scores of slices that tables print, by name."""
    return {
        name: column
        for measure in SLICE_MEASURES
        for name, column in measure.columns.items()
        if column is not None
    }


def slice_scores(sequences: tuple[str, ...]) -> SliceScores:
    """The scores of slices, with nothing added yet."""
    return SliceScores(sequences, SLICE_MEASURES)


def split_scores(setting: Setting) -> dict[str, Score]:
    """The scores of a split that a setting allows, by name."""
    return _made(SCORE_KINDS, setting)


def judged_scores(setting: Setting) -> dict[str, Score]:
    """Of `split_scores`, the scores that need a judge."""
    return _made([kind for kind in SCORE_KINDS if kind.judged], setting)


def table_scores() -> tuple[TableScore, ...]:
    """All scores beyond the paper, in the order of their columns."""
    return *SCORE_KINDS, *METHOD_SCORES


def _made(kinds: Iterable[ScoreKind], setting: Setting) -> dict[str, Score]:
    made = {kind.name: kind.make(setting) for kind in kinds}
    return {name: score for name, score in made.items() if score is not None}
