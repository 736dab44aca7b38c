"""The flags of every command: other values, types, lengths and paths.

The commands run up to their work. Networks, trainings and registrations are replaced,
so that a mutant takes milliseconds.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np

from tests.fuzz.guard import Mutant
from tests.fuzz.mutate import TEXTS

WORK = (
    "samr_jax.runs.model.Model._run",
    "samr_jax.inference.anatomy.draw_anatomy",
    "samr_jax.inference.synthesizer.put_into_scan",
    "samr_jax.training.loop.create_state",
    "samr_jax.training.data.embedded_dataset",
    "samr_jax.prepare.pipeline.prepare_cohorts",
    "samr_jax.benchmark.measure.create_state",
    "samr_jax.tables.table_runs.train_and_evaluate",
    "samr_jax.tables.table_runs.training_dataset",
    "samr_jax.tables.stages.training_dataset",
    "samr_jax.tables.status.step_seconds",
    "samr_jax.page.studio.Studio.warm_up",
)
"""What takes long, and comes after the flags have been checked."""

NUMBERS = (
    *("", "0", "-1", "1", "2", "7", "2147483648", "9223372036854775808", "9" * 5000),
    *("1.5", "1e3", "1e308", "-1e308", "1e999", "nan", "inf", "0x10", "1_0", "٣", " 1"),
)

PATHS = (
    *("/dev/null", "/proc/self/mem", "/proc", "mask.nii.gz", "run", "dataset", "file"),
    *("pipe", "empty", "mask.nii.gz/x", "x" * 255, "x/" * 2000, "new", "new.nii.gz"),
    *("loop", "run/config.json", "*", "[", "**/*", "pipe/x", "new.png", "dataset,run"),
)


WORDS = (
    *("latest", "best", "test", "train", "auto", "on", "off", "demo", "samr", "7"),
    *("scale:tumor=2.0", "random,seed=3", "remove", "replace:donor=mask.nii.gz"),
    *("T1w", "T1w,APTw", "T1w=mask.nii.gz", "seed:7", "seed:-1", "seed:x", "average"),
    *("dataset/blob-0", "brats2021", "1:cavity,2:edema", "0.5,0.5,0.5", "0,0,0"),
    *("data.size=32", "=", ",", ",,", "a=b=c", "CG-SAMR", "paired", "paired:demo"),
)
"""Values that are right for some flag."""

GOOD: dict[str, list[str]] = {
    "synthesize": ["--workdir=run", "--mask=mask.nii.gz", "--output=new"],
    "edit": ["--mask=mask.nii.gz", "--edit=mirror", "--output=new.nii.gz"],
    "segment": ["--workdir=run", "--images=empty", "--output=new.nii.gz"],
    "prepare": ["--input=raw", "--output=new", "--size=32", "--workers=1"],
    "train": ["--config=pix2pix:demo", "--config.data.dir=dataset", "--workdir=new"],
    "evaluate": ["--workdir=run"],
    "augment": ["--workdir=run", "--output=new"],
    "export": ["--data_dir=dataset", "--layout=brats2023", "--output=new"],
    "figures": ["--figure=6", "--workdirs=run", "--output=new.png"],
    "tables": ["--table=1", "--data_dir=dataset", "--workdir=new"],
    "benchmark": ["--config=pix2pix:demo", "--size=32", "--steps=1"],
    "pretrain": ["--workdir=new"],
    "page": ["--workdir=run", "--mask=mask.nii.gz", "--no_browser"],
}
"""A right command line of each command."""


class Reached(BaseException):
    """The command has begun its work."""


class Flags:
    """Command lines, through to the work of the command."""

    def __init__(self, folder: Path):
        from samr_jax.commands import COMMANDS
        from tests.fuzz.small_run import small_run
        from tests.prepare.small_subjects import write_subject
        from tests.tiny import tiny_dataset

        self._folder = folder
        self._scene = folder / "output" / "scene"
        dataset = tiny_dataset(self._scene / "dataset", subjects=4)
        small_run(self._scene / "run", dataset)
        labels = np.stack([item["labels"] for item in dataset.split("test")])
        image = nib.Nifti1Image(np.transpose(labels, (2, 1, 0)), dataset.grid.affine)
        nib.save(image, self._scene / "mask.nii.gz")
        for index in range(3):
            write_subject(self._scene / "raw", index)
        (self._scene / "file").write_text("nothing")
        (self._scene / "empty").mkdir()
        os.mkfifo(self._scene / "pipe")
        (self._scene / "loop").symlink_to("loop")
        self._before = set(os.listdir(self._scene))
        assert GOOD.keys() == set(COMMANDS)
        words = ["export", *GOOD["export"]]
        (folder / "input" / "words.json").write_text(json.dumps(words))

    def mutant(self, rng: np.random.Generator) -> Mutant:
        name = str(rng.choice(list(GOOD)))
        words = list(GOOD[name])
        for _ in range(rng.integers(1, 4)):
            _change(rng, name, words)
        content = json.dumps([name, *words]).encode(errors="replace")
        return Mutant("words.json", content)

    def read(self) -> None:
        from samr_jax.runtime.errors import InputError
        from tests.commands import launch

        name, *words = json.loads((self._folder / "input" / "words.json").read_text())
        with _without_work(), contextlib.chdir(self._scene):
            try:
                done = launch("main" if name == "train" else name, *words)
            except Reached:
                return
            finally:
                self._tidy_up()
        if done.returncode:
            raise InputError(done.error)

    def _tidy_up(self) -> None:
        for name in set(os.listdir(self._scene)) - self._before:
            path = self._scene / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _change(rng: np.random.Generator, name: str, words: list[str]) -> None:
    """Changes, adds or takes away one flag."""
    kind = rng.integers(10)
    if kind == 0 and words:
        del words[rng.integers(len(words))]
    elif kind == 1:
        words.insert(int(rng.integers(len(words) + 1)), _value(rng))
    elif kind == 2:
        words.append(f"--{_value(rng)}={_value(rng)}")
    elif kind < 6 and name in ("train", "benchmark"):
        words.append(f"--config.{rng.choice(_config_fields())}={_value(rng)}")
    else:
        flag = rng.choice(_flags_of(name))
        words.append(f"--{flag}" if rng.random() < 0.1 else f"--{flag}={_value(rng)}")


def _value(rng: np.random.Generator) -> str:
    # A user may write into any folder, unlike a file that another person has made.
    texts = [text for text in TEXTS if "escaped" not in text]
    pool = (NUMBERS, PATHS, texts, WORDS)[rng.integers(4)]
    return pool[rng.integers(len(pool))]


@functools.cache
def _flags_of(command: str) -> list[str]:
    module = importlib.import_module(f"samr_jax.commands.{command}")
    return [name for group in module.FLAGS.groups for name in group.entries]


@functools.cache
def _config_fields() -> list[str]:
    from samr_jax.config import default, flatten

    return [*flatten(default()), "nope", "data", "", "model.ngf.x"]


@contextlib.contextmanager
def _without_work() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in WORK:
            stack.enter_context(mock.patch(name, side_effect=Reached))
        yield
