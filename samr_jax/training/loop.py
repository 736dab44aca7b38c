"""The training loop of every method."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import jax
import ml_collections

import samr_jax
from samr_jax.config import flatten, validate
from samr_jax.data.dataset import Dataset
from samr_jax.evaluation.evaluate import evaluate
from samr_jax.evaluation.evaluation_figures import draw_comparison, draw_segmentation
from samr_jax.evaluation.scoring import score, score_segmentation
from samr_jax.methods.batch import decode
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runs.model import DATASET_COPY, START, Model, build_method, read_start
from samr_jax.runs.workdir import check_same, claim, keep_description
from samr_jax.runtime import parallel
from samr_jax.runtime.files import locked, write_json
from samr_jax.runtime.interruption import stop_signal
from samr_jax.training.compilation import compile_in_memory
from samr_jax.training.data import training_batches, training_dataset
from samr_jax.training.divergence import Watch, check_finite
from samr_jax.training.start import start_from
from samr_jax.training.state import TrainState, create_state, make_optimizer
from samr_jax.training.step import make_train_step
from samr_jax.training.writers import Writers

_log = logging.getLogger(__name__)


def train_and_evaluate(
    config: ml_collections.ConfigDict, workdir: Path | str
) -> dict | None:
    """Trains what `config` describes, from where `workdir` stands, and evaluates it.

    Args:
      config: see `samr_jax.config.default`.
      workdir: gets ``config.json``, ``metrics.jsonl``, ``metrics.json``, ``table.md``,
        ``checkpoints/``, ``figures/`` and TensorBoard's ``events/``.

    Returns:
      The evaluation on the test split; None if the run was asked to stop before, and in
      all but the first of several processes.

    Raises:
      InputError: the config, the dataset or the work directory is not right.
      DivergenceError: a loss or a weight is NaN or infinite.
    """
    with _claimed(config, workdir) as run:
        return run.train_and_evaluate()


def train(config: ml_collections.ConfigDict, workdir: Path | str) -> bool:
    """Trains as `train_and_evaluate` does, without a look at the test split.

    Args:
      config: as there.
      workdir: as there; gets no ``metrics.json`` and no ``table.md``.

    Returns:
      Whether the training reached its end; False if the run was asked to stop before.

    Raises:
      InputError, DivergenceError: as there.
    """
    with _claimed(config, workdir) as run:
        return run.train()[1]


@contextlib.contextmanager
def _claimed(config: ml_collections.ConfigDict, workdir: Path | str) -> Iterator[Run]:
    """The run of a config in a work directory that no other process may use."""
    validate(config)
    parallel.check_divisible(config.batch_size, config.accumulation)
    workdir = Path(workdir)
    alone = contextlib.nullcontext()
    if parallel.is_first_process():
        alone = locked(workdir / ".lock", wait=False)
    with alone:
        # Before the data are drawn, which may take minutes.
        check_same(workdir, config)
        yield Run(config, workdir, training_dataset(config))


class Run:
    """The part of a training run that one process does, in a work directory."""

    def __init__(
        self, config: ml_collections.ConfigDict, workdir: Path, dataset: Dataset
    ):
        self.config = config
        self.workdir = workdir
        self.dataset = dataset
        self.batches = training_batches(config, dataset, build_method(config, dataset))
        self.epoch_steps = self.batches.epoch_steps
        self.steps = config.steps or config.epochs * self.epoch_steps
        self.method = build_method(
            config,
            dataset,
            epoch_steps=self.epoch_steps * config.accumulation,
            axis_name=parallel.AXIS,
        )
        self.optimizer = make_optimizer(config, steps=self.steps)
        self.facts = {"dataset_hash": dataset.content_hash}
        check_same(workdir, config, self.facts)
        self.initial, self.start = self._initial_state()

    def train_and_evaluate(self) -> dict | None:
        """See the module's function `train_and_evaluate`."""
        state, finished = self.train()
        if not (finished and parallel.is_first_process()):
            return None
        model = self._model(state)
        split = "test" if self.dataset.splits["test"] else "train"
        return evaluate(
            model,
            self.dataset,
            split,
            self.workdir,
            batch_size=self.config.eval_batch_size,
        )

    def train(self) -> tuple[TrainState, bool]:
        """The last state, and whether the training reached its end."""
        checkpoints = Checkpoints(
            self.workdir / "checkpoints", keep=self.config.keep_checkpoints
        )
        with contextlib.closing(checkpoints):
            return self._train(self._restore_or_create(checkpoints), checkpoints)

    def _initial_state(self) -> tuple[TrainState, dict]:
        """The state of step 0, and the record of the weights that it starts with."""
        example = self.batches[0]
        state = create_state(
            self.method,
            jax.random.key(self.config.seed),
            decode({name: array[:1] for name, array in example.items()}),
            optimizer=self.optimizer,
            ema=self.config.ema_decay > 0,
        )
        state, source = parallel.to_host(state), self.config.start_from
        if not source:
            return state, {}
        if any((self.workdir / "checkpoints").glob("[0-9]*")):
            return state, read_start(self.workdir)
        return start_from(
            source,
            state,
            self.method,
            name=self.config.method,
            sequences=self.dataset.sequences,
        )

    def _claim(self) -> None:
        """Makes the directory the one of this run, once nothing can be refused."""
        if parallel.is_first_process():
            claim(self.workdir, self.config, self.facts)
            keep_description(self.dataset, self.workdir / DATASET_COPY)
            if self.start:
                write_json(self.workdir / START, self.start)

    def _restore_or_create(self, checkpoints: Checkpoints) -> TrainState:
        initial = self.initial
        del self.initial  # It takes as much memory as the state that is trained.
        restored = checkpoints.restore_latest(initial)
        if restored is None:
            return initial
        state, _ = restored
        _log.info("resuming at step %d", int(state.step))
        return state

    def _train(
        self, state: TrainState, checkpoints: Checkpoints
    ) -> tuple[TrainState, bool]:
        config, start = self.config, int(state.step)
        step_fn = parallel.parallel_step(
            make_train_step(
                self.method,
                optimizer=self.optimizer,
                seed=config.seed,
                ema_decay=config.ema_decay,
                accumulation=config.accumulation,
                axis_name=parallel.AXIS,
            )
        )
        every = {
            name: max(1, round(config[f"{name}_epochs"] * self.epoch_steps))
            for name in ("sample", "eval", "checkpoint")
        }
        if start < self.steps:
            example = parallel.shard(self.batches[start])
            step_fn = compile_in_memory(step_fn, state, example, config)
        self._claim()
        state = parallel.replicate(state)
        watch = Watch()
        writers = Writers(
            self.workdir if parallel.is_first_process() else None,
            step=start,
            steps=self.steps,
            epoch_steps=self.epoch_steps,
        )
        alone = jax.process_count() == 1
        with contextlib.closing(writers), stop_signal(ctrl_c=alone) as stop:
            batches = self.batches.iterate(start, self.steps)
            for step, batch in enumerate(batches, start=start + 1):
                state, metrics = step_fn(state, parallel.shard(batch))
                watch.note(step, metrics)
                if parallel.must_block():
                    jax.block_until_ready(state)
                last = step == self.steps
                stopping = checkpoints.reached_preemption(step) or (
                    # Several processes must stop at the same step. They follow the
                    # platform's announcement, which reaches all of them.
                    stop.is_set() and alone
                )
                evaluating = last or step % every["eval"] == 0
                saving = evaluating or stopping or step % every["checkpoint"] == 0
                # Metrics are checked before a save: a diverged state is never stored.
                if saving or step == start + 1 or step % config.log_steps == 0:
                    writers.scalars(step, watch.look(step, metrics, state.statistics))
                if step % every["sample"] == 0 or last:
                    # Pending steps must not count as part of the pause.
                    jax.block_until_ready(state)
                    with writers.pause():
                        self._draw_samples(state, step)
                if saving:
                    with writers.pause():
                        scores = self._validate(state, step) if evaluating else {}
                        if scores:
                            writers.scalars(step, scores)
                        host = parallel.to_host(state)
                        check_finite(host, step)
                        best = scores.get("val/score")
                        checkpoints.save(step, host, meta=self._meta(), score=best)
                if stopping and not last:
                    _log.info("asked to stop: saved step %d", step)
                    return state, False
        return state, True

    def _validate(self, state: TrainState, step: int) -> dict[str, float]:
        slices = self.dataset.split("val")
        if not len(slices):
            return {}
        model, batch_size = self._model(state), self.config.eval_batch_size
        if self.method.can_synthesize:
            average = score(model, slices, batch_size=batch_size)["average"]
            values = {
                "ssim": average["ssim"],
                "psnr": average["psnr"],
                "lesion_accuracy": average["lesion"],
                "score": average["ssim"],
            }
        else:
            dice = score_segmentation(model, slices, batch_size=batch_size)["dice"]
            found = [value for value in dice.values() if value is not None]
            values = {f"dice_{label}": value for label, value in dice.items()}
            values["score"] = sum(found) / len(found) if found else None
        return {f"val/{name}": x for name, x in values.items() if x is not None}

    def _draw_samples(self, state: TrainState, step: int) -> None:
        if not parallel.is_first_process():
            return
        model = self._model(state)
        slices = self.dataset.split("val" if self.dataset.splits["val"] else "train")
        path = self.workdir / "figures" / f"step-{step:07d}.png"
        options = {"batch_size": self.config.eval_batch_size}
        if self.method.can_synthesize:
            draw_comparison(model, slices, path, count=2, zoom=False, **options)
        else:
            draw_segmentation(model, slices, path, **options)

    def _model(self, state: TrainState) -> Model:
        return Model(
            method=self.method,
            variables=parallel.to_host(state.gen.variables),
            dataset=self.dataset,
            step=int(state.step),
            method_state=parallel.to_host(state.method_state),
            config=flatten(self.config),
            start=self.start,
        )

    def _meta(self) -> dict:
        return {
            "method": self.method.name,
            "seed": self.config.seed,
            "dataset_hash": self.dataset.content_hash,
            "samr_jax": samr_jax.__version__,
            "jax": jax.__version__,
        }
