"""The pages of the site, and their order."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = {
    "Use": [
        "docs/first_steps",
        "docs/page",
        "docs/own_patients",
        "docs/lesion_edits",
        "docs/anatomy",
        "docs/confidence",
    ],
    "Train": [
        "docs/preparation",
        "docs/training",
        "docs/unpaired",
        "docs/clusters",
        "docs/tables",
    ],
    "Reference": [
        "docs/commands",
        "docs/configuration",
        "docs/api",
        "docs/scores",
    ],
    "How good it is": [
        "results/README",
        "samr_jax/pretrained/MODEL_CARD",
        "docs/speed",
    ],
    "How it works": [
        "docs/architecture",
        "CONTRIBUTING",
        "CHANGELOG",
    ],
}
"""Heading of the navigation -> its pages, as paths without the suffix.

A page of ``docs`` that is not named here comes last under the first heading.
"""

BELOW = {
    "results/README": [
        str(path.relative_to(ROOT).with_suffix(""))
        for path in sorted(ROOT.glob("results/*/**/*.md"))
    ],
    "samr_jax/pretrained/MODEL_CARD": ["samr_jax/pretrained/anatomy/scores"],
}
"""Page -> the pages below it."""

PLACES = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "results", "samr_jax"}
"""Files and folders of the repository in which there are pages."""

FILES = [
    "*.md",
    "docs/*.md",
    "results/README.md",
    "results/*/*.md",
    "results/*/*/*/*.md",
    "samr_jax/pretrained/MODEL_CARD.md",
    "samr_jax/pretrained/anatomy/scores.md",
]
"""Patterns of all pages."""


def contents() -> str:
    """The navigation in Markdown, for the first page."""
    named = {page for pages in PAGES.values() for page in pages}
    found = [f"docs/{path.stem}" for path in sorted(ROOT.glob("docs/*.md"))]
    others = [page for page in found if page not in named]
    first, *_ = PAGES
    groups = {**PAGES, first: [*PAGES[first], *others]}
    return "\n\n".join(_hidden(pages, heading) for heading, pages in groups.items())


def below(page: str) -> str:
    """The pages below a page in Markdown."""
    return _hidden(BELOW[page])


def _hidden(pages: list[str], heading: str = "") -> str:
    """A table of contents that only the navigation of the site shows."""
    caption = f":caption: {heading}\n" if heading else ""
    entries = "\n".join(f"/{page}" for page in pages)
    return f"```{{toctree}}\n:hidden:\n{caption}\n{entries}\n```"
