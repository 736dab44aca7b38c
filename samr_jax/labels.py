"""Names and codes that the whole project shares: labels, regions, tissues, presets.

A label map is an integer array of the codes below; value 0 is outside the brain.
This module is plain Python and numpy, so that data tools need no JAX.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from samr_jax.runtime.errors import InputError

LABELS = ("background", "normal", "edema", "cavity", "tumor")
"""Label names; the position is the code of the label map."""

BACKGROUND, NORMAL, EDEMA, CAVITY, TUMOR = range(5)
LESION_LABELS = (EDEMA, CAVITY, TUMOR)

ROIS = MappingProxyType(
    {
        "background": (BACKGROUND,),
        "normal": (NORMAL,),
        "lesion": LESION_LABELS,
    }
)
"""Regions of the label-wise discriminators (section III-C): name -> label codes."""

TISSUES = ("WM", "GM", "CSF")
"""Channels of the tissue prior."""

ATLAS_NEIGHBOURS = 3
"""Atlas slices per sequence: below, at and above the instance's own (section IV-A)."""

PRESETS: Mapping[str, Mapping[int, int]] = MappingProxyType(
    {
        "samr": {0: BACKGROUND, 1: NORMAL, 2: EDEMA, 3: CAVITY, 4: TUMOR},
        "brats2021": {0: BACKGROUND, 1: CAVITY, 2: EDEMA, 4: TUMOR},
        "brats2021-necrosis-as-tumor": {0: BACKGROUND, 1: TUMOR, 2: EDEMA, 4: TUMOR},
        "brats2023": {0: BACKGROUND, 1: CAVITY, 2: EDEMA, 3: TUMOR},
        "brats2023-necrosis-as-tumor": {0: BACKGROUND, 1: TUMOR, 2: EDEMA, 3: TUMOR},
        "brats2024": {0: BACKGROUND, 1: CAVITY, 2: EDEMA, 3: TUMOR, 4: CAVITY},
        "brats2024-necrosis-as-tumor": {
            0: BACKGROUND,
            1: TUMOR,
            2: EDEMA,
            3: TUMOR,
            4: CAVITY,
        },
    }
)
"""Annotation protocols: source value -> our code.

Value 1 of the BraTS protocols (necrosis, non-enhancing core) is cavity by default,
since the paper's cavity includes liquefactive necrosis. ``brats2024`` is the
post-treatment protocol, whose value 4 is the resection cavity. All but ``samr`` leave
healthy brain at 0, like the outside; `mark_normal_brain` separates the two.
"""


def preset(name: str) -> Mapping[int, int]:
    """Returns the preset `name`; an unknown name is an `InputError` that lists them."""
    if name not in PRESETS:
        raise InputError(
            f"label preset {name!r} is unknown; expected one of {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def remap(labels: np.ndarray, mapping: Mapping[int, int], *, source: str) -> np.ndarray:
    """Translates a label map of another protocol.

    Args:
      labels: integer-valued array of any shape (floats are accepted if whole).
      mapping: source value -> our code; see `PRESETS`.
      source: what to call the array in an error, usually its file.

    Returns:
      uint8 array of our codes, same shape.

    Raises:
      InputError: a value is not whole, or the mapping does not name it.
    """
    labels = np.asarray(labels)
    values = np.unique(labels)
    if values.dtype.kind == "f" and not np.all(np.mod(values, 1) == 0):
        bad = values[np.mod(values, 1) != 0][0]
        raise InputError(f"{source}: label value {bad:g}, expected whole numbers")
    unknown = [int(v) for v in values if int(v) not in mapping]
    if unknown:
        raise InputError(
            f"{source}: label value {unknown[0]} is not named by the label preset, "
            f"expected one of {sorted(mapping)}"
        )
    out = np.zeros(labels.shape, np.uint8)
    for value, code in mapping.items():
        out[labels == value] = code
    return out


def mark_normal_brain(labels: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Sets background inside the boolean array `brain` to normal brain."""
    return np.where((labels == BACKGROUND) & brain, NORMAL, labels).astype(np.uint8)
