"""Do synthesized images follow their masks?

A segmenter that was trained on real images looks for the lesion in the synthesized
images. The Dice of the input mask and what it finds is high if the lesion can be seen
where the mask has it. What it finds in the real images of the same masks is scored,
too, since no synthesis can be asked to be clearer than reality.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.score import Column, ScoredSlices, ScoreKind, Setting
from samr_jax.labels import LABELS, LESION_LABELS


class MaskFollow:
    """Dice of input masks and of what a segmenter finds in the images."""

    def __init__(self, setting: Setting):
        self._judge: Any = setting.judge
        self._dice = {
            name: DiceScores(setting.spacing) for name in ("synthesized", "real")
        }

    def add(self, slices: ScoredSlices) -> None:
        images = {"synthesized": slices.synthesized, "real": slices.real}
        for name, dice in self._dice.items():
            found = self._judge.find(images[name])
            dice.add(found, slices.labels, slices.subjects, slices.heights)

    def summary(self) -> dict:
        """JSON-ready: the segmenter's name, and `DiceScores.summary` of both kinds of
        images."""
        dice = {name: scores.summary() for name, scores in self._dice.items()}
        return {"segmenter": self._judge.name, **dice}


def _make(setting: Setting) -> MaskFollow | None:
    return MaskFollow(setting) if setting.judge is not None else None


def _dice(summary: Mapping, images: str, label: str) -> float | None:
    return summary[images]["dice"][label]


MASK_FOLLOW = ScoreKind(
    name="mask_follow",
    make=_make,
    columns=tuple(
        Column(
            heading=f"Mask-follow {LABELS[code]}",
            pattern="{:.3f}",
            value=functools.partial(_dice, images="synthesized", label=LABELS[code]),
            real=functools.partial(_dice, images="real", label=LABELS[code]),
        )
        for code in LESION_LABELS
    ),
    note="Mask-follow: Dice of the input mask and what a U-Net trained on real images "
    "finds in the synthesized images.",
    judged=True,
)
