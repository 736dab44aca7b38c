"""What the page can do: slices, recipes, masks, all without a network."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps

from samr_jax import __version__
from samr_jax.data.window import pack
from samr_jax.inference.anatomy import TissueMaps, check_told, maps_on_grid
from samr_jax.inference.one_slice import SliceSynthesizer, SynthesizedSlice
from samr_jax.inference.samples import RunningDeviation
from samr_jax.labels import LABELS, PRESETS
from samr_jax.page.choice import MAX_SAMPLES, Choice, whole
from samr_jax.page.edited import EditedMasks
from samr_jax.page.masks import Masks, PageMask
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence

UNCERTAINTY_COLOURS = "magma"


class Studio:
    """Answers what a page asks for; safe for several threads.

    Args:
      model: a trained one.
      masks: masks to begin with; the first one is shown at the start.

    Attributes:
      model: the model.
      masks: all masks.
      edited: the masks with edits.
    """

    def __init__(self, model: Model, masks: Sequence[PageMask]):
        self.model, self.masks = model, Masks()
        for mask in masks:
            self.masks.add(mask, keep=True)
        self.edited = EditedMasks(self.masks)
        self._lock = threading.Lock()
        self._maps = functools.lru_cache(maxsize=8)(self._draw_maps)
        self._of_mask = functools.lru_cache(maxsize=4)(self._make_synthesizer)

    def description(self, anatomy: int | str | None) -> dict[str, Any]:
        """What the page needs to know at its start, JSON-ready.

        Args:
          anatomy: the brain to begin with.
        """
        dataset = self.model.dataset
        affine, ends = dataset.grid.affine, (0, dataset.grid.slices - 1)
        names = {record.colours for record in map(MRSequence.named, dataset.sequences)}
        return {
            "version": __version__,
            "method": self.model.method.name,
            "simulated": dataset.simulated,
            "noise": bool(self.model.method.noise),
            "most_samples": MAX_SAMPLES,
            "anatomy": anatomy if self.is_told_an_anatomy else None,
            "sequences": [self._describe(name) for name in dataset.sequences],
            "reach": [round(float(affine[2] @ [0, 0, k, 1]), 1) for k in ends],
            "labels": list(LABELS),
            "presets": list(PRESETS),
            "colours": {
                name: (colormaps[name](range(256), bytes=True)[:, :3]).tolist()
                for name in sorted({*names, UNCERTAINTY_COLOURS})
            },
            "masks": [mask.describe() for mask in self.masks.all()],
        }

    @property
    def is_told_an_anatomy(self) -> bool:
        return "tissue" in self.model.method.fields

    def slice(self, choice: Choice, index: int) -> tuple[dict[str, Any], list]:
        """Labels and images of one axial slice of an edited mask.

        Args:
          choice: the mask, its edits, and how images are made.
          index: which slice.

        Returns:
          A JSON-ready description, and the arrays that it lists: ``labels`` uint8
          ``(H, W)``, ``images`` int16 ``(S, H, W)`` network intensity times 32767,
          ``confidence`` uint8 ``(S, H, W)`` times 255, and with several samples
          ``spread``, their standard deviation, as uint16 ``(S, H, W)``, times 65535
          over the window. The two last ones may be missing.

        Raises:
          InputError: an edit cannot be done, or the choice does not fit the model.
        """
        mask = self.masks[choice.mask]
        whole(index, "slice", 0, len(mask.labels) - 1)
        if choice.samples > 1 and not self.model.method.noise:
            raise InputError("samples: this model sees no noise, expected 1")
        labels = self.edited.labels(mask, choice.recipe)
        synthesize = self.synthesizer(choice.mask, choice.anatomy)
        seeds = range(choice.seed, choice.seed + choice.samples)
        made = [synthesize(labels, index, seed=seed) for seed in seeds]
        planes = synthesize.planes_of(index)
        arrays = {"labels": labels[index], **self._arrays(made)}
        sizes = np.bincount(labels.ravel(), minlength=len(LABELS))
        about = {
            "slice": index,
            "covered": planes.start < planes.stop,
            "millilitres": (sizes * np.prod(mask.spacing) / 1000).tolist(),
            "lesion": np.flatnonzero((labels > 1).any(axis=(1, 2))).tolist(),
            "arrays": [
                {"name": name, "type": array.dtype.name, "shape": list(array.shape)}
                for name, array in arrays.items()
            ],
        }
        return about, list(arrays.values())

    def recipe(self, choice: Choice) -> dict[str, Any]:
        """The recipe that ``samr-jax edit --edit=FILE.json`` replays, JSON-ready.

        Raises:
          InputError: there is no edit, or one cannot be done.
        """
        if choice.recipe is None:
            raise InputError("recipe: no edits yet, expected one or more")
        mask = self.masks[choice.mask]
        return self.edited.edit(mask.volume, choice.recipe).to_json()

    def synthesizer(self, mask: str, anatomy: int | str | None) -> SliceSynthesizer:
        """The synthesis of slices of a mask in a brain."""
        with self._lock:
            return self._of_mask(self.masks[mask].name, anatomy)

    def warm_up(self, anatomy: int | str | None) -> None:
        """Compiles the synthesis of a slice, so that the first answer comes at once."""
        mask = self.masks.all()[0]
        choice = Choice(mask.name, anatomy=anatomy)
        self.slice(choice, mask.describe()["first"])

    def _arrays(self, made: list[SynthesizedSlice]) -> dict[str, np.ndarray]:
        """Images, confidence and spread as they are sent; channels come first."""
        dataset, first = self.model.dataset, made[0]
        images = pack(dataset.normalise(None, first.images))
        arrays = {"images": np.moveaxis(images, -1, 0)}
        if first.confidence is not None:
            confidence = np.round(255 * first.confidence).astype(np.uint8)
            arrays["confidence"] = np.moveaxis(confidence, -1, 0)
        if len(made) > 1:
            deviation = RunningDeviation()
            for one in made:
                deviation.add(one.images)
            windows = [dataset.windows[name] for name in dataset.sequences]
            share = deviation.value / [w.high - w.low for w in windows]
            spread = np.round(65535 * np.clip(share, 0, 1)).astype(np.uint16)
            arrays["spread"] = np.moveaxis(spread, -1, 0)
        return arrays

    def _describe(self, name: str) -> dict[str, Any]:
        record, window = MRSequence.named(name), self.model.dataset.windows[name]
        return {
            "name": name,
            "unit": record.unit,
            "anatomic": record.anatomic,
            "colours": record.colours,
            "low": window.low,
            "high": window.high,
        }

    def _make_synthesizer(
        self, mask: str, anatomy: int | str | None
    ) -> SliceSynthesizer:
        told = self._maps(anatomy) if isinstance(anatomy, int) else anatomy
        return SliceSynthesizer(self.model, self.masks[mask].volume, anatomy=told)

    def _draw_maps(self, seed: int) -> TissueMaps:
        """The maps of a simulated brain, which takes seconds."""
        check_told(self.model)
        dataset = self.model.dataset
        return TissueMaps(maps_on_grid(seed, dataset, dataset.grid))
