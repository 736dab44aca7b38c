"""The outcome of a table: evaluations over seeds, and their paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from samr_jax.evaluation.reports.paper_tables import COLUMNS
from samr_jax.evaluation.scores.comparisons import corrected, subject_differences
from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.evaluation.scores.seeds import over_seeds
from samr_jax.runtime.errors import InputError
from samr_jax.tables.rows import Row
from samr_jax.tables.table_runs import TableRuns, check_comparable


class Made(NamedTuple):
    """The outcome of one kind of table.

    Attributes:
      pages: Markdown.
      results: row's title -> its evaluation over seeds; of Table II by block first.
      directories: row's title -> the work directories of its runs.
      comparisons: other row -> score -> paired difference; JSON-ready.
    """

    pages: list[str]
    results: dict[str, dict]
    directories: dict[str, list[Path]]
    comparisons: dict[str, dict] | None = None


def one_result(title: str, evaluations: Sequence[dict]) -> dict:
    """One row's evaluation over its runs; its segmentation apart, as ``dice``.

    Args:
      title: of the row, for an error.
      evaluations: one a seed.

    Raises:
      InputError: the runs were evaluated on different data, or one of them without
        segmentation.
    """
    check_comparable({f"{title}, run {i + 1}": e for i, e in enumerate(evaluations)})
    result = over_seeds(evaluations)
    if "segmentation" in result:
        if any("segmentation" not in evaluation for evaluation in evaluations):
            raise InputError(
                f"{title}: a run has no segmentation, expected one of every run"
            )
        result["dice"] = over_seeds([e["segmentation"] for e in evaluations])
        del result["segmentation"], result["spread"]["segmentation"]
    return result


def compared(results: Mapping[str, Mapping], reference: str) -> dict[str, dict]:
    """Paired differences of the reference and every other row, corrected together."""
    ours = results[reference]["subjects"]
    differences = {
        (name, score): found
        for name, result in results.items()
        if name != reference
        for score, found in subject_differences(
            ours, result["subjects"], list(COLUMNS)
        ).items()
    }
    return _by_row(corrected(differences))


def add_gains(results: Sequence[dict], baseline: Mapping) -> None:
    """Adds to each ``dice`` its gain over the baseline; all are corrected together."""
    theirs = baseline["dice"]["subjects"]
    differences = {
        (place, label): found
        for place, result in enumerate(results)
        for label, found in subject_differences(
            result["dice"]["subjects"], theirs, LESIONS
        ).items()
    }
    for place, gain in _by_row(corrected(differences)).items():
        results[place]["dice"]["gain"] = gain


def row_directories(
    rows: Sequence[Row], table_runs: TableRuns
) -> dict[str, list[Path]]:
    """Title -> the work directories of the row's runs, of all folds and seeds."""
    return {row.title: table_runs.directories(row) for row in rows}


def _by_row(differences: Mapping[tuple, dict | None]) -> dict:
    """(row, score) -> difference, as row -> score -> difference."""
    rows: dict = {}
    for (row, score), found in differences.items():
        rows.setdefault(row, {})[score] = found
    return rows
