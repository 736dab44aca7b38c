"""Looks for numbers that are no numbers, and stops the training at the first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from samr_jax.runtime.errors import TrainingError


class Watch:
    """Looks at what every step has made, whenever there is a line to be logged.

    Waiting for the device at every step would be slow, so the losses wait there.
    """

    def __init__(self):
        self._losses: dict[int, dict[str, jax.Array]] = {}

    def note(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Keeps a step's losses for the next look."""
        self._losses[step] = {
            name: value for name, value in metrics.items() if name.endswith("/total")
        }

    def look(
        self, step: int, metrics: Mapping[str, jax.Array], statistics: Any
    ) -> dict[str, float]:
        """A step's metrics as floats; waits for the device.

        Args:
          step: the latest one.
          metrics: of that step.
          statistics: running statistics of batch normalisation, which only evaluation
            uses, so that no loss shows what is wrong with them.

        Raises:
          TrainingError: names the first value that is NaN or infinite since the look
            before.
        """
        # A single bad image can leave a finite gradient, and no trace in later losses.
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
      TrainingError: names the first array that holds NaN or infinity.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(tree)):
        bad = np.asarray(leaf)[~np.isfinite(leaf)]
        if bad.size:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise TrainingError(
                f"step {step}: {name} is {bad.flat[0]}, expected a finite number; the "
                "last checkpoint is intact"
            )
