"""Making a table: its rows' evaluations, and what is printed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from samr_jax.evaluation.baselines import evaluate_trivial
from samr_jax.evaluation.reports.paper_tables import segmentation_table
from samr_jax.evaluation.reports.summaries import (
    ablation_table,
    beyond_table,
    methods_table,
    sequences_table,
)
from samr_jax.evaluation.scores.intervals import difference_intervals
from samr_jax.evaluation.scores.seeds import over_seeds
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json, write_text
from samr_jax.tables.augmentation_study import augmented_evaluations, volumes_of
from samr_jax.tables.rows import (
    BASELINE,
    GEOMETRIC,
    MIXES,
    SEGMENTER,
    TABLES,
    Row,
    Table,
)
from samr_jax.tables.run_record import circumstances_page, describe
from samr_jax.tables.table_runs import Bench, account, check_comparable


class Made(NamedTuple):
    """What one kind of table comes to.

    Attributes:
      pages: Markdown.
      results: row's title -> its evaluation over seeds; of Table II by mix first.
      runs: row's title -> directories of its runs.
    """

    pages: list[str]
    results: dict[str, dict]
    runs: dict[str, list[Path]]


def make_table(number: int, bench: Bench, *, only: Sequence[str] = ()) -> Path:
    """Trains what is missing and writes ``table<N>.md`` and ``table<N>.json``.

    Args:
      number: 1 to 5.
      bench: the runs.
      only: titles of the rows to take; by default all.

    Returns:
      The Markdown file, in the bench's directory.

    Raises:
      InputError: there is no such table or row, a row cannot be had from the dataset,
        or a run in the directory is of another config, dataset or split.
    """
    if number not in TABLES:
        raise InputError(
            f"--table={number}, expected one of {', '.join(map(str, TABLES))}"
        )
    table = TABLES[number]
    rows = _chosen(table.rows, only)
    bench.check(rows)
    made = _KINDS[table.kind](table, rows, bench)
    content = {
        "table": number,
        "title": table.title,
        "seeds": list(bench.seeds),
        "dataset": describe(bench.dataset),
        "results": made.results,
        "published": table.published,
        "runs": {name: list(map(account, runs)) for name, runs in made.runs.items()},
    }
    write_json(bench.workdir / f"table{number}.json", content)
    path = bench.workdir / f"table{number}.md"
    write_text(path, "\n".join([*made.pages, circumstances_page(content)]))
    return path


def _synthesis(table: Table, rows: Sequence[Row], bench: Bench) -> Made:
    """Tables I and III."""
    results, simulated = {}, bench.dataset.simulated
    if table.trivial:
        results = evaluate_trivial(
            bench.dataset,
            "test",
            batch_size=bench.config(table.budget, 0).eval_batch_size,
            segmenter=load_model(bench.segmenter()),
        )
    for row in rows:
        results[row.title] = _over_seeds(row.title, bench.evaluations(row, follow=True))
    check_comparable(results)
    common = {"simulated": simulated, "published": table.published}
    pages = [
        methods_table(results, title=table.title, **common),
        sequences_table(results, title=f"{table.title}, by sequence", **common),
        beyond_table(results, title=f"{table.title}: beyond the paper"),
    ]
    return Made(pages, results, _runs(rows, bench))


def _segmentation(table: Table, rows: Sequence[Row], bench: Bench) -> Made:
    """Table IV, and below it what a segmenter reaches that sees pairs."""
    results = {
        row.title: _over_seeds(row.title, bench.evaluations(row))
        for row in (*rows, SEGMENTER)
    }
    check_comparable(results)
    dice = {name: result["dice"] for name, result in results.items()}
    page = segmentation_table(
        dice,
        title=table.title,
        simulated=bench.dataset.simulated,
        published=table.published,
        notes=[f"{SEGMENTER.title} is trained on pairs: the upper bound."],
    )
    return Made([page], results, _runs((*rows, SEGMENTER), bench))


def _augmentation(table: Table, rows: Sequence[Row], bench: Bench) -> Made:
    """Table II: a block for each mix, the real-only baseline last."""
    baseline = _over_seeds(BASELINE, bench.evaluations(SEGMENTER))
    pages, results = [], {}
    runs = {BASELINE: _directories(bench, SEGMENTER), **_runs(rows, bench)}
    for share, experiment in MIXES.items():
        block = {} if share else {BASELINE: baseline}
        for title, row in _mixed_rows(rows) if share else ():
            evaluations, paths = augmented_evaluations(bench, row, share)
            block[title] = _gain(_over_seeds(title, evaluations), baseline)
            runs[f"{title}, mix {share:g}"] = paths
        check_comparable({BASELINE: baseline, **block})
        further = volumes_of(bench, share) if share else 0
        title = (
            f"{table.title}: {further} further + {len(bench.dataset.splits['train'])} "
            "real volumes"
        )
        pages.append(
            segmentation_table(
                {name: result["dice"] for name, result in block.items()},
                title=title,
                simulated=bench.dataset.simulated,
                published=table.published[experiment],
                notes=[f"The paper's: {experiment}."],
            )
        )
        results[f"{share:g}"] = block
    return Made(pages, results, runs)


def _ablation(table: Table, rows: Sequence[Row], bench: Bench) -> Made:
    """Table V: Dice of the first mix, and accuracy in the whole lesion."""
    baseline = _over_seeds(BASELINE, bench.evaluations(SEGMENTER))
    results, runs = {}, _runs(rows, bench)
    for row in rows:
        result = _over_seeds(row.title, bench.evaluations(row))
        evaluations, paths = augmented_evaluations(bench, row, 1.0)
        dice = _gain(_over_seeds(row.title, evaluations), baseline)["dice"]
        results[row.title] = {**result, "dice": dice}
        runs[f"{row.title}, mix 1"] = paths
    check_comparable({BASELINE: baseline, **results})
    page = ablation_table(
        results,
        title=table.title,
        simulated=bench.dataset.simulated,
        published=table.published,
    )
    return Made([page], {BASELINE: baseline, **results}, runs)


_KINDS = {
    "synthesis": _synthesis,
    "segmentation": _segmentation,
    "augmentation": _augmentation,
    "ablation": _ablation,
}


def _mixed_rows(rows: Sequence[Row]) -> list[tuple[str, Row | None]]:
    return [*((row.title, row) for row in rows), (GEOMETRIC, None)]


def _over_seeds(title: str, evaluations: Sequence[dict]) -> dict:
    """One evaluation; its segmentation apart, as ``dice``."""
    check_comparable({f"{title}, run {i + 1}": e for i, e in enumerate(evaluations)})
    result = over_seeds(evaluations)
    if "segmentation" in result:
        result["dice"] = over_seeds([e["segmentation"] for e in evaluations])
        del result["segmentation"], result["spread"]["segmentation"]
    return result


def _gain(result: dict, baseline: Mapping) -> dict:
    """With intervals of the gain over the baseline, patient by patient."""
    gain = difference_intervals(result["dice"], baseline["dice"], seed=0)
    return {**result, "dice": {**result["dice"], "gain": gain}}


def _chosen(rows: Sequence[Row], only: Sequence[str]) -> tuple[Row, ...]:
    titles = [row.title for row in rows]
    for title in only:
        if title not in titles:
            raise InputError(f"row {title!r}, expected some of {', '.join(titles)}")
    return tuple(row for row in rows if not only or row.title in only)


def _directories(bench: Bench, row: Row) -> list[Path]:
    return [bench.workdir / row.key / f"seed-{seed}" for seed in bench.seeds]


def _runs(rows: Sequence[Row], bench: Bench) -> dict[str, list[Path]]:
    return {row.title: _directories(bench, row) for row in rows}
