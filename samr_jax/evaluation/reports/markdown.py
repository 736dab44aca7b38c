"""Pages and cells of tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNKNOWN = "n/a"

SIMULATED_NOTE = "The images are simulated (digital brain phantom), not of patients."
PAPER_NOTE = "In brackets: as published, measured on the paper's own patients."


def page(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    *,
    simulated: bool,
) -> str:
    """A heading, a table, and notes below; one of them says if data are simulated."""
    notes = [*notes, *([SIMULATED_NOTE] if simulated else [])]
    lines = [f"# {title}", "", *markdown_table(header, rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes)]) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, the first column left, the others right aligned."""
    rule = [":--", *["--:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]


def cell(
    ours: float | None,
    theirs: float | None,
    pattern: str,
    *,
    spread: float | None = None,
    ends: Sequence[float] | None = None,
) -> str:
    """Our number, ± its spread, [its interval], and (the published), where known."""
    text = UNKNOWN if ours is None else pattern.format(ours)
    if ours is not None and spread is not None:
        text += f" ± {pattern.format(spread)}"
    if ends is not None:
        text += f" [{interval(ends, pattern)}]"
    return text if theirs is None else f"{text} ({pattern.format(theirs)})"


def gain_cell(gain: Mapping | None, pattern: str) -> str:
    """A mean difference, [its interval], and the p-value with Holm's correction.

    Args:
      gain: with ``mean``, ``interval`` and ``p_holm``, or None.
      pattern: format of the difference.
    """
    if gain is None:
        return UNKNOWN
    ends = interval(gain["interval"], pattern)
    return f"{pattern.format(gain['mean'])} [{ends}], p {_p_value(gain['p_holm'])}"


def _p_value(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def interval(ends: Sequence[float] | None, pattern: str) -> str:
    """Both ends of an interval."""
    return UNKNOWN if ends is None else " to ".join(map(pattern.format, ends))
