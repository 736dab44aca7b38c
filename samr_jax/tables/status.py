"""How much of a table is done, and how many hours the rest will take."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import ml_collections

from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.reports.markdown import markdown_table
from samr_jax.evaluation.stored import METRICS
from samr_jax.methods.batch import decode
from samr_jax.runs.model import build_method
from samr_jax.runtime import parallel
from samr_jax.tables.augmentation_study import augmented_directories, real_steps
from samr_jax.tables.make import chosen_rows
from samr_jax.tables.rows import SEGMENTER, Row
from samr_jax.tables.run_record import RECORD, seconds_of, steps_of
from samr_jax.tables.table_runs import TableRuns
from samr_jax.tables.trials import directory_of, finished
from samr_jax.training.data import training_batches
from samr_jax.training.state import create_state, make_optimizer
from samr_jax.training.step import make_train_step

WARM_UP, TIMED = 2, 3
"""Steps before the clock starts, and steps that are timed."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """The runs of one row of a table.

    Attributes:
      title: the row's, and the mix's of Table II.
      row: whose config the runs have.
      directories: work directories of the runs.
      steps: optimizer steps of each run.
      trials: whether the runs are those by which the row chooses learning rates.
    """

    title: str
    row: Row
    directories: Sequence[Path]
    steps: int
    trials: bool = False

    @property
    def finished(self) -> list[Path]:
        """The work directories that need no more steps."""
        return [path for path in self.directories if self._is_finished(path)]

    def _is_finished(self, path: Path) -> bool:
        if self.trials:
            return finished(path, self.steps)
        return (path / METRICS).exists()

    @property
    def steps_left(self) -> int:
        """Steps of all runs, less those of the last checkpoint of each."""
        unfinished = [p for p in self.directories if not self._is_finished(p)]
        return sum(max(0, self.steps - saved_steps(path)) for path in unfinished)

    def recorded_seconds(self) -> float | None:
        """Seconds of a step, evaluation included, by the runs that are finished."""
        paths = [path for path in self.finished if (path / RECORD).exists()]
        seconds = sum(map(seconds_of, paths))
        steps = sum(map(steps_of, paths))
        return seconds / steps if steps else None


def status(number: int, table_runs: TableRuns, *, only: Sequence[str] = ()) -> str:
    """What is done of a table, what is left, and in how many hours.

    The speed of a row is that of its finished runs; without any it is timed here, on
    the first fold. Nothing is trained and nothing is written but the folds' datasets.

    Args:
      number: of the table.
      table_runs: its runs.
      only: titles of rows; by default all.

    Returns:
      A Markdown table and a last line with the hours in all.
    """
    rows, hours = [], 0.0
    timed: dict[str, float] = {}
    for planned in plan(number, table_runs, only=only):
        seconds = planned.recorded_seconds()
        if seconds is None and planned.steps_left:
            name = planned.row.key
            if name not in timed:
                part = table_runs.parts[0]
                config = part.config(planned.row, part.seeds[0])
                timed[name] = step_seconds(config, part.dataset)
            seconds = timed[name]
        left = planned.steps_left * (seconds or 0.0) / 3600
        hours += left
        done = f"{len(planned.finished)} of {len(planned.directories)}"
        speed = "" if seconds is None else f"{seconds:.3g}"
        rows.append([planned.title, done, str(planned.steps), speed, f"{left:.2f}"])
    header = ["Row", "Runs done", "Steps a run", "Seconds a step", "Hours left"]
    total = f"{hours:.1f} hours of training left on this machine."
    return "\n".join([*markdown_table(header, rows), "", total])


def plan(
    number: int, table_runs: TableRuns, *, only: Sequence[str] = ()
) -> list[Planned]:
    """All runs of a table, row by row, in the order in which they are trained.

    Args:
      number: of the table.
      table_runs: its runs.
      only: titles of rows; by default all.
    """
    table, rows = chosen_rows(number, only)
    segmenter = Planned(
        SEGMENTER.title,
        SEGMENTER,
        table_runs.directories(SEGMENTER),
        _steps(table_runs, SEGMENTER),
    )
    if table.kind == "synthesis" and not table.useful:
        # Images are judged by the segmenter of the first seed alone.
        first = dataclasses.replace(table_runs, seeds=table_runs.seeds[:1])
        segmenter = dataclasses.replace(
            segmenter, directories=first.directories(SEGMENTER)
        )
    planned = [*_trials(table_runs, (SEGMENTER, *rows)), segmenter]
    planned += [
        Planned(row.title, row, table_runs.directories(row), _steps(table_runs, row))
        for row in rows
    ]
    shares = {"augmentation": table_runs.shares, "ablation": [1.0]}
    for share in shares.get(table.kind, ()):
        planned += [_augmented(table_runs, row, share) for row in rows]
        if table.kind == "augmentation":
            planned.append(_augmented(table_runs, None, share))
    if table.kind == "augmentation" or table.useful:
        planned += [_augmented(table_runs, row, 1.0, with_real=False) for row in rows]
    return planned


def _augmented(
    table_runs: TableRuns, row: Row | None, share: float, *, with_real: bool = True
) -> Planned:
    """Segmenters that are trained on further volumes; see `augmented_evaluations`."""
    title = "geometric" if row is None else row.title
    mix = f"mix {share:g}" if with_real else "images alone"
    return Planned(
        f"{SEGMENTER.title} on {title}, {mix}",
        SEGMENTER,
        augmented_directories(table_runs, row, share, with_real=with_real),
        real_steps(table_runs.parts[0], table_runs.seeds[0]),
    )


def _trials(table_runs: TableRuns, rows: Sequence[Row]) -> list[Planned]:
    """The runs by which the rows choose their learning rates; none without a grid."""
    grid = table_runs.grid
    if grid is None:
        return []
    return [
        Planned(
            f"Trials of {row.title}",
            row,
            [
                directory_of(part.trials(row), candidate)
                for part in table_runs.parts
                for candidate in grid.candidates(part.config(row, part.seeds[0]))
            ],
            grid.steps,
            trials=True,
        )
        for row in rows
    ]


def saved_steps(run: Path) -> int:
    """The step of a run's last checkpoint; 0 without any."""
    folders = (run / "checkpoints").glob("*")
    return max((int(f.name) for f in folders if f.name.isdecimal()), default=0)


def step_seconds(config: ml_collections.ConfigDict, dataset: Dataset) -> float:
    """Times a training step of a config, after it was compiled."""
    method = build_method(config, dataset, axis_name=parallel.AXIS)
    batches = training_batches(config, dataset, method)
    optimizer = make_optimizer(config, steps=config.epochs * batches.epoch_steps)
    example = {name: array[:1] for name, array in batches[0].items()}
    # Without an axis, which exists in the compiled step alone.
    state = create_state(
        build_method(config, dataset),
        jax.random.key(0),
        decode(example),
        optimizer=optimizer,
    )
    step = parallel.parallel_step(
        make_train_step(
            method,
            optimizer=optimizer,
            seed=config.seed,
            accumulation=config.accumulation,
            axis_name=parallel.AXIS,
        )
    )
    state, shards = parallel.replicate(state), parallel.shard(batches[0])
    for place in range(WARM_UP + TIMED):
        if place == WARM_UP:
            start = time.perf_counter()
        state, _ = step(state, shards)
        jax.block_until_ready(state)
    return (time.perf_counter() - start) / TIMED


def _steps(table_runs: TableRuns, row: Row) -> int:
    """Optimizer steps of a row's run in the first fold."""
    part = table_runs.parts[0]
    config = part.config(row, part.seeds[0])
    method = build_method(config, part.dataset)
    epoch = training_batches(config, part.dataset, method).epoch_steps
    return config.steps or config.epochs * epoch
