"""Making a table: its rows' evaluations, their comparison, and the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from samr_jax.evaluation.baselines import evaluate_trivial
from samr_jax.evaluation.reports.paper_tables import COLUMNS, segmentation_table
from samr_jax.evaluation.reports.summaries import (
    ablation_table,
    beyond_table,
    differences_table,
    methods_table,
    sequences_table,
)
from samr_jax.evaluation.scores.comparisons import corrected, subject_differences
from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.evaluation.scores.seeds import over_seeds
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json, write_json, write_text
from samr_jax.tables.augmentation_study import (
    augmented_directories,
    augmented_evaluations,
    volumes_of,
)
from samr_jax.tables.rows import (
    BASELINE,
    GEOMETRIC,
    MIXES,
    SEGMENTER,
    TABLES,
    Row,
    Table,
)
from samr_jax.tables.run_record import dataset_record, how_it_was_made, provenance_of
from samr_jax.tables.table_runs import TableRuns, check_comparable
from samr_jax.tables.trials import choices_page

TRIVIAL = "trivial.json"
"""Evaluations of the rows that need no network, in the work directory of a fold."""


class Made(NamedTuple):
    """The outcome of one kind of table.

    Attributes:
      pages: Markdown.
      results: row's title -> its evaluation over seeds; of Table II by mix first.
      directories: row's title -> the work directories of its runs.
      comparisons: other row -> score -> paired difference; JSON-ready.
    """

    pages: list[str]
    results: dict[str, dict]
    directories: dict[str, list[Path]]
    comparisons: dict[str, dict] | None = None


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
    titles = [row.title for row in table.rows]
    for title in only:
        if title not in titles:
            raise InputError(f"row {title!r}, expected some of {', '.join(titles)}")
    return table, tuple(row for row in table.rows if not only or row.title in only)


def _synthesis(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Tables I and III."""
    results: dict[str, dict] = {}
    if table.trivial:
        results = _trivial(table, table_runs)
    for row in rows:
        evaluations = table_runs.evaluations(row, follow=True)
        results[row.title] = _over_seeds(row.title, evaluations)
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
        comparisons = _compared(results, reference)
        title = f"{table.title}: paired differences"
        pages.insert(
            1,
            differences_table(comparisons, reference=reference, title=title, **common),
        )
    directories = _directories(rows, table_runs)
    if table.useful:
        pages.append(_usefulness(table, rows, table_runs, results, directories))
    return Made(pages, results, directories, comparisons)


def _usefulness(
    table: Table,
    rows: Sequence[Row],
    table_runs: TableRuns,
    results: dict[str, dict],
    directories: dict[str, list[Path]],
) -> str:
    """The page of segmenters that have seen one row's images alone.

    Adds each Dice to `results` and the work directories of the runs to `directories`.
    """
    real = _over_seeds(BASELINE, table_runs.evaluations(SEGMENTER))
    directories[BASELINE] = table_runs.directories(SEGMENTER)
    dice = {"Real images": real["dice"]}
    for row in rows:
        found = augmented_evaluations(table_runs, row, 1.0, with_real=False)
        dice[row.title] = _over_seeds(row.title, found)["dice"]
        results[row.title]["trained_on_synthesized"] = dice[row.title]
        directories[f"{row.title}, images alone"] = augmented_directories(
            table_runs, row, 1.0, with_real=False
        )
    return segmentation_table(
        dice,
        title=f"{table.title}: trained on synthesized images, tested on real images",
        simulated=table_runs.dataset.simulated,
        published={},
        notes=["A row names the images that the segmenter was trained on."],
    )


def _segmentation(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Table IV, and below it the Dice that a segmenter reaches that sees pairs."""
    rows = (*rows, SEGMENTER)
    results = {
        row.title: _over_seeds(row.title, table_runs.evaluations(row)) for row in rows
    }
    check_comparable(results)
    page = segmentation_table(
        {name: result["dice"] for name, result in results.items()},
        title=table.title,
        simulated=table_runs.dataset.simulated,
        published=table.published,
        notes=[f"{SEGMENTER.title} is trained on pairs: the upper bound."],
    )
    return Made([page], results, _directories(rows, table_runs))


def _augmentation(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Table II: a block for each mix, the segmenter of real data alone last."""
    baseline = _over_seeds(BASELINE, table_runs.evaluations(SEGMENTER))
    directories = {BASELINE: table_runs.directories(SEGMENTER)}
    directories |= _directories(rows, table_runs)
    sources = [*((row.title, row) for row in rows), (GEOMETRIC, None)]
    blocks: dict[float, dict[str, dict]] = {}
    for share in MIXES:
        blocks[share] = {} if share else {BASELINE: baseline}
        for title, row in sources if share else ():
            evaluations = augmented_evaluations(table_runs, row, share)
            blocks[share][title] = _over_seeds(title, evaluations)
            name = f"{title}, mix {share:g}"
            directories[name] = augmented_directories(table_runs, row, share)
        check_comparable({BASELINE: baseline, **blocks[share]})
    _add_gains(
        [result for share in blocks if share for result in blocks[share].values()],
        baseline,
    )
    pages = [
        _mix_page(table, share, block, table_runs) for share, block in blocks.items()
    ]
    results = {f"{share:g}": block for share, block in blocks.items()}
    return Made(pages, results, directories)


def _mix_page(
    table: Table, share: float, block: Mapping[str, Mapping], table_runs: TableRuns
) -> str:
    """The block of Table II for one share of further volumes."""
    part = table_runs.parts[0]
    further = volumes_of(part, share) if share else 0
    real = len(part.dataset.splits["train"])
    experiment = MIXES[share]
    return segmentation_table(
        {name: result["dice"] for name, result in block.items()},
        title=f"{table.title}: {further} further + {real} real volumes",
        simulated=table_runs.dataset.simulated,
        published=table.published[experiment],
        notes=[f"The paper's: {experiment}."],
    )


def _ablation(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Table V: Dice of the first mix, and accuracy in the whole lesion."""
    baseline = _over_seeds(BASELINE, table_runs.evaluations(SEGMENTER))
    results, directories = {}, _directories(rows, table_runs)
    for row in rows:
        result = _over_seeds(row.title, table_runs.evaluations(row))
        augmented = augmented_evaluations(table_runs, row, 1.0)
        dice = _over_seeds(row.title, augmented)["dice"]
        results[row.title] = {**result, "dice": dice}
        name = f"{row.title}, mix 1"
        directories[name] = augmented_directories(table_runs, row, 1.0)
    check_comparable({BASELINE: baseline, **results})
    _add_gains(list(results.values()), baseline)
    page = ablation_table(
        results,
        title=table.title,
        simulated=table_runs.dataset.simulated,
        published=table.published,
    )
    return Made([page], {BASELINE: baseline, **results}, directories)


_KINDS = {
    "synthesis": _synthesis,
    "segmentation": _segmentation,
    "augmentation": _augmentation,
    "ablation": _ablation,
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
    segmenter = part.segmenter()
    path = part.workdir / TRIVIAL
    if path.exists():
        found = read_json(path)
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


def _over_seeds(title: str, evaluations: Sequence[dict]) -> dict:
    """One evaluation; its segmentation apart, as ``dice``."""
    check_comparable({f"{title}, run {i + 1}": e for i, e in enumerate(evaluations)})
    result = over_seeds(evaluations)
    if "segmentation" in result:
        result["dice"] = over_seeds([e["segmentation"] for e in evaluations])
        del result["segmentation"], result["spread"]["segmentation"]
    return result


def _compared(results: Mapping[str, Mapping], reference: str) -> dict[str, dict]:
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


def _add_gains(results: Sequence[dict], baseline: Mapping) -> None:
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


def _by_row(differences: Mapping[tuple, dict | None]) -> dict:
    """(row, score) -> difference, as row -> score -> difference."""
    rows: dict = {}
    for (row, score), found in differences.items():
        rows.setdefault(row, {})[score] = found
    return rows


def _directories(rows: Sequence[Row], table_runs: TableRuns) -> dict[str, list[Path]]:
    return {row.title: table_runs.directories(row) for row in rows}
