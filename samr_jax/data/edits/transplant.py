"""Edits with other patients' lesions: replace, insert, recombine (Fig. 7 e).

Donors are label maps on the same grid, so a lesion keeps its position in the atlas.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from samr_jax.data.edits.constraints import (
    PARTS,
    Scene,
    check_range,
    clipped,
    lesion_of,
    paint_lesion,
    paint_parts,
    part_of,
)
from samr_jax.data.edits.geometry import (
    MAX_SHIFT_MM,
    centroid,
    shift_in_cells,
    shifted,
)
from samr_jax.data.edits.growth import resized
from samr_jax.data.edits.resize import growth_cost
from samr_jax.labels import BACKGROUND
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class _Transplant:
    """A donor's lesion, moved by millimetres to the left, posterior and superior."""

    donor: str
    dx: float = 0.0
    dy: float = 0.0
    dz: float = 0.0

    def __post_init__(self) -> None:
        check_name("donor", self.donor)
        for name in ("dx", "dy", "dz"):
            check_range(name, getattr(self, name), -MAX_SHIFT_MM, MAX_SHIFT_MM)

    def _into(self, labels: np.ndarray, scene: Scene) -> np.ndarray:
        donor = scene.donor(self.donor, labels.shape)
        lesion = lesion_of(donor, source=f"donor {self.donor}")
        cells = shift_in_cells((self.dx, self.dy, self.dz), scene.spacing)
        count = int(np.count_nonzero(lesion))
        return paint_lesion(labels, shifted(lesion, cells), expected=count)


class Replace(_Transplant):
    """Replaces the lesion by a donor's lesion, at the donor's position plus a shift."""

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        part_of(labels, "lesion")
        return self._into(labels, scene)


class Insert(_Transplant):
    """Inserts a donor's lesion into a healthy brain, at its position plus a shift."""

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        if np.isin(labels, PARTS["lesion"]).any():
            raise InputError("labels: a lesion, expected a healthy brain (or replace)")
        return self._into(labels, scene)


@dataclasses.dataclass(frozen=True)
class Recombine:
    """Reassembles the lesion from parts of several patients (Fig. 7 e).

    As in the annotation protocol, the lesion's outline comes first, from the donor of
    `edema`. Cavity and tumor of their donors are painted into it, and the remainder is
    edema. Each part is shifted by whole voxels, so that its donor's lesion has the same
    centre as the edited patient's lesion. The tumor makes room for the cavity and keeps
    its size.

    Attributes:
      edema: donor of the lesion's outline; None keeps the patient's own.
      cavity: donor of the cavity; None keeps the patient's own, if there is one.
      tumor: donor of the tumor; None keeps the patient's own, if there is one.
    """

    edema: str | None = None
    cavity: str | None = None
    tumor: str | None = None

    def __post_init__(self) -> None:
        donors = {part: name for part, name in vars(self).items() if name is not None}
        if not donors:
            raise InputError("no donor, expected such as recombine:tumor=ID")
        for part, name in donors.items():
            check_name(part, name)

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        brain = labels != BACKGROUND
        centre = centroid(part_of(labels, "lesion"))
        lesion, cavity, tumor = (
            self._part(part, labels, scene, centre)
            for part in ("edema", "cavity", "tumor")
        )
        if tumor.any():
            tumor = resized(
                tumor,
                int(np.count_nonzero(tumor)),
                allowed=brain & ~cavity,
                front=brain & ~tumor,
                spacing=scene.spacing,
                cost=growth_cost(lesion),
            )
        return paint_parts(brain, lesion | cavity | tumor, cavity, tumor)

    def _part(
        self, part: str, labels: np.ndarray, scene: Scene, centre: np.ndarray
    ) -> np.ndarray:
        """Boolean mask of a part of its donor, shifted to `centre` and clipped."""
        name = getattr(self, part)
        codes = PARTS["lesion" if part == "edema" else part]
        if name is None:
            return np.isin(labels, codes)
        donor = scene.donor(name, labels.shape)
        part_of(donor, part, source=f"donor {name}")
        region = np.isin(donor, codes)
        way = np.round(centre - centroid(part_of(donor, "lesion"))).astype(int)
        return clipped(
            shifted(region, way),
            labels != BACKGROUND,
            expected=int(np.count_nonzero(region)),
            name=f"donor's {part}",
        )


def check_name(field: str, name: object) -> None:
    """Raises an `InputError` unless `name` can stand in the text of a recipe."""
    if not isinstance(name, str) or not name or set(name) & set(",="):
        raise InputError(f"{field}={name!r}, expected a name without ',' and '='")
