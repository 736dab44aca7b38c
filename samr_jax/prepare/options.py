"""The options of a preparation: which steps are done, and on which grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from samr_jax.data.subject import Grid
from samr_jax.runtime.errors import InputError

CHOICES = ("auto", "on", "off")
STRIP_CHOICES = ("auto", "hd-bet", "template", "off")


@dataclasses.dataclass(frozen=True)
class Steps:
    """The user's choice for each step: ``auto``, ``on`` or ``off``.

    With ``auto`` the data decide, as said below. For `strip` the choices are
    ``auto``, ``hd-bet``, ``template`` and ``off``.

    Attributes:
      register: rigid registration of a subject's sequences with one another. Auto
        registers a sequence if its grid or the mutual information shows that it is not
        aligned.
      align: rigid alignment of every subject with the template, so that a slice shows
        the same height in all subjects. Auto aligns unless the layout promises a
        common space and the files share one grid.
      strip: the method that removes the skull. Auto strips a scan if more of it is
        nonzero than the largest brain, by HD-BET if that is installed and otherwise
        by the template.
      bias: N4 bias correction. Auto corrects a scan if the field that N4 finds varies
        by more than 3 %.
      tissue: WM, GM and CSF maps. Auto makes them if ANTs is installed.
      standardise: Nyúl's intensity standardisation. Auto standardises if the subjects'
        scales differ and there are enough subjects to fit a scale.
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
            choices = STRIP_CHOICES if field.name == "strip" else CHOICES
            if value not in choices:
                raise InputError(
                    f"step {field.name}: {value!r}, expected {', '.join(choices)}"
                )


@dataclasses.dataclass(frozen=True)
class Options:
    """What the preparation of every subject has in common.

    Attributes:
      sequences: the sequences to read, in the order of the channels.
      mapping: value in the annotation -> our label code.
      grid: the dataset's grid over the whole height of the common space.
      working: an isotropic grid over the same space, on which tissue maps and the
        template are computed; None if no step needs it.
      steps: the user's choice for each step.
      stripper: the method that removes skulls where there are any.
      align: whether subjects are moved to the template's space.
      spacing_of: voxel size in millimetres of files whose header has lost it, or None.
      sets: the sequences of each dataset that is made; a subject needs all sequences of
        one of them. Without any, there is one dataset of all `sequences`.
      template: whether the atlas is a multivariate template; otherwise it is the plain
        mean of the training subjects.
    """

    sequences: tuple[str, ...]
    mapping: Mapping[int, int]
    grid: Grid
    working: Grid | None
    steps: Steps
    stripper: str
    align: bool
    template: bool
    spacing_of: tuple[float, float, float] | None = None
    sets: tuple[tuple[str, ...], ...] = ()

    def sequences_of(self, roles: Collection[str]) -> tuple[str, ...]:
        """The sequences to read of a subject.

        Args:
          roles: the files that the subject has.

        Returns:
          All that it has, if that is enough for one of the sets; otherwise the first
          set, so that reading fails and names the missing file.
        """
        sets = self.sets or (self.sequences,)
        held = tuple(name for name in self.sequences if name in roles)
        return held if any(set(one) <= set(held) for one in sets) else sets[0]

    def describe(self) -> dict:
        """Everything but the files that a prepared subject depends on, JSON-ready."""
        return {
            "sequences": list(self.sequences),
            "labels": {str(k): int(v) for k, v in self.mapping.items()},
            "grid": describe_grid(self.grid),
            "working": self.working and describe_grid(self.working),
            "steps": {
                # The standard scale comes later and does not change what is cached.
                name: choice
                for name, choice in dataclasses.asdict(self.steps).items()
                if name != "standardise"
            },
            "stripper": self.stripper,
            "spacing_of": self.spacing_of and list(self.spacing_of),
            "align": self.align,
        }


def describe_grid(grid: Grid) -> dict:
    """A grid as JSON."""
    return {
        "size": list(grid.size),
        "slices": grid.slices,
        "affine": [[round(float(v), 6) for v in row] for row in grid.affine],
    }
