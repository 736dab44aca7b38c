"""The chart of a calibration: reliability and sparsification of the confidence map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from samr_jax.runtime.files import replacing


def calibration_chart(
    calibration: Mapping, *, path: Path | str, title: str, simulated: bool
) -> None:
    """Draws the result of `confidence_calibration`, with a line for each sequence.

    The left half shows observed against predicted absolute error by bin: a calibrated
    map lies on the diagonal. The right half shows the error that remains when the least
    certain pixels are removed. The nearer a line is to its dotted oracle, the better
    the confidence orders the pixels; a random order stays at 1.
    """
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_reliability(left, calibration["sequences"])
    _draw_sparsification(right, calibration["sequences"])
    figure.suptitle(f"{title} (simulated data)" if simulated else title)
    with replacing(path) as partial:
        figure.savefig(partial)


def _draw_reliability(axes: Axes, sequences: Mapping[str, Mapping]) -> None:
    curves = {name: scores["reliability"] for name, scores in sequences.items()}
    for name, curve in curves.items():
        axes.plot(curve["predicted"], curve["observed"], "o-", ms=3, label=name)
    top = max(max(c["predicted"] + c["observed"]) for c in curves.values())
    axes.plot([0, top], [0, top], color="0.6", lw=1, zorder=0)
    axes.set(
        xlabel="predicted error, λ / c",
        ylabel="observed error, |ŷ − y↓|",
        xlim=(0, None),
        ylim=(0, None),
    )
    axes.legend(frameon=False)


def _draw_sparsification(axes: Axes, sequences: Mapping[str, Mapping]) -> None:
    for name, scores in sequences.items():
        curve = scores["sparsification"]
        label = f"{name}, AUSE {curve['ause']:.2f}"
        (line,) = axes.plot(curve["fraction"], curve["remaining"], label=label)
        axes.plot(curve["fraction"], curve["oracle"], ":", color=line.get_color())
    axes.axhline(1, color="0.6", lw=1, zorder=0)
    axes.set(
        xlabel="removed fraction, least certain first",
        ylabel="remaining error / error of all",
        xlim=(0, 1),
        ylim=(0, None),
    )
    axes.legend(frameon=False)
