"""The tables in which a segmenter learns from each row's images: II, V and VI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from samr_jax.evaluation.reports.paper_tables import segmentation_table
from samr_jax.evaluation.reports.summaries import ablation_table
from samr_jax.tables.augmentation_study import (
    augmented_directories,
    augmented_evaluations,
    volumes_of,
)
from samr_jax.tables.outcome import Made, add_gains, one_result, row_directories
from samr_jax.tables.rows import BASELINE, GEOMETRIC, MIXES, SEGMENTER, Row, Table
from samr_jax.tables.table_runs import TableRuns, check_comparable

ALONE = "alone"
"""Block of Table II whose segmenters have seen synthesized images alone."""


def augmentation(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Table II: a block for each mix, then synthesized images alone (beyond the paper).

    All segmenters take the same number of optimizer steps and are tested on the same
    real patients. The gains of all blocks over real data alone are corrected together.
    """
    baseline = one_result(BASELINE, table_runs.evaluations(SEGMENTER))
    directories = {BASELINE: table_runs.directories(SEGMENTER)}
    directories |= row_directories(rows, table_runs)
    sources = [*((row.title, row) for row in rows), (GEOMETRIC, None)]
    blocks: dict[float, dict[str, dict]] = {}
    for share in table_runs.shares:
        blocks[share] = {}
        for title, row in sources:
            evaluations = augmented_evaluations(table_runs, row, share)
            blocks[share][title] = one_result(title, evaluations)
            name = f"{title}, mix {share:g}"
            directories[name] = augmented_directories(table_runs, row, share)
        check_comparable({BASELINE: baseline, **blocks[share]})
    alone = _images_alone(rows, table_runs, directories)
    check_comparable({BASELINE: baseline, **alone})
    mixed = [result for block in blocks.values() for result in block.values()]
    blocks[0.0] = {BASELINE: baseline}
    add_gains([*mixed, *alone.values()], baseline)
    pages = [
        _mix_page(table, share, block, table_runs) for share, block in blocks.items()
    ]
    pages.append(_alone_page(table, {BASELINE: baseline, **alone}, table_runs))
    results = {f"{share:g}": block for share, block in blocks.items()}
    return Made(pages, {**results, ALONE: alone}, directories)


def _mix_page(
    table: Table, share: float, block: Mapping[str, Mapping], table_runs: TableRuns
) -> str:
    """The block of Table II for one share of further volumes."""
    part = table_runs.parts[0]
    further = volumes_of(part, share) if share else 0
    real = len(part.dataset.splits["train"])
    experiment = MIXES.get(share)
    return segmentation_table(
        {name: result["dice"] for name, result in block.items()},
        title=f"{table.title}: {further} further + {real} real volumes",
        simulated=table_runs.dataset.simulated,
        published=table.published[experiment] if experiment else {},
        notes=[f"The paper's: {experiment}."] if experiment else [],
    )


def ablation(table: Table, rows: Sequence[Row], table_runs: TableRuns) -> Made:
    """Table V: Dice of the first mix, and accuracy in the whole lesion."""
    baseline = one_result(BASELINE, table_runs.evaluations(SEGMENTER))
    results, directories = {}, row_directories(rows, table_runs)
    for row in rows:
        result = one_result(row.title, table_runs.evaluations(row))
        augmented = augmented_evaluations(table_runs, row, 1.0)
        dice = one_result(row.title, augmented)["dice"]
        results[row.title] = {**result, "dice": dice}
        name = f"{row.title}, mix 1"
        directories[name] = augmented_directories(table_runs, row, 1.0)
    check_comparable({BASELINE: baseline, **results})
    add_gains(list(results.values()), baseline)
    page = ablation_table(
        results,
        title=table.title,
        simulated=table_runs.dataset.simulated,
        published=table.published,
    )
    return Made([page], {BASELINE: baseline, **results}, directories)


def usefulness(
    table: Table,
    rows: Sequence[Row],
    table_runs: TableRuns,
    results: dict[str, dict],
    directories: dict[str, list[Path]],
) -> str:
    """The page of Table VI about segmenters that have seen one row's images alone.

    Adds each Dice to `results` and the work directories of the runs to `directories`.
    """
    real = one_result(BASELINE, table_runs.evaluations(SEGMENTER))
    directories[BASELINE] = table_runs.directories(SEGMENTER)
    alone = _images_alone(rows, table_runs, directories)
    for title, result in alone.items():
        results[title]["trained_on_synthesized"] = result["dice"]
    return _alone_page(table, {"Real images": real, **alone}, table_runs)


def _images_alone(
    rows: Sequence[Row], table_runs: TableRuns, directories: dict[str, list[Path]]
) -> dict[str, dict]:
    """Results of segmenters that have seen one row's images alone, by the row's title.

    Adds the work directories of the runs to `directories`.
    """
    results = {}
    for row in rows:
        found = augmented_evaluations(table_runs, row, 1.0, with_real=False)
        results[row.title] = one_result(row.title, found)
        directories[f"{row.title}, images alone"] = augmented_directories(
            table_runs, row, 1.0, with_real=False
        )
    return results


def _alone_page(
    table: Table, results: Mapping[str, Mapping], table_runs: TableRuns
) -> str:
    """The page of segmenters that were trained on synthesized images alone."""
    return segmentation_table(
        {title: result["dice"] for title, result in results.items()},
        title=f"{table.title}: trained on synthesized images, tested on real images",
        simulated=table_runs.dataset.simulated,
        published={},
        notes=[
            "A row names the images that the segmenter was trained on; the first row "
            "is real images. All have as many training volumes and optimizer steps.",
        ],
    )
