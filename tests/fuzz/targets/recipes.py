"""Recipes of edits, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.fuzz.guard import Mutant
from tests.fuzz.mutate import TEXTS, mutate_json

GOOD = (
    "scale:tumor=2.0,move:dx=5,dy=-3,rotate:degrees=20,seed=7",
    "scale:lesion=0.5,edema=carried",
    "remove:part=tumor,mirror",
    "deform:mm=3,scale=12,seed=3",
    "replace:donor=other,dx=2",
    "remove,insert:donor=other,dz=0",
    "recombine:edema=other,cavity=other,tumor=other",
)

WORDS = (
    *TEXTS,
    *("scale", "remove", "move", "rotate", "mirror", "deform", "replace", "insert"),
    *("recombine", "random", "tumor", "edema", "cavity", "lesion", "donor", "other"),
    *("dx", "degrees", "mm", "seed", "part", "carried", "edits", "about"),
    *("0", "-1", "1e308", "1e-308", "inf", "9" * 5000, "2.5", "1_0", "٣", "0x10"),
    *(",", ":", "=", ",,", "::"),
)
"""What may stand in a recipe's text, and what may not."""


class Recipe:
    """A recipe, through to the labels that it makes of others."""

    def __init__(self, folder: Path):
        from samr_jax.data.edits import parse

        self._folder = folder / "input"
        self._json = [json.dumps(parse(text).to_json()) for text in GOOD]
        (self._folder / "good.json").write_text(self._json[0])
        labels = np.ones((3, 24, 24), np.uint8)
        labels[:, :2] = labels[:, :, -2:] = 0
        labels[:, 8:16, 6:14] = 2
        labels[:, 10:14, 8:12] = 4
        labels[1, 11:13, 9:11] = 3
        self._labels = labels

    def mutant(self, rng: np.random.Generator) -> Mutant:
        if rng.random() < 0.5:
            good = self._json[rng.integers(len(self._json))]
            return Mutant("recipe.json", mutate_json(rng, good))
        text = GOOD[rng.integers(len(GOOD))]
        for _ in range(rng.integers(1, 4)):
            word = WORDS[rng.integers(len(WORDS))]
            place, end = sorted(rng.integers(0, len(text) + 1, 2))
            end = place if rng.random() < 0.3 else min(end, place + 8)
            text = text[:place] + word + text[end:]
        return Mutant("recipe.txt", text.encode(errors="replace"))

    def read(self) -> None:
        from samr_jax.data.edits import apply, parse
        from samr_jax.data.edits.volume import read_recipe

        names = ("recipe.txt", "recipe.json", "good.json")
        path = next(p for p in map(self._folder.joinpath, names) if p.exists())
        if path.suffix == ".txt":
            recipe = parse(path.read_text())
        else:
            recipe = read_recipe(str(path))
        assert parse(str(recipe)) == recipe, "its text is another recipe"
        before = self._labels.copy()
        donors = dict.fromkeys(recipe.donors, before[:, ::-1].copy())
        for donor in donors.values():
            donor[before == 0] = 0
        edited = apply(recipe, before, spacing=(4.4, 1.0, 1.0), donors=donors)
        assert edited.dtype == np.uint8 and edited.shape == before.shape
        assert edited.max() <= 4 and ((edited == 0) == (before == 0)).all()
        np.testing.assert_array_equal(before, self._labels)
