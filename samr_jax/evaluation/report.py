"""Tables in the form of the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from samr_jax.labels import LABELS, LESION_LABELS

COLUMNS = {
    "edema": ("Edema", "{:.1f}"),
    "cavity": ("Cavity", "{:.1f}"),
    "tumor": ("Tumor", "{:.1f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "psnr": ("PSNR", "{:.1f}"),
}
"""Table I's columns: score -> heading and format."""

LESIONS = tuple(LABELS[code] for code in LESION_LABELS)
AVERAGE = "**Avg.**"
UNKNOWN = "n/a"

SIMULATED_NOTE = "The images are simulated (digital brain phantom), not of patients."
PAPER_NOTE = "In brackets: as published, measured on the paper's own patients."


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
      results: method -> an evaluation with `SynthesisScores.summary`'s fields and
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
        *(_setting(method, result) for method, result in results.items()),
        "Edema, cavity and tumor: percent of the label's pixels within 16 of the real "
        "intensity on 0..255. SSIM and PSNR: whole slice, data range 255.",
        *([PAPER_NOTE] if any(method in published for method in results) else []),
        *notes,
    ]
    return _page(title, header, rows, notes, simulated=simulated)


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
      results: method -> `DiceCounts.summary`.
      title: heading.
      simulated: whether to say that the images are.
      published: method -> the paper's numbers (`paper.TABLE_4`), put in brackets.
      notes: further lines below the table.

    Returns:
      Markdown, with the lesions deleted and invented beside the paper's columns.
    """
    published = published or {}
    header = ["Method", *(name.capitalize() for name in LESIONS)]
    header += [f"{name} {what}" for what in ("deleted", "invented") for name in LESIONS]
    rows = []
    for method, result in results.items():
        theirs = published.get(method, {}).get("dice", {})
        dice = [
            _bracketed(result["dice"][name], theirs.get(name), "{:.3f}")
            for name in LESIONS
        ]
        deleted = [f"{result['deleted'][n]}/{result['slices'][n]}" for n in LESIONS]
        invented = [str(result["invented"][name]) for name in LESIONS]
        rows.append([method, *dice, *deleted, *invented])
    notes = [
        "Dice: of all pixels of a patient, averaged over patients who have the label.",
        "Deleted: slices where the reference has the label and the segmentation none "
        "of it, of all slices with it. Invented: the reverse.",
        *([PAPER_NOTE] if any(method in published for method in results) else []),
        *notes,
    ]
    return _page(title, header, rows, notes, simulated=simulated)


def beyond_table(results: Mapping[str, Mapping], *, title: str) -> str:
    """What the paper does not measure, by method; see `samr_jax.scoring`.

    Args:
      results: method -> an evaluation; of ``mask_follow``, ``memorisation`` and
        ``calibration`` it has what could be measured.
      title: heading.
    """
    follow = [f"Mask-follow {name}" for name in LESIONS]
    header = ["Method", *follow, "Nearest ratio", "AUSE", "Calibration error"]
    rows, ceiling = [], None
    for method, result in results.items():
        dice = result.get("mask_follow", {}).get("synthesized", {}).get("dice", {})
        ceiling = ceiling or result.get("mask_follow", {}).get("real")
        curves = result.get("calibration", {}).get("sequences", {}).values()
        values = [
            *(dice.get(name) for name in LESIONS),
            result.get("memorisation", {}).get("ratio"),
            _mean([curve["sparsification"]["ause"] for curve in curves]),
            _mean([curve["calibration_error"] for curve in curves]),
        ]
        rows.append([method, *(_bracketed(v, None, "{:.3f}") for v in values)])
    if ceiling:
        dice = [_bracketed(ceiling["dice"][n], None, "{:.3f}") for n in LESIONS]
        rows.append(["(real images)", *dice, "1.000", "", ""])
    notes = [
        "Mask-follow: Dice of the input mask and what a U-Net trained on real images "
        "finds in the synthesized ones.",
        "Nearest ratio: distance of a synthesized slice to the nearest training slice "
        "over that of the real slice, median; far below 1 means repeated training "
        "images.",
        "AUSE and calibration error of λ_cm / c against the absolute error, mean over "
        "sequences: 0 is perfect.",
    ]
    return _page(title, header, rows, notes, simulated=False)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, the first column left, the others right aligned."""
    rule = [":--", *["--:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]


def _page(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    *,
    simulated: bool,
) -> str:
    notes = [*notes, *([SIMULATED_NOTE] if simulated else [])]
    lines = [f"# {title}", "", *markdown_table(header, rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes)]) + "\n"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _setting(method: str, result: Mapping) -> str:
    """What a method was given and scored on: no number can be read without."""
    split = f"{result['split']} split, " if "split" in result else ""
    return (
        f"{method}: anatomy prior: {result['anatomy_prior']}; {split}"
        f"{result['slices']} slices of {len(result['subjects'])} subjects."
    )


def _cell(ours: Mapping, theirs: Mapping, row: str, score: str) -> str:
    """A score of one row: a sequence's, or the average's."""

    def value(result: Mapping) -> float | None:
        if row == AVERAGE:
            return result.get("average", {}).get(score)
        return result.get("sequences", {}).get(row, {}).get(score)

    # Averages over other sequences are not comparable.
    comparable = row != AVERAGE or set(ours["sequences"]) == set(
        theirs.get("sequences", ())
    )
    return _bracketed(
        value(ours), value(theirs) if comparable else None, COLUMNS[score][1]
    )


def _bracketed(ours: float | None, theirs: float | None, pattern: str) -> str:
    """Our number, and the published one in brackets where there is one."""
    text = UNKNOWN if ours is None else pattern.format(ours)
    return text if theirs is None else f"{text} ({pattern.format(theirs)})"


def _interval(result: Mapping, score: str) -> str:
    ends = result.get("intervals", {}).get(score)
    return UNKNOWN if ends is None else " to ".join(map(COLUMNS[score][1].format, ends))
