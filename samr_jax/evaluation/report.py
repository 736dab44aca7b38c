"""Tables in the form of the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COLUMNS = {
    "edema": ("Edema", "{:.1f}"),
    "cavity": ("Cavity", "{:.1f}"),
    "tumor": ("Tumor", "{:.1f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "psnr": ("PSNR", "{:.1f}"),
}
"""Table I's columns: score -> heading and format."""

SIMULATED_NOTE = "The images are simulated (digital brain phantom), not of patients."


def table1(
    results: Mapping[str, Mapping], *, title: str, simulated: bool = False
) -> str:
    """Pixel accuracy, SSIM and PSNR by sequence, in the form of Table I.

    Args:
      results: method -> an evaluation with `SynthesisScores.summary`'s fields and
        ``anatomy_prior``.
      title: heading.
      simulated: whether to say that the images are.

    Returns:
      Markdown.
    """
    methods = list(results)
    sequences = list(results[methods[0]]["sequences"])
    header = ["Sequence"]
    for method in methods:
        prefix = f"{method}: " if len(methods) > 1 else ""
        header += [prefix + heading for heading, _ in COLUMNS.values()]
    rows = [
        [name, *(c for m in methods for c in _cells(results[m]["sequences"][name]))]
        for name in sequences
    ]
    averages = [c for m in methods for c in _cells(results[m]["average"])]
    rows.append(["**Avg.**", *averages])
    lines = [f"# {title}", "", *markdown_table(header, rows), ""]
    lines += [
        f"- {method}: anatomy prior: {results[method]['anatomy_prior']}; "
        f"{results[method]['slices']} slices of {len(results[method]['subjects'])} "
        "subjects."
        for method in methods
    ]
    lines.append(
        "- Edema, cavity and tumor: percent of the label's pixels within 16 of the "
        "real intensity on 0..255. SSIM and PSNR: whole slice, data range 255."
    )
    if simulated:
        lines.append(f"- {SIMULATED_NOTE}")
    return "\n".join(lines) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, the first column left, the others right aligned."""
    rule = [":--", *["--:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]


def _cells(scores: Mapping[str, float | None]) -> list[str]:
    return [
        "n/a" if scores[name] is None else pattern.format(scores[name])
        for name, (_, pattern) in COLUMNS.items()
    ]
