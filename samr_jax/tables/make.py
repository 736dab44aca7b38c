"""Making a table: its rows' evaluations, their comparison, and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samr_jax.evaluation.baselines import evaluate_trivial
from samr_jax.evaluation.reports.paper_tables import segmentation_table
from samr_jax.evaluation.reports.summaries import (
    beyond_table,
    differences_table,
    methods_table,
    sequences_table,
)
from samr_jax.evaluation.stored import read_evaluations
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json, write_text
from samr_jax.tables.augmentation_tables import ablation, augmentation, usefulness
from samr_jax.tables.outcome import Made, compared, one_result, row_directories
from samr_jax.tables.rows import SEGMENTER, TABLES, Row, Table
from samr_jax.tables.run_record import dataset_record, how_it_was_made, provenance_of
from samr_jax.tables.table_runs import TableRuns, check_comparable
from samr_jax.tables.trials import choices_page

TRIVIAL = "trivial.json"
"""Evaluations of the rows that need no network, in the work directory of a fold."""


def make_table(number: int, table_runs: TableRuns, *, only: Sequence[str] = ()) -> Path:
    """Trains the runs that are missing, writes ``table<N>.md`` and ``table<N>.json``.

    Args:
      number: 1 to 6.
      table_runs: the runs.
      only: titles of the rows to take; by default all.

    Returns:
      The Markdown file, in the directory of the runs.

    Raises:
      InputError: there is no such table or row, a row cannot be had from the dataset,
        or a run in the directory is of another config, dataset or split.
    """
    table, rows = chosen_rows(number, only)
    table_runs.check(rows)
    choices = table_runs.choose((SEGMENTER, *rows))
    made = _KINDS[table.kind](table, rows, table_runs)
    content = {
        "table": number,
        "title": table.title,
        "seeds": list(table_runs.seeds),
        "folds": table_runs.folds,
        "train_patients": table_runs.train_patients,
        "shares": list(table_runs.shares) if table.kind == "augmentation" else None,
        "lesions": table_runs.lesions and sorted(table_runs.lesions.masks),
        "lesions_space": table_runs.lesions and table_runs.lesions.space,
        "dataset": dataset_record(table_runs.dataset),
        "results": made.results,
        "comparisons": made.comparisons,
        "published": table.published,
        "learning_rates": choices,
        "runs": {
            name: list(map(provenance_of, directories))
            for name, directories in made.directories.items()
        },
    }
    write_json(table_runs.workdir / f"table{number}.json", content)
    path = table_runs.workdir / f"table{number}.md"
    pages = [*made.pages, how_it_was_made(content)]
    if table_runs.grid:
        pages.insert(-1, choices_page(choices, table_runs.grid))
    write_text(path, "\n".join(pages))
    return path


def chosen_rows(number: int, only: Sequence[str]) -> tuple[Table, tuple[Row, ...]]:
    """A table and those of its rows that were asked for.

    Raises:
      InputError: there is no such table or row.
    """
    if number not in TABLES:
        raise InputError(
            f"--table={number}, expected one of {', '.join(map(str, TABLES))}"
        )
    table = TABLES[number]
    known = {row.title: row for row in (*table.rows, *table.on_request)}
    for title in only:
        if title not in known:
            raise InputError(f"row {title!r}, expected some of {', '.join(known)}")
    if not only:
        return table, table.rows
    return table, tuple(row for title, row in known.items() if title in only)


def _synthesis(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Tables I and III."""
    results: dict[str, dict] = {}
    if table.trivial:
        results = _trivial(table, table_runs)
    for row in rows:
        evaluations = table_runs.evaluations(row, follow=True)
        results[row.title] = one_result(row.title, evaluations)
    check_comparable(results)
    common: dict[str, Any] = {"simulated": table_runs.dataset.simulated}
    published: dict[str, Any] = {"published": table.published}
    pages = [
        methods_table(results, title=table.title, **common, **published),
        sequences_table(
            results, title=f"{table.title}, by sequence", **common, **published
        ),
        beyond_table(results, title=f"{table.title}: beyond the paper"),
    ]
    reference = table.budget.title
    comparisons = None
    if reference in results:
        comparisons = compared(results, reference)
        title = f"{table.title}: paired differences"
        pages.insert(
            1,
            differences_table(comparisons, reference=reference, title=title, **common),
        )
    directories = row_directories(rows, table_runs)
    if table.useful:
        pages.append(usefulness(table, rows, table_runs, results, directories))
    return Made(pages, results, directories, comparisons)


def _segmentation(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Table IV, and below it the Dice that a segmenter reaches that sees pairs."""
    rows = (*rows, SEGMENTER)
    results = {
        row.title: one_result(row.title, table_runs.evaluations(row)) for row in rows
    }
    check_comparable(results)
    page = segmentation_table(
        {name: result["dice"] for name, result in results.items()},
        title=table.title,
        simulated=table_runs.dataset.simulated,
        published=table.published,
        notes=[f"{SEGMENTER.title} is trained on pairs: the upper bound."],
    )
    return Made([page], results, row_directories(rows, table_runs))


_KINDS = {
    "synthesis": _synthesis,
    "segmentation": _segmentation,
    "augmentation": augmentation,
    "ablation": ablation,
}


def _trivial(table: Table, table_runs: TableRuns) -> dict[str, dict]:
    """The rows that need no network, over the test patients of all folds."""
    names: list[str] = []

    def evaluations(part: TableRuns) -> list[dict]:
        found = _trivial_evaluations(table, part)
        names[:] = found
        return list(found.values())

    pooled = table_runs.pooled(evaluations)
    return dict(zip(names, pooled, strict=True))


def _trivial_evaluations(table: Table, part: TableRuns) -> dict[str, dict]:
    """The rows that need no network, of one fold; they are scored once and kept."""
    segmenter = part.trained_segmenter()
    path = part.workdir / TRIVIAL
    if path.exists():
        found = read_evaluations(path)
        hashes = {evaluation["dataset_hash"] for evaluation in found.values()}
        if hashes == {part.dataset.content_hash}:
            return found
    found = evaluate_trivial(
        part.dataset,
        "test",
        batch_size=part.config(table.budget, 0).eval_batch_size,
        segmenter=load_model(segmenter),
    )
    write_json(path, found)
    return found
