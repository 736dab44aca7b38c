"""Tables with a row a method: averages, ablations, and what the paper lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from samr_jax.evaluation.reports.markdown import PAPER_NOTE, cell, page
from samr_jax.evaluation.reports.paper_tables import COLUMNS, LESIONS, setting


def methods_table(
    results: Mapping[str, Mapping],
    *,
    title: str,
    simulated: bool = False,
    published: Mapping[str, Mapping] | None = None,
) -> str:
    """The averages over sequences of Tables I and III, a row a method.

    Args:
      results: method -> an evaluation, or one over seeds.
      title: heading.
      simulated: whether to say that the images are.
      published: method -> the paper's numbers, put in brackets.
    """
    published = published or {}
    header = ["Method", *(heading for heading, _ in COLUMNS.values()), "Prior"]
    rows = []
    for method, result in results.items():
        theirs = published.get(method, {})
        comparable = set(theirs.get("sequences", ())) == set(result["sequences"])
        values = [
            cell(
                result["average"][score],
                theirs["average"].get(score) if comparable else None,
                pattern,
                spread=_spread(result, "average", score),
                ends=result.get("intervals", {}).get(score),
            )
            for score, (_, pattern) in COLUMNS.items()
        ]
        rows.append([method, *values, result["anatomy_prior"]])
    notes = [
        "Means over sequences; in square brackets the 95 % interval over patients.",
        *_paper_note(results, published),
    ]
    return page(title, header, rows, notes, simulated=simulated)


def sequences_table(
    results: Mapping[str, Mapping],
    *,
    title: str,
    simulated: bool = False,
    published: Mapping[str, Mapping] | None = None,
) -> str:
    """All of Tables I and III, a row for each method and sequence.

    Args:
      results, title, simulated, published: as of `methods_table`.
    """
    published = published or {}
    header = ["Method", "Sequence", *(heading for heading, _ in COLUMNS.values())]
    rows = []
    for method, result in results.items():
        theirs = published.get(method, {}).get("sequences", {})
        for name, scores in result["sequences"].items():
            values = [
                cell(
                    scores[score],
                    theirs.get(name, {}).get(score),
                    pattern,
                    spread=_spread(result, "sequences", name, score),
                )
                for score, (_, pattern) in COLUMNS.items()
            ]
            rows.append([method, name, *values])
    notes = [
        *(setting(method, result) for method, result in results.items()),
        "Edema, cavity and tumor: percent of the label's pixels within 16 of the real "
        "intensity on 0..255. SSIM and PSNR: whole slice, data range 255.",
        *_paper_note(results, published),
    ]
    return page(title, header, rows, notes, simulated=simulated)


def ablation_table(
    results: Mapping[str, Mapping],
    *,
    title: str,
    simulated: bool = False,
    published: Mapping[str, Mapping] | None = None,
) -> str:
    """Dice of augmentation and accuracy in the whole lesion, in Table V's form.

    Args:
      results: variant -> an evaluation with ``dice``, a `DiceCounts.summary` of the
        segmenter that was trained with the variant's images.
      title, simulated, published: as of `methods_table`.
    """
    published = published or {}
    names = list(dict.fromkeys(n for r in results.values() for n in r["sequences"]))
    header = ["Variant", *(f"Dice {name}" for name in LESIONS), *names, "Avg."]
    rows = []
    for variant, result in results.items():
        theirs = published.get(variant, {})
        dice = [
            cell(
                result["dice"]["dice"][name],
                theirs.get("dice", {}).get(name),
                "{:.3f}",
                spread=_spread(result["dice"], "dice", name),
            )
            for name in LESIONS
        ]
        accuracy = [
            cell(
                result["sequences"][name]["lesion"],
                theirs.get("sequences", {}).get(name, {}).get("lesion"),
                "{:.1f}",
                spread=_spread(result, "sequences", name, "lesion"),
            )
            for name in names
        ]
        comparable = set(theirs.get("sequences", ())) == set(names)
        average = cell(
            result["average"]["lesion"],
            theirs["average"]["lesion"] if comparable else None,
            "{:.1f}",
            spread=_spread(result, "average", "lesion"),
        )
        rows.append([variant, *dice, *accuracy, average])
    notes = [
        *(setting(variant, result) for variant, result in results.items()),
        "Dice: of a segmenter trained on as many synthesized as real volumes.",
        "Sequences: percent of the whole lesion's pixels within 16 of 255.",
        *_paper_note(results, published),
    ]
    return page(title, header, rows, notes, simulated=simulated)


def beyond_table(results: Mapping[str, Mapping], *, title: str) -> str:
    """What the paper does not measure, by method; see `samr_jax.evaluation.scoring`.

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
        rows.append([method, *(cell(v, None, "{:.3f}") for v in values)])
    if ceiling:
        dice = [cell(ceiling["dice"][n], None, "{:.3f}") for n in LESIONS]
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
    return page(title, header, rows, notes, simulated=False)


def _paper_note(results: Mapping, published: Mapping) -> list[str]:
    """Says what the brackets are, where there are any."""
    return [PAPER_NOTE] if results.keys() & published.keys() else []


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _spread(result: Mapping, *path: str) -> float | None:
    """The standard deviation over seeds, of several."""
    if result.get("seeds", 1) < 2:
        return None
    value = result["spread"]
    for name in path:
        value = value[name]
    return value
