"""Tables in the form of the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from samr_jax.evaluation.reports.markdown import (
    PAPER_NOTE,
    UNKNOWN,
    cell,
    gain_cell,
    interval,
    page,
)
from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.evaluation.scores.registry import slice_columns

COLUMNS = {
    name: (column.heading, column.pattern)
    for name, column in slice_columns().items()
    if column.in_paper
}
"""Columns of Tables I and III: score -> heading and format."""

AVERAGE = "**Avg.**"

GAIN_NOTE = (
    "Gain: mean difference over patients to real data alone, its 95 % interval, and "
    "the p-value of the paired t-test with Holm's correction for {} comparisons. "
    "Where the p-value is above .05, the table does not show a difference."
)


def table1(
    results: Mapping[str, Mapping],
    *,
    title: str,
    simulated: bool = False,
    published: Mapping[str, Mapping] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Pixel accuracy, SSIM and PSNR by sequence, in the form of Tables I and III.

    Args:
      results: method -> an evaluation with the fields of `SliceScores.summary` and
        ``anatomy_prior``; optional are ``split``, and ``intervals`` as made by
        `average_intervals`, which add a row.
      title: heading.
      simulated: whether to say that the images are.
      published: method -> the paper's numbers (`paper.TABLE_1`), put in brackets.
      notes: further lines below the table.

    Returns:
      Markdown.
    """
    published = published or {}
    columns = [(method, score) for method in results for score in COLUMNS]
    prefix = {method: f"{method}: " if len(results) > 1 else "" for method in results}
    header = ["Sequence", *(prefix[m] + COLUMNS[s][0] for m, s in columns)]
    names = dict.fromkeys(name for r in results.values() for name in r["sequences"])
    rows = [
        [name, *(_cell(results[m], published.get(m, {}), name, s) for m, s in columns)]
        for name in (*names, AVERAGE)
    ]
    if any("intervals" in result for result in results.values()):
        rows.append(["95 % interval", *(_interval(results[m], s) for m, s in columns)])
    notes = [
        *(setting(method, result) for method, result in results.items()),
        "Edema, cavity and tumor: percent of the label's pixels within 16 of the real "
        "intensity on 0..255. SSIM and PSNR: whole slice, data range 255.",
        *_absent_note(_scored_labels(result) for result in results.values()),
        *([PAPER_NOTE] if any(method in published for method in results) else []),
        *notes,
    ]
    return page(title, header, rows, notes, simulated=simulated)


def segmentation_table(
    results: Mapping[str, Mapping],
    *,
    title: str,
    simulated: bool = False,
    published: Mapping[str, Mapping] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Dice of edema, cavity and tumor by method, in the form of Tables II and IV.

    Args:
      results: method -> `DiceScores.summary`; optional are ``intervals``, ``gain`` (of
        `corrected`, by label) and, of several seeds, ``spread``.
      title: heading.
      simulated: whether to say that the images are.
      published: method -> the paper's numbers (`paper.TABLE_4`), put in brackets.
      notes: further lines below the table.

    Returns:
      Markdown. Beside the paper's columns there are gains, distances between surfaces,
      and the lesions that were deleted and invented.
    """
    published = published or {}
    header = ["Method", *(name.capitalize() for name in LESIONS)]
    gains = any("gain" in result for result in results.values())
    header += [f"{name} gain" for name in LESIONS] if gains else []
    header += [f"{name} HD95" for name in LESIONS]
    header += [f"{name} false ml" for name in LESIONS]
    header += [f"{name} {what}" for what in ("deleted", "invented") for name in LESIONS]
    rows = [
        [method, *_dice_row(result, published.get(method, {}), gains=gains)]
        for method, result in results.items()
    ]
    notes = [
        "Dice: of all pixels of a patient, averaged over the patients whose reference "
        "has the label; in square brackets the 95 % interval over patients.",
        *([GAIN_NOTE.format(_comparisons(results))] * gains),
        "HD95: 95 % Hausdorff distance in mm, over those patients in whom the label "
        "was found. False ml: mean volume that was found in the patients whose "
        "reference does not have the label; in brackets in how many it was, of how "
        "many.",
        "Deleted: slices where the reference has the label and the segmentation none "
        "of it, of all slices with it. Invented: the reverse.",
        *_absent_note({n for n in LESIONS if r["slices"][n]} for r in results.values()),
        *([PAPER_NOTE] if any(method in published for method in results) else []),
        *notes,
    ]
    return page(title, header, rows, notes, simulated=simulated)


def _scored_labels(result: Mapping) -> set[str]:
    average = result.get("average", {})
    return {name for name in LESIONS if average.get(name) is not None}


def _absent_note(labels: Iterable[set[str]]) -> list[str]:
    """A note about labels that no slice has, as where the whole lesion is one label.

    Args:
      labels: for each method, the labels that the slices have which it was scored on.
    """
    held = set().union(*labels)
    present = [name for name in LESIONS if name in held]
    absent = [name for name in LESIONS if name not in held]
    if not present or not absent:
        return []
    return [
        f"The annotation of these slices has {' and '.join(present)}, but no "
        f"{' and no '.join(absent)}: n/a."
    ]


def setting(method: str, result: Mapping) -> str:
    """A line that says what a method was told and which slices it was scored on."""
    split = f"{result['split']} split, " if "split" in result else ""
    return (
        f"{method}: anatomy prior: {result['anatomy_prior']}; {split}"
        f"{result['slices']} slices of {len(result['subjects'])} subjects."
    )


def _dice_row(result: Mapping, published: Mapping, *, gains: bool) -> list[str]:
    """Cells of one method, in the order of the header of `segmentation_table`."""
    theirs = published.get("dice", {})
    spread = result["spread"]["dice"] if result.get("seeds", 1) > 1 else {}
    cells = [
        cell(
            result["dice"][name],
            theirs.get(name),
            "{:.3f}",
            spread=spread.get(name),
            ends=result.get("intervals", {}).get(name),
        )
        for name in LESIONS
    ]
    if gains:
        gain = result.get("gain", {})
        cells += [gain_cell(gain.get(name), "{:+.3f}") for name in LESIONS]
    distances = result.get("hausdorff_95", {})
    cells += [cell(distances.get(name), None, "{:.1f}") for name in LESIONS]
    cells += [_false_cell(result.get("false_positives", {}), name) for name in LESIONS]
    deleted = [f"{result['deleted'][n]:g}/{result['slices'][n]:g}" for n in LESIONS]
    invented = [f"{result['invented'][name]:g}" for name in LESIONS]
    return [*cells, *deleted, *invented]


def _false_cell(false: Mapping, label: str) -> str:
    """Mean false volume, and in how many patients of how many."""
    if not false.get(label, {}).get("patients"):
        return UNKNOWN
    counts = f"{false[label]['found_in']:g}/{false[label]['patients']:g}"
    return f"{false[label]['mean_ml']:.2f} ({counts})"


def _comparisons(results: Mapping[str, Mapping]) -> int:
    """The number of comparisons that the p-values of the gains are corrected for."""
    gains = [g for r in results.values() for g in r.get("gain", {}).values() if g]
    return gains[0]["comparisons"] if gains else 0


def _cell(ours: Mapping, theirs: Mapping, row: str, score: str) -> str:
    """A score of one row: of a sequence, or of the average over sequences."""

    def value(result: Mapping) -> float | None:
        if row == AVERAGE:
            return result.get("average", {}).get(score)
        return result.get("sequences", {}).get(row, {}).get(score)

    # Averages over other sequences are not comparable.
    comparable = row != AVERAGE or set(ours["sequences"]) == set(
        theirs.get("sequences", ())
    )
    return cell(
        value(ours),
        value(theirs) if comparable else None,
        COLUMNS[score][1],
        spread=value(ours["spread"]) if ours.get("seeds", 1) > 1 else None,
    )


def _interval(result: Mapping, score: str) -> str:
    return interval(result.get("intervals", {}).get(score), COLUMNS[score][1])
