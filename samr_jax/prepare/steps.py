"""Which steps of the preparation are done: each on, off, or decided by the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from samr_jax.data.subject import Grid
from samr_jax.runtime.errors import InputError

CHOICES = ("auto", "on", "off")


@dataclasses.dataclass(frozen=True)
class Steps:
    """``auto``, ``on`` or ``off`` for each step; ``auto`` looks at the data.

    Attributes:
      register: rigid registration of a subject's sequences with one another. Auto:
        those whose grid or mutual information says that they do not lie together.
      align: rigid alignment of every subject with the template, so that slices mean
        the same height in all. Auto: unless the layout promises a common space and
        the files are on one grid.
      strip: removal of the skull. Auto: where more is not zero than a brain holds.
      bias: N4. Auto: where the field that it finds varies by more than 3 %.
      tissue: WM, GM and CSF maps. Auto: where ANTs is installed.
      standardise: Nyúl's intensity standardisation. Auto: where subjects differ in
        scale and there are enough of them to fit it.
    """

    register: str = "auto"
    align: str = "auto"
    strip: str = "auto"
    bias: str = "auto"
    tissue: str = "auto"
    standardise: str = "auto"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value not in CHOICES:
                raise InputError(
                    f"step {field.name}: {value!r}, expected {', '.join(CHOICES)}"
                )


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the preparation of every subject has in common.

    Attributes:
      sequences: what to read, the order of the channels.
      mapping: values of the annotation -> our codes.
      grid: the dataset's, over the whole height of the common space.
      working: isotropic grid of the same space, for the costly steps; None if no step
        needs it.
      steps: what to do.
      align: whether subjects are moved to the template's space.
      template: whether the atlas is a multivariate template, not the plain mean.
    """

    sequences: tuple[str, ...]
    mapping: Mapping[int, int]
    grid: Grid
    working: Grid | None
    steps: Steps
    align: bool
    template: bool

    def describe(self) -> dict:
        """All that a prepared subject depends on beside its files, JSON-ready."""
        return {
            "sequences": list(self.sequences),
            "labels": {str(k): int(v) for k, v in self.mapping.items()},
            "grid": describe_grid(self.grid),
            "working": self.working and describe_grid(self.working),
            "steps": {
                # The standard scale is applied to the prepared subjects.
                name: choice
                for name, choice in dataclasses.asdict(self.steps).items()
                if name != "standardise"
            },
            "align": self.align,
        }


def describe_grid(grid: Grid) -> dict:
    """A grid as JSON."""
    return {
        "size": list(grid.size),
        "slices": grid.slices,
        "affine": [[round(float(v), 6) for v in row] for row in grid.affine],
    }
