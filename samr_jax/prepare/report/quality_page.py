"""The quality page: every subject after each step, the atlas, and the histograms."""

from __future__ import annotations

import dataclasses
import functools
import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from samr_jax.data.dataset import Dataset
from samr_jax.labels import CAVITY, EDEMA, TUMOR
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.common_scale import CommonScale
from samr_jax.prepare.cohort.jobs import Failure
from samr_jax.prepare.subject.landmarks import healthy_values
from samr_jax.prepare.subject.pictures import STAGES, show_slice
from samr_jax.runtime.files import replacing, write_text
from samr_jax.runtime.processes import run_all

_COLOURS = {EDEMA: "#33cc55", TUMOR: "#ffcc00", CAVITY: "#4488ff"}
"""Outlines as in the paper's figures, the innermost on top."""

STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:1200px}img{max-width:100%}"
    "td,th{padding:2px 10px;text-align:left;font-variant-numeric:tabular-nums}"
)

_MAX_CURVES = 30


def write_page(
    dataset: Dataset,
    stored: Sequence[Stored],
    scale: CommonScale,
    failures: Sequence[Failure],
    **pool,
) -> Path:
    """Writes ``qc/index.html`` and its pictures into the dataset's directory.

    Of a subject that failed the page names only the pseudonym and the step, since the
    reason may name the source's files.
    """
    folder = dataset.directory / "qc"
    calls = [functools.partial(_draw_subject, item, scale, dataset) for item in stored]
    run_all(calls, label="quality page", **pool)
    save_figure(_atlas_figure(dataset), folder / "atlas.png")
    save_figure(_histogram_figure(stored, scale, dataset), folder / "histograms.png")
    page = folder / "index.html"
    write_text(page, _page(dataset, stored, failures))
    return page


def _draw_subject(item: Stored, scale: CommonScale, dataset: Dataset) -> None:
    figure = _subject_figure(item, scale, dataset)
    save_figure(figure, dataset.directory / "qc" / f"{item.name}.png")


def _subject_figure(item: Stored, scale: CommonScale, dataset: Dataset) -> Figure:
    """Rows: the stages; columns: the sequences; the lesion's outline on the last.

    The stages have grey scales of their own, the last row has the dataset's.
    """
    pictures, subject = item.pictures(), scale.subject(item)
    shown = show_slice(subject.labels)
    labels = subject.labels[shown]
    final = dataset.normalise(item.name, subject.images[shown])
    final = np.where(labels[..., None] > 0, (final + 1) * 127.5, 0)
    rows = {stage: pictures[stage] for stage in STAGES}
    rows["in the dataset"] = np.moveaxis(final, -1, 0)
    part = _extent(np.concatenate(list(rows.values())))
    count = len(scale.sequences)
    figure = Figure(figsize=(2.4 * count, 2.7 * len(rows)), layout="tight")
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (title, views) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(title, fontsize=8)
        for axis, view, name in zip(line, views, scale.sequences, strict=True):
            show_view(axis, view[part], name)
    for axis in axes[-1]:
        _outline(axis, labels[part])
    return figure


def _extent(views: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of ``(N, H, W)`` that show anything, and a little more."""
    held = np.any(views > 0, axis=0)
    spans = [np.flatnonzero(np.any(held, axis=1 - axis)) for axis in (0, 1)]
    rows, columns = (slice(max(s[0] - 3, 0), s[-1] + 4) for s in spans)
    return rows, columns


def show_view(axis, view: np.ndarray, title: str) -> None:
    axis.imshow(view, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])


def _outline(axis, labels: np.ndarray) -> None:
    for code, colour in _COLOURS.items():
        if (labels == code).any():
            axis.contour(labels == code, [0.5], colors=colour, linewidths=0.6)


def _atlas_figure(dataset: Dataset) -> Figure:
    """Five heights of every sequence's group average."""
    heights = np.linspace(0.15, 0.85, 5) * (dataset.grid.slices - 1)
    count = len(dataset.sequences)
    figure = Figure(figsize=(12, 2.4 * count), layout="tight")
    axes = figure.subplots(count, len(heights), squeeze=False)
    for line, name, channel in zip(
        axes, dataset.sequences, np.moveaxis(dataset.atlas, -1, 0), strict=True
    ):
        for axis, height in zip(line, heights.round().astype(int), strict=True):
            view = np.round((channel[height] + 1) * 127.5)
            show_view(axis, view, f"{name}, slice {height}")
    return figure


def _histogram_figure(
    stored: Sequence[Stored], scale: CommonScale, dataset: Dataset
) -> Figure:
    """Healthy brain of each subject: in its own units, and as networks see it."""
    chosen = stored[:: math.ceil(len(stored) / _MAX_CURVES)]
    count = len(scale.sequences)
    figure = Figure(figsize=(3 * count, 5), layout="tight")
    axes = figure.subplots(2, count, squeeze=False)
    for item in chosen:
        before, after = scale.cropped(item), scale.subject(item)
        seen = dataset.normalise(item.name, after.images)
        brain = after.images != 0
        after = dataclasses.replace(after, images=np.where(brain, seen, 0))
        for line, subject in zip(axes, (before, after), strict=True):
            for channel, axis in enumerate(line):
                _curve(axis, healthy_values(subject, channel))
    for line, title in zip(axes, ("own units", "in the dataset"), strict=True):
        for axis, name in zip(line, scale.sequences, strict=True):
            axis.set_title(f"{name}, {title}", fontsize=8)
            axis.set_yticks([])
    return figure


def _curve(axis, values: np.ndarray) -> None:
    low, high = np.percentile(values, (0.5, 99.5))
    shares, edges = np.histogram(values, 80, (low, high), density=True)
    axis.plot((edges[1:] + edges[:-1]) / 2, shares, lw=0.7, alpha=0.7)


def save_figure(figure: Figure, path: Path) -> None:
    with replacing(path) as partial:
        figure.savefig(partial, dpi=80, metadata={"Software": None})


def _page(
    dataset: Dataset, stored: Sequence[Stored], failures: Sequence[Failure]
) -> str:
    split_of = {name: key for key, names in dataset.splits.items() for name in names}
    rows = "".join(
        f"<tr><td><a href='#{html.escape(item.name)}'>{html.escape(item.name)}</a></td>"
        f"<td>{split_of[item.name]}</td>{_cells(item)}</tr>"
        for item in stored
    )
    figures = "".join(
        f"<h3 id='{html.escape(item.name)}'>{html.escape(item.name)}</h3>"
        f"<img src='{item.name}.png' alt='{item.name} after each step'>"
        for item in stored
    )
    return (
        f"<!doctype html><meta charset='utf-8'><title>Quality</title>"
        f"<style>{STYLE}</style><h1>{len(stored)} prepared subjects</h1>"
        "<p>Outlines: edema green, cavity blue, tumor yellow.</p>"
        "<table><tr><th>subject<th>split<th>brain, ml<th>registered<th>stripped"
        "<th>least covered"
        f"<th>bias field, %</tr>{rows}</table>{_left_out(failures)}"
        "<h2>Atlas</h2><img src='atlas.png' alt='atlas'>"
        "<h2>Intensities of the healthy brain</h2>"
        f"<img src='histograms.png' alt='histograms'><h2>Subjects</h2>{figures}"
    )


def _left_out(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    items = "".join(
        f"<li>{html.escape(f.name)}: {html.escape(f.step)}</li>" for f in failures
    )
    return f"<h2>Subjects left out, and the step that failed</h2><ul>{items}</ul>"


def _least_covered(coverage: Mapping[str, float]) -> str:
    """The sequence that covers the smallest share of the brain, and that share."""
    name = min(coverage, key=coverage.__getitem__)
    return f"{name}, {100 * coverage[name]:.0f} %"


def _cells(item: Stored) -> str:
    record = item.record
    fields = ", ".join(f"{k} {100 * v:.0f}" for k, v in record["bias"].items())
    cells = (
        f"{record['brain_ml']:.0f}",
        ", ".join(record["registered"]) or "none",
        "yes" if record["stripped"] else "no",
        _least_covered(record["coverage"]),
        fields or "none",
    )
    return "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
