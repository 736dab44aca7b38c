"""Charts: the confidence map's calibration, and Dice by the number of patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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


class DicePoint(NamedTuple):
    """A mean Dice coefficient over patients, and its 95 % interval if it is known."""

    dice: float
    interval: tuple[float, float] | None


def dice_chart(
    curves: Mapping[str, Sequence[Mapping[str, DicePoint]]],
    patients: Sequence[int],
    *,
    path: Path | str,
    simulated: bool,
) -> None:
    """Draws Dice against the number of training patients, one panel a label.

    Args:
      curves: what segmenters were trained on -> for each number of patients, a point
        for each label.
      patients: the numbers, ascending.
      path: PNG to write.
      simulated: whether the patients are simulated.
    """
    labels = list(next(iter(curves.values()))[0])
    figure = Figure(figsize=(3.4 * len(labels), 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(labels), sharey=True, squeeze=False)[0]
    for axes, label in zip(panels, labels, strict=True):
        for place, (name, points) in enumerate(curves.items()):
            _draw_dice(axes, name, [p[label] for p in points], patients, place)
        axes.set(title=label, xlabel="real training patients", ylim=(0, 1))
        axes.set_xticks(patients)
    panels[0].set_ylabel("Dice, 95 % interval over patients")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", frameon=False, fontsize=8)
    if simulated:
        figure.suptitle("simulated data")
    with replacing(path) as partial:
        figure.savefig(partial)


def _draw_dice(
    axes: Axes, name: str, points: Sequence[DicePoint], patients: Sequence[int], at: int
) -> None:
    """Draws one curve; each curve is moved a little, so that intervals do not hide."""
    reach = patients[-1] - patients[0]
    places = [count + 0.015 * reach * at for count in patients]
    (line,) = axes.plot(places, [p.dice for p in points], "o-", ms=4, label=name)
    for place, point in zip(places, points, strict=True):
        if point.interval is not None:
            axes.plot([place] * 2, point.interval, color=line.get_color(), lw=0.8)


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
