"""Checkpoints: asynchronous, whole or set aside, and never silently older or newer.

A thin layer over Orbax. Arrays are stored from the host, so that a checkpoint moves
between numbers of devices.
"""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from samr_jax.errors import InputError

_log = logging.getLogger(__name__)

BEST = "score"
"""The metric whose maximum is the best checkpoint."""


class Checkpoints:
    """The checkpoints of one run: the latest few, and the best."""

    def __init__(self, directory: Path | str, *, keep: int = 2, read_only=False):
        """Args:
        directory: holds one folder a step.
        keep: how many of the latest stay; the best stays beside them.
        read_only: refuse to write, and leave what is there untouched.
        """
        self.directory = Path(directory).absolute()
        policies = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(keep),
                checkpoint_managers.BestN(
                    get_metric_fn=lambda metrics: metrics[BEST],
                    n=1,
                    keep_checkpoints_without_metrics=False,
                ),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            # Orbax writes metrics down only where a best_fn asks for them.
            best_fn=lambda metrics: metrics[BEST],
            preservation_policy=None if read_only else policies,
            cleanup_tmp_directories=not read_only,
            read_only=read_only,
            create=not read_only,
        )
        self._manager = ocp.CheckpointManager(
            self.directory, options=options, item_names=("state", "meta")
        )

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def best(self) -> int | None:
        """The step with the best score, where any has one."""
        scored = {
            step: metrics[BEST]
            for step in self.steps()
            if (metrics := self._manager.metrics(step))
        }
        return max(scored, key=scored.get) if scored else None

    def save(
        self, step: int, state: Any, *, meta: dict, score: float | None = None
    ) -> None:
        """Starts writing `state`, a tree of host arrays, and returns.

        Raises:
          RuntimeError: Orbax declined, as it does at or below an existing step.
        """
        meta = {**meta, "digest": _digest(state)}
        saved = self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta)
            ),
            metrics=None if score is None else {BEST: float(score)},
            force=True,
        )
        if not saved:
            raise RuntimeError(f"checkpoint {step} in {self.directory} was not written")

    def restore_latest(self, like: Any) -> tuple[Any, dict] | None:
        """The newest whole checkpoint, or None where there is none.

        A damaged one is set aside as ``<step>.damaged`` with a warning, and the next
        older one is tried; the run then repeats the steps between.

        Args:
          like: a tree with the state's structure, shapes and types.

        Raises:
          InputError: the checkpoint is whole but of other networks.
        """
        for step in reversed(self.steps()):
            try:
                found = self._read(step)
            except Exception as error:
                self._set_aside(step, error)
                continue
            return _fit(found[0], like, self.directory / str(step)), found[1]
        return None

    def read(self, step: int | None = None) -> tuple[dict, dict]:
        """State (as nested dictionaries) and meta of one step, by default the newest.

        Raises:
          InputError: there is none, or it is damaged.
        """
        steps = self.steps()
        if not steps:
            raise InputError(f"{self.directory}: no checkpoint, expected a trained run")
        step = steps[-1] if step is None else step
        try:
            return self._read(step)
        except Exception as error:
            raise InputError(
                f"{self.directory / str(step)}: damaged checkpoint ({_line(error)})"
            ) from error

    def reached_preemption(self, step: int) -> bool:
        """Whether the platform has announced that it will take the machine away."""
        return self._manager.reached_preemption(step)

    def wait(self) -> None:
        """Blocks until what was started is written; raises what went wrong."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits and lets go."""
        self._manager.close()

    def _read(self, step: int) -> tuple[dict, dict]:
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore()
            ),
        )
        state = jax.tree.map(np.asarray, restored["state"])
        meta = restored["meta"]
        if meta.get("digest") != _digest(state):
            raise ValueError("its content does not have the digest that was saved")
        return state, meta

    def _set_aside(self, step: int, error: Exception) -> None:
        path = self.directory / str(step)
        aside = path.with_name(f"{step}.damaged")
        count = 1
        while aside.exists():
            count += 1
            aside = path.with_name(f"{step}.damaged-{count}")
        _log.warning(
            "checkpoint %s is damaged (%s); set aside as %s, an older one is taken",
            path,
            _line(error),
            aside.name,
        )
        path.rename(aside)
        self._manager.reload()


def _fit(state: dict, like: Any, source: Path) -> Any:
    """Puts restored arrays into the structure of `like`, checking every leaf."""
    found = dict(_named_leaves(state))
    wanted = dict(_named_leaves(like))
    for name in sorted(found.keys() ^ wanted.keys()):
        side = "holds" if name in found else "lacks"
        raise InputError(f"{source}: {side} {name}, expected this run's networks")
    for name, leaf in wanted.items():
        if found[name].shape != leaf.shape or found[name].dtype != leaf.dtype:
            raise InputError(
                f"{source}: {name} is {found[name].dtype}{found[name].shape}, expected "
                f"{leaf.dtype}{leaf.shape}"
            )
    _, structure = jax.tree.flatten(like)
    return jax.tree.unflatten(structure, [found[name] for name in wanted])


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Leaves by path; dictionaries, tuples and dataclasses read alike."""

    def part(key: Any) -> str:
        for attribute in ("key", "name", "idx"):
            if hasattr(key, attribute):
                return str(getattr(key, attribute))
        return str(key)

    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [("/".join(part(key) for key in path), leaf) for path, leaf in leaves]


def _digest(state: Any) -> int:
    """CRC-32 over all leaves in the order of their names."""
    digest = 0
    for name, leaf in sorted(_named_leaves(state), key=lambda item: item[0]):
        array = np.ascontiguousarray(leaf)
        digest = zlib.crc32(f"{name}{array.dtype}{array.shape}".encode(), digest)
        digest = zlib.crc32(array.tobytes(), digest)
    return digest


def _line(error: Exception) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
