"""Checkpoints of a run, on top of Orbax.

They are written asynchronously. A damaged checkpoint is set aside with a warning, and
the one before it is read. Arrays are stored from the host, so that a run can go on with
another number of devices.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from samr_jax.runs.older import METHOD_STATE, upgraded_state
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import writing

_log = logging.getLogger(__name__)

BEST = "score"
"""The metric whose maximum is the best checkpoint."""

PATIENCE = 10**9
"""Time limit of a save in seconds, practically none: Orbax counts by the wall clock,
which may leap."""

PEER_PATIENCE = 600
"""Time limit of a save in a run of several processes, one of which may be gone."""


class Checkpoints:
    """The checkpoints of one run: the latest few, and the best."""

    def __init__(self, directory: Path | str, *, keep: int = 2, read_only=False):
        """Args:
        directory: holds one folder for each stored step.
        keep: how many of the latest checkpoints are kept, besides the best one.
        read_only: whether to refuse to write, and to leave damaged checkpoints alone.
        """
        self.directory = Path(directory).absolute()
        if not read_only:
            self._set_aside_unlisted()
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
            async_options=ocp.AsyncOptions(
                timeout_secs=PATIENCE if jax.process_count() == 1 else PEER_PATIENCE,
                create_directories_asynchronously=False,
            ),
        )
        try:
            self._manager = ocp.CheckpointManager(
                self.directory, options=options, item_names=("state", "meta")
            )
        except Exception as error:
            raise InputError(
                f"{self.directory}: damaged checkpoints ({_line(error)})"
            ) from error

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def best(self) -> int | None:
        """The step with the best score; None if no checkpoint has a score."""
        files = {
            step: _metrics_file(self.directory / str(step)) for step in self.steps()
        }
        try:
            scored = {
                step: _read_score(file) for step, file in files.items() if file.exists()
            }
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.directory}: damaged checkpoint ({_line(error)})"
            ) from error
        return max(scored, key=lambda step: scored[step]) if scored else None

    def save(
        self, step: int, state: Any, *, meta: dict, score: float | None = None
    ) -> None:
        """Starts writing `state`, a tree of host arrays, and returns.

        Raises:
          InputError: this checkpoint or the one before it cannot be written.
          RuntimeError: Orbax declined, as it does at or below a step that exists.
        """
        meta = {**meta, "step": step, "digest": _digest(state)}
        with self._writing():
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
            state = upgraded_state(found[0], getattr(like, METHOD_STATE, None))
            return _fit(state, like, self.directory / str(step)), found[1]
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
            state, meta = self._read(step)
            return upgraded_state(state), meta
        except Exception as error:
            raise InputError(
                f"{self.directory / str(step)}: damaged checkpoint ({_line(error)})"
            ) from error

    def reached_preemption(self, step: int) -> bool:
        """Whether the platform has announced that it will take the machine away."""
        return self._manager.reached_preemption(step)

    def wait(self) -> None:
        """Waits until every started save is written; raises what went wrong."""
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the started saves and closes the manager."""
        with self._writing():
            self._manager.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns errors of a save, or of one started earlier, into an `InputError`."""
        try:
            yield
        except Exception as error:
            raise InputError(
                f"{self.directory}: checkpoint cannot be written ({_line(error)}); "
                "those before it are intact"
            ) from error

    def _set_aside_unlisted(self) -> None:
        """Sets aside checkpoints whose description Orbax could not read."""
        for path in self.directory.glob("[0-9]*"):
            if not path.name.isdigit():
                continue
            try:
                description = path / "_CHECKPOINT_METADATA"
                if description.exists():
                    dict(json.loads(description.read_bytes()))
                if _metrics_file(path).exists():
                    _read_score(_metrics_file(path))
            except (OSError, ValueError, TypeError, RecursionError) as error:
                self._rename(path, error)

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
        if meta.get("step", step) != step:
            raise ValueError(f"it is of step {meta['step']}")
        return state, meta

    def _set_aside(self, step: int, error: Exception) -> None:
        self._rename(self.directory / str(step), error)
        self._manager.reload()

    def _rename(self, path: Path, error: Exception) -> None:
        aside = path.with_name(f"{path.name}.damaged")
        count = 1
        while aside.exists():
            count += 1
            aside = path.with_name(f"{path.name}.damaged-{count}")
        _log.warning(
            "checkpoint %s is damaged (%s); set aside as %s, an older one is taken",
            path,
            _line(error),
            aside.name,
        )
        # Of several processes, another one may have been first.
        with writing(path), contextlib.suppress(FileNotFoundError):
            path.rename(aside)


def _metrics_file(step: Path) -> Path:
    return step / "metrics" / "metrics"


def _read_score(file: Path) -> float:
    content = json.loads(file.read_bytes())
    score = content.get(BEST) if isinstance(content, dict) else None
    if not isinstance(score, float) or not math.isfinite(score):
        raise ValueError(f"{file} holds no {BEST}")
    return score


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
    """An error's first line, or the reason that the file system gives."""
    # TensorStore gives the reason at the end of a page.
    code = re.search(r"os_error_code='(\d+)'", str(error))
    number = int(code[1]) if code else getattr(error, "errno", None)
    if number:
        return os.strerror(number)
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
