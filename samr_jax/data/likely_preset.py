"""Whether a label map has the codes of another annotation protocol than was said.

The value 1 tells protocols apart: it is normal brain in our codes, which surrounds the
lesion, and necrosis in BraTS's, which lies inside the lesion.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from samr_jax.labels import LESION_LABELS, NORMAL
from samr_jax.runtime.errors import InputError

INSIDE = 0.95
"""Normal brain of which more than this share lies in the smallest box around the lesion
is none. A brain is far larger than its lesion."""

OURS = "samr"


def check_normal_brain(labels: np.ndarray, *, source: str) -> None:
    """Refuses a label map whose normal brain lies only inside its lesion.

    Args:
      labels: label map of our codes, of any shape.
      source: name of the map, for the message.

    Raises:
      InputError: names the presets to use.
    """
    if _share_inside(labels == NORMAL, np.isin(labels, LESION_LABELS)) > INSIDE:
        raise InputError(
            f"{source}: normal brain (1) lies only inside the lesion, as necrosis does "
            "in BraTS's codes, expected --labels=brats2021 (values 1, 2, 4), brats2023 "
            "(1, 2, 3) or brats2024 (1, 2, 3, 4)"
        )


def likely_preset(values: np.ndarray, given: str) -> str | None:
    """Another preset whose codes a label map seems to have.

    Args:
      values: label map as it was read, of any shape.
      given: preset of `samr_jax.labels.PRESETS` that the map is said to have.

    Returns:
      Name of the other preset; None if nothing speaks against the given one.
    """
    found = set(np.unique(values).tolist()) - {0}
    others = (values != 0) & (values != 1)
    inside = _share_inside(values == 1, others)
    if given == OURS:
        if inside > INSIDE:
            return _brats(found)
        # Edema and enhancing tumor in the codes of 2023, in ours edema and cavity.
        return "brats2023" if 3 in found and not found & {1, 4} else None
    if 0 <= inside <= INSIDE:
        return OURS
    # In 2024, value 4 is the resection cavity, and 3 the enhancing tumor.
    resected = given.startswith("brats2024") and {1, 4} <= found and 3 not in found
    return given.replace("2024", "2021") if resected else None


def preset_warning(likely: str, given: str) -> str:
    """A line for the user on what `likely_preset` has found."""
    return f"its values look like those of --labels={likely}, not of {given}"


def _brats(found: set[int]) -> str:
    """The protocol of BraTS that has these values."""
    if 3 in found:
        return "brats2024" if 4 in found else "brats2023"
    return "brats2021"


def _share_inside(region: np.ndarray, lesion: np.ndarray) -> float:
    """The share of a region in the smallest box around a lesion; -1 if one is empty."""
    size = np.count_nonzero(region)
    if not size or not lesion.any():
        return -1.0
    (box,) = ndimage.find_objects(lesion.astype(np.uint8))
    return np.count_nonzero(region[box]) / size
