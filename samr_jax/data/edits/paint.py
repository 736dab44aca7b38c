"""Painting by hand: voxels of the lesion, one by one."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from samr_jax.data.edits.constraints import Scene
from samr_jax.labels import BACKGROUND, LABELS, LESION_LABELS, NORMAL
from samr_jax.runtime.errors import InputError

PAINTS = LABELS[BACKGROUND + 1 :]
"""Labels to paint with; normal brain erases."""

OVER = {
    "brain": (NORMAL, *LESION_LABELS),
    "normal": (NORMAL,),
    "lesion": LESION_LABELS,
}
"""What can be painted over, with its label codes."""

_GRID = re.compile(r"\d{1,5}(x\d{1,5}){1,2}")
_RUNS = re.compile(r"\d{1,5}( \d{1,5}){2,3}(;\d{1,5}( \d{1,5}){2,3})*")


@dataclasses.dataclass(frozen=True)
class Paint:
    """Gives voxels of the brain a label; the background stays as it is.

    The voxels are named by their indices, so that a recipe with paint fits one grid
    alone. Applied again, it paints the same voxels.

    Attributes:
      label: ``edema``, ``cavity`` or ``tumor``; ``normal`` erases.
      grid: number of slices, rows and columns of the label map that was painted on,
        such as ``15x256x256``; rows and columns alone for a slice.
      runs: the voxels, as runs along the columns. Each run is the slice, row and column
        of its first voxel and the number of its voxels, and semicolons separate runs:
        ``7 120 88 5;7 121 87 7``. On a slice, a run has no slice index.
      over: what is painted over, and everything else stays: the ``brain``, ``normal``
        brain alone, or the ``lesion`` alone.
    """

    label: str
    grid: str
    runs: str
    over: str = "brain"

    def __post_init__(self) -> None:
        if self.label not in PAINTS:
            raise InputError(f"label={self.label}, expected one of {', '.join(PAINTS)}")
        if self.over not in OVER:
            raise InputError(f"over={self.over}, expected one of {', '.join(OVER)}")
        if not isinstance(self.grid, str) or not _GRID.fullmatch(self.grid):
            raise InputError(f"grid={self.grid!r:.50}, expected such as 15x256x256")
        if not isinstance(self.runs, str) or not _RUNS.fullmatch(self.runs):
            raise InputError(
                f"runs={self.runs!r:.50}, expected such as 7 120 88 5;7 121 87 7"
            )
        _cells(self.runs, self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The `grid` as the shape of an array."""
        return tuple(map(int, self.grid.split("x")))

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        if labels.shape != self.shape:
            found = "x".join(map(str, labels.shape))
            raise InputError(
                f"painted on a mask of {self.grid} voxels, expected this mask's {found}"
            )
        cells = _cells(self.runs, self.shape)
        out = labels.copy()
        flat = out.reshape(-1)
        painted = cells[np.isin(flat[cells], OVER[self.over])]
        if not painted.size:
            raise InputError(f"nothing of the {self.over} is painted, expected some")
        flat[painted] = LABELS.index(self.label)
        return out


def _cells(runs: str, shape: tuple[int, ...]) -> np.ndarray:
    """Indices of painted voxels in the flattened label map.

    Raises:
      InputError: a run leaves the grid.
    """
    numbers = [tuple(map(int, run.split())) for run in runs.split(";")]
    if wrong := next((run for run in numbers if len(run) != len(shape) + 1), None):
        raise InputError(
            f"runs: a run of {len(wrong)} numbers, expected {len(shape) + 1}"
        )
    *starts, counts = np.array(numbers).T
    ends = [*starts[:-1], starts[-1] + counts - 1]
    sizes = np.array(shape)[:, None]
    if (counts < 1).any() or (np.array(ends) >= sizes).any():
        raise InputError(
            f"runs: a run that leaves the grid, expected all in "
            f"{'x'.join(map(str, shape))}"
        )
    first = np.ravel_multi_index(starts, shape)
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(counts.sum())
