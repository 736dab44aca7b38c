"""Tables with a row a method: averages, differences, ablations, further scores."""

from __future__ import annotations

from collections.abc import Mapping

from samr_jax.evaluation.reports.markdown import PAPER_NOTE, cell, gain_cell, page
from samr_jax.evaluation.reports.paper_tables import COLUMNS, setting
from samr_jax.evaluation.scores import registry
from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.evaluation.scores.intervals import MIN_PATIENTS
from samr_jax.evaluation.scores.score import Column, TableScore


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


def differences_table(
    differences: Mapping[str, Mapping[str, Mapping | None]],
    *,
    reference: str,
    title: str,
    simulated: bool = False,
) -> str:
    """Paired differences between one row of Table I or III and each other row.

    Args:
      differences: row -> score -> its difference, with ``mean``, ``interval``,
        ``p_holm`` and ``patients``; None where too few patients have the score.
      reference: the row that the others are subtracted from.
      title: heading.
      simulated: whether to say that the images are.
    """
    header = [f"{reference} minus", *(heading for heading, _ in COLUMNS.values())]
    rows = [
        [
            row,
            *(
                gain_cell(scores[score], pattern.replace("{:", "{:+"))
                for score, (_, pattern) in COLUMNS.items()
            ),
        ]
        for row, scores in differences.items()
    ]
    known = [d for scores in differences.values() for d in scores.values() if d]
    patients = max((d["patients"] for d in known), default=0)
    notes = [
        "Mean over patients of the paired difference, its 95 % interval, and the "
        "p-value of the paired t-test, with Holm's correction for the "
        f"{len(known)} comparisons of this table.",
        "Where the p-value is above .05, the table does not show a difference.",
        f"At most {patients} patients; with fewer than {MIN_PATIENTS} there is neither "
        "interval nor p-value.",
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
      results: variant -> an evaluation with ``dice``, a `DiceScores.summary` of the
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
    """Scores that the paper does not have: a row a method.

    Args:
      results: method -> an evaluation, with the scores that could be measured.
      title: heading.
    """
    kinds = [
        kind
        for kind in registry.table_scores()
        if any(kind.name in result for result in results.values())
    ]
    columns = [(kind, column) for kind in kinds for column in kind.columns]
    header = ["Method", *(column.heading for _, column in columns)]
    rows = [
        [method, *(_score(result, *place) for place in columns)]
        for method, result in results.items()
    ]
    real = [_real(results, *place) for place in columns]
    if any(real):
        rows.append(["(real images)", *real])
    notes = [kind.note for kind in kinds]
    return page(title, header, rows, notes, simulated=False)


def _score(result: Mapping, kind: TableScore, column: Column) -> str:
    """A method's cell."""
    found = result.get(kind.name)
    return cell(None if found is None else column.value(found), None, column.pattern)


def _real(results: Mapping[str, Mapping], kind: TableScore, column: Column) -> str:
    """What real images reach: the same for all methods; empty if it is not known."""
    found = [column.real(r[kind.name]) for r in results.values() if kind.name in r]
    known = [value for value in found if value is not None]
    return column.pattern.format(known[0]) if known else ""


def _paper_note(results: Mapping, published: Mapping) -> list[str]:
    """A note about published numbers, if the table has any."""
    return [PAPER_NOTE] if results.keys() & published.keys() else []


def _spread(result: Mapping, *path: str) -> float | None:
    """The standard deviation over seeds; None of a single seed."""
    if result.get("seeds", 1) < 2:
        return None
    value = result["spread"]
    for name in path:
        value = value[name]
    return value
