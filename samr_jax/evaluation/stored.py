"""Evaluations that were stored as JSON, read again and checked.

An evaluation by an earlier version may lack scores, or define them otherwise: until
version 0.1.0, Dice was averaged over other patients, and there were no distances. Such
a file is refused rather than compared with evaluations of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.evaluation.scores.registry import SLICE_MEASURES, table_scores
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import reading
from samr_jax.runtime.records import (
    COUNT,
    NUMBER,
    SWITCH,
    TEXT,
    Check,
    each,
    fields,
    or_null,
    read_record,
    tree,
)

METRICS = "metrics.json"
"""File of a run: its evaluation."""

AGAIN = "remove the file, and the same command scores again without training"
"""What to do about an evaluation that cannot be used."""

_PRINTED = [
    name
    for measure in SLICE_MEASURES
    for name, column in measure.columns.items()
    if column is None or column.in_paper
]
"""Scores of slices that the paper's tables print."""

_SCORES = fields(dict.fromkeys(_PRINTED, or_null(NUMBER)))
_BY_LABEL = fields(dict.fromkeys(LESIONS, or_null(NUMBER)))
_COUNTS = fields(dict.fromkeys(LESIONS, COUNT))
_FALSE = fields({"patients": COUNT, "found_in": COUNT, "mean_ml": or_null(NUMBER)})

_ABOUT = {
    "method": TEXT,
    "anatomy_prior": TEXT,
    "split": TEXT,
    "simulated": SWITCH,
    "dataset_hash": TEXT,
}
_SYNTHESIS = {
    "slices": COUNT,
    "sequences": each(_SCORES),
    "average": _SCORES,
    "subjects": each(_SCORES),
    "weights": each(fields(dict.fromkeys(_PRINTED, NUMBER))),
}
_DICE = fields(
    {
        "dice": _BY_LABEL,
        "hausdorff_95": _BY_LABEL,
        "missed": _COUNTS,
        "false_positives": fields(dict.fromkeys(LESIONS, _FALSE)),
        "deleted": _COUNTS,
        "invented": _COUNTS,
        "slices": _COUNTS,
        "subjects": each(_BY_LABEL),
        "hausdorff_subjects": each(_BY_LABEL),
    }
)
_FOLLOW = fields({"segmenter": TEXT, "synthesized": _DICE, "real": _DICE})


def read_evaluation(run: Path) -> dict[str, Any]:
    """The evaluation of a finished run, as `samr_jax.evaluation.evaluate` wrote it.

    Raises:
      InputError: the file cannot be read, or a field that the tables use is missing or
        damaged. The message says how to score again.
    """
    return _checked(run / METRICS, _of_run)


def read_evaluations(path: Path) -> dict[str, dict[str, Any]]:
    """Row -> evaluation, as `samr_jax.evaluation.baselines` makes them.

    Raises:
      InputError: as `read_evaluation`.
    """
    return _checked(path, each(_evaluation))


def _checked(path: Path, check: Check) -> Any:
    try:
        return read_record(path, check)
    except InputError as error:
        raise InputError(f"{error}; {AGAIN}") from None


def _of_run(place: str, found: Any) -> None:
    """A check of the evaluation of a run, which knows its steps."""
    fields({"step": COUNT})(place, found)
    _evaluation(place, found)


def _evaluation(place: str, found: Any) -> None:
    """A check of an evaluation."""
    tree(place, found)
    synthesizes = isinstance(found, dict) and "average" in found
    required: dict[str, Check] = dict(_ABOUT)
    required |= _SYNTHESIS if synthesizes else {"segmentation": _DICE}
    optional = {"segmentation": _DICE, "mask_follow": _FOLLOW}
    fields(required, optional=optional)(place, found)
    if synthesizes:
        _check_names(found)
    _check_columns(found)


def _check_names(found: Mapping[str, Any]) -> None:
    """All parts of a synthesis's scores have the same scores and patients."""
    if not found["sequences"] or not found["subjects"]:
        raise InputError("sequences or subjects are empty, expected at least one")
    if found["weights"].keys() != found["subjects"].keys():
        raise InputError("weights has other names than subjects, expected the same")
    names = found["average"].keys()
    for part in ("sequences", "subjects", "weights"):
        for name, scores in found[part].items():
            if scores.keys() != names:
                raise InputError(
                    f"{part}.{ascii(name)[1:-1]} has other scores than average, "
                    "expected the same"
                )


def _check_columns(found: Mapping[str, Any]) -> None:
    """Every number that a table prints can be taken from the scores that are there."""
    for kind in table_scores():
        if kind.name not in found:
            continue
        for column in kind.columns:
            for printed in (column.value, column.real):
                with reading(kind.name):
                    number = printed(found[kind.name])
                or_null(NUMBER)(f"{kind.name}, {column.heading}", number)
