"""Stand-ins for trained models, whose answers are known without a network."""

import types

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.labels import LABELS
from samr_jax.models.generator import Synthesis


class Segmenter:
    """Only segments: a pixel's label is the fifth of T1w's range that it is in."""

    def __init__(self, dataset):
        self.dataset, self.step, self.config, self.start = dataset, 3, {}, {}
        self.variables = {}  # no network
        self.method = types.SimpleNamespace(
            name="Fifths",
            prior="none",
            fields=("labels", "images"),
            can_synthesize=False,
            can_segment=True,
        )

    def segment(self, stored):
        images = stored["images"]
        images = unpack(images) if images.dtype == np.int16 else images
        level = (images[..., 0] + 1) / 2
        return np.eye(len(LABELS))[np.minimum((5 * level).astype(int), 4)]


class Painter:
    """Synthesizes: T1w shows the label, such that a `Segmenter` finds it."""

    def __init__(self, dataset):
        self.dataset, self.step, self.method_state, self.config = dataset, 3, {}, {}
        self.start = {}
        self.method = types.SimpleNamespace(
            name="Painter",
            prior="none",
            fields=("labels",),
            error_scale=lambda state: None,
            can_synthesize=True,
            can_segment=False,
            noise=0,
        )

    def synthesize(self, stored):
        level = (stored["labels"] + 0.5) / len(LABELS) * 2 - 1
        return Synthesis(np.stack([level, level], -1).astype(np.float32), None, None)


class Both(Painter):
    """Synthesizes and segments, with the confidence of a half."""

    def __init__(self, dataset):
        super().__init__(dataset)
        self.method.name, self.method.can_segment = "Both", True
        self.method.fields = ("labels", "images")

    def synthesize(self, stored):
        images = super().synthesize(stored).images
        half = np.full_like(images[:, ::2, ::2], 0.5)
        return Synthesis(images, images[:, ::2, ::2], half)

    segment = Segmenter.segment
