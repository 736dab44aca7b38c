"""Vasogenic edema: it runs along white matter and stops at cortex and ventricles."""

import numpy as np
from skimage.graph import MCP_Geometric

from samr_jax.data.phantom.geometry import COARSE

UNREACHED = 200.0


def travel(core: np.ndarray, tissue: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Distance that fluid has travelled from the core, in mm of white matter.

    Args:
      core: ``(Z, Y, X)`` fraction of tumor and cavity, on the coarse axes.
      tissue: ``(3, Z, Y, X)`` WM, GM and CSF probabilities there.
      brain: ``(Z, Y, X)`` fraction of brain.

    Returns:
      ``(Z, Y, X)`` float32, 0 in the core, at most `UNREACHED`.
    """
    starts = np.argwhere(core > 0.4)
    if not len(starts):
        return np.full(core.shape, UNREACHED, np.float32)
    speed = tissue[0] + 0.3 * tissue[1] + 0.03 * tissue[2]
    cost = np.where(brain > 0.5, COARSE / np.maximum(speed, 0.03), -1.0)
    cost[core > 0.4] = COARSE
    arrival, _ = MCP_Geometric(cost).find_costs([tuple(s) for s in starts])
    return np.minimum(arrival, UNREACHED).astype(np.float32)
