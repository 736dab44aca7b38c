"""Vasogenic edema: it spreads in white matter and stops at cortex and ventricles."""

from collections.abc import Mapping

import numpy as np
from skimage.graph import MCP_Geometric

from samr_jax.data.phantom.geometry import COARSE
from samr_jax.data.phantom.lesion import soft_step

FARTHEST = 200.0
"""Upper limit of the length of a path, in mm."""


def draw_reach(rng: np.random.Generator) -> float:
    """Draws how far edema spreads in white matter: 5 to 32 mm, 17 mm on average."""
    return float(np.clip(rng.gamma(5.0, 3.4), 5, 32))


def travel(core: np.ndarray, tissue: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Length of the fluid's path from the core, in mm of white matter.

    A millimetre of other tissue counts as several millimetres of white matter.

    Args:
      core: ``(Z, Y, X)`` fraction of tumor and cavity, on the coarse axes.
      tissue: ``(3, Z, Y, X)`` WM, GM and CSF probabilities there.
      depth: ``(Z, Y, X)`` millimetres to the brain's surface.

    Returns:
      ``(Z, Y, X)`` float32, 0 in the core, at most `FARTHEST`.
    """
    starts = np.argwhere(core > 0.4)
    if not len(starts):
        return np.full(core.shape, FARTHEST, np.float32)
    speed = np.maximum(tissue[0] + 0.3 * tissue[1], 0.03)
    cost = np.where(depth > 0, COARSE / speed, -1.0)  # negative is impassable
    cost[core > 0.4] = COARSE
    arrival, _ = MCP_Geometric(cost).find_costs(starts)
    return np.minimum(arrival, FARTHEST).astype(np.float32)


def edema_fraction(
    travelled: np.ndarray,
    reach: float,
    tissue: np.ndarray,
    noise: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Share ``(Z, Y, X)``, 0..1, of edema in the tissue outside the core.

    White matter takes up most fluid and cortex little, which gives edema its
    finger-like outline.
    """
    front = reach * (1 + 0.3 * noise["lobes"]) + 2 * noise["bumps"]
    receptive = tissue[0] + 0.35 * tissue[1]
    fluid = np.clip(0.85 + 0.12 * noise["bumps"], 0, 1)
    return soft_step(front - travelled, 3.0) * receptive * fluid


def soaked_share(noise: Mapping[str, np.ndarray]) -> np.ndarray:
    """Share 0..1 of the edema ``(Z, Y, X)`` that has much free water."""
    uneven = 0.5 * noise["lobes"] + 0.75 * noise["wall"] + 0.35 * noise["patch"]
    return np.clip(0.45 + 0.4 * uneven, 0, 1)
