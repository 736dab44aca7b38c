"""Stops a training at the first value that is NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from samr_jax.runtime.errors import DivergenceError


class Watch:
    """Checks the losses of every step, each time a line is logged.

    Fetching the losses at every step would make the host wait for the device. They stay
    on the device until the next check.
    """

    def __init__(self):
        self._losses: dict[int, dict[str, jax.Array]] = {}

    def note(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Keeps the losses of a step for the next check."""
        self._losses[step] = {
            name: value for name, value in metrics.items() if name.endswith("/total")
        }

    def look(
        self, step: int, metrics: Mapping[str, jax.Array], statistics: Any
    ) -> dict[str, float]:
        """Checks all steps since the last check; returns the metrics of `step`.

        Waits for the device.

        Args:
          step: the latest step.
          metrics: metrics of that step.
          statistics: running statistics of batch normalisation. Only evaluation uses
            them, so that no loss would show their divergence.

        Raises:
          DivergenceError: names the first value that is NaN or infinite.
        """
        # One bad image can give an infinite loss with a finite gradient: later losses
        # would not show it.
        for then, losses in self._losses.items():
            check_finite(losses, then)
        self._losses.clear()
        values = jax.device_get(metrics)
        check_finite(values, step)
        check_finite(statistics, step)
        return {name: float(value) for name, value in values.items()}


def check_finite(tree: Any, step: int) -> None:
    """Checks every array of a tree.

    Raises:
      DivergenceError: names the first array that holds NaN or infinity.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(tree)):
        bad = np.asarray(leaf)[~np.isfinite(leaf)]
        if bad.size:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise DivergenceError(
                f"step {step}: {name} is {bad.flat[0]}, expected a finite number; the "
                "last checkpoint is intact"
            )
