"""MR sequences: one record holds everything that differs between two of them.

A sequence of which nothing is known, such as ``T1map_custom``, counts as an anatomic
image in arbitrary units. A new quantitative map is one more record in `KNOWN`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name


@dataclasses.dataclass(frozen=True)
class MRSequence:
    """A sequence, as preparation, datasets and figures treat it.

    An anatomic image has arbitrary units and shows the brain's edge. Bias correction,
    standardisation and registration need such an image. The values of a quantitative
    map mean something, so that preparation never rescales them and one fixed window
    serves every subject.

    Attributes:
      name: name in datasets and on figures.
      window: the two values, in `unit`, that become -1 and 1 for the networks; None
        where a window is fitted to the scans.
      unit: unit of the values.
      anatomic: False for a quantitative map, which needs a `window`.
      colours: matplotlib colour map. Figures of quantitative maps have a colour bar.
      bids: end of a file's name in BIDS, ``[ENTITY-VALUE_]SUFFIX``; by default `name`.
    """

    name: str
    window: tuple[float, float] | None = None
    unit: str = "a.u."
    anatomic: bool = True
    colours: str = "gray"
    bids: str = ""

    def __post_init__(self):
        if not self.anatomic and self.window is None:
            raise InputError(
                f"sequence {self.name}: a quantitative map without a window, expected "
                "the two values that are shown darkest and brightest"
            )
        object.__setattr__(self, "bids", self.bids or self.name)

    @staticmethod
    def named(name: str) -> MRSequence:
        """The record of `KNOWN`, or that of an anatomic image of this name."""
        return KNOWN.get(name) or MRSequence(name)

    @property
    def label(self) -> str:
        """Name and unit, for a colour bar."""
        return f"{self.name} ({self.unit})"


KNOWN: dict[str, MRSequence] = {
    record.name: record
    for record in (
        MRSequence("T1w"),
        MRSequence("Gd-T1w", bids="ce-gadolinium_T1w"),
        MRSequence("T2w"),
        MRSequence("FLAIR"),
        MRSequence(
            "APTw",
            window=(-5.0, 5.0),
            unit="%",  # of the water signal
            anatomic=False,
            colours="turbo",
        ),
    )
}
"""Records by name."""

SEQUENCES = ("T1w", "Gd-T1w", "T2w", "FLAIR", "APTw")
"""The paper's five sequences, in the order of every channel axis."""


def check_sequences(sequences: Sequence[str], *, source: str) -> tuple[str, ...]:
    """Returns the tuple of names; `InputError` if empty, repeated or no names."""
    names = tuple(check_name(str(name), source=source) for name in sequences)
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"{source}: sequences {names}, expected one or more different names"
        )
    return names
