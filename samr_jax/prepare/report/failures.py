"""Tells of the subjects that failed: at the time, at the end, and on a page."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from samr_jax.prepare.cohort.jobs import Failure
from samr_jax.prepare.report.quality_page import STYLE, save_figure, show_view
from samr_jax.prepare.subject.failure import View
from samr_jax.runtime.files import write_text

COLUMNS = 3
"""Pictures in a row: the three planes of a scan."""


class FailureReport:
    """Collects failures while it is open, and tells all of them when it is closed.

    It tells them whatever ends the run, an exception included. The page names the
    source's files, so it belongs into the folder that is not to be shared.
    """

    def __init__(self, folder: Path, log: Callable[[str], None]):
        """Makes a report.

        Args:
          folder: gets ``index.html`` and a picture for each subject that failed.
          log: receives lines for the user.
        """
        self.failures: list[Failure] = []
        self._folder = folder
        self._log = log

    def __enter__(self) -> FailureReport:
        return self

    def __exit__(self, *_) -> None:
        for failure in self.failures:
            self._log(f"left out: {failure}")
        if not self.failures:
            return
        try:
            self._log(f"pictures of the subjects left out: {self._write_page()}")
        except OSError as error:
            # The reasons have been told, and a full disk is told by the run itself.
            self._log(f"{self._folder}: cannot be written ({error.strerror})")

    def add(self, failure: Failure) -> None:
        """Tells of a failure now, and again when the report is closed."""
        self.failures.append(failure)
        self._log(f"failed: {failure}")

    def _write_page(self) -> Path:
        parts = []
        for failure in self.failures:
            source = html.escape(failure.source)
            parts.append(
                f"<h2>{source} ({html.escape(failure.name)})</h2>"
                f"<p>Step: {html.escape(failure.step)}</p>"
                f"<p>{html.escape(failure.reason)}</p>"
            )
            if failure.views:
                save_figure(
                    _figure(failure.views), self._folder / f"{failure.name}.png"
                )
                parts.append(f"<img src='{failure.name}.png' alt='scans of {source}'>")
        page = self._folder / "index.html"
        write_text(
            page,
            "<!doctype html><meta charset='utf-8'><title>Subjects left out</title>"
            f"<style>{STYLE}</style><h1>{len(self.failures)} subjects left out</h1>"
            "<p>The pictures show the scans as the step saw them. A red outline is the "
            f"brain mask that was refused.</p>{''.join(parts)}",
        )
        return page


def _figure(views: tuple[View, ...]) -> Figure:
    rows = -(-len(views) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.8 * rows), layout="tight")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, view in zip(axes, views, strict=False):
        show_view(axis, view.image, view.title)
        if view.outline is not None and view.outline.any():
            axis.contour(view.outline, [0.5], colors="red", linewidths=0.8)
    return figure
