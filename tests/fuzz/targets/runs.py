"""Datasets, and what a training leaves: checkpoints, configs, records and weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from tests.fuzz.guard import Mutant
from tests.fuzz.mutate import mutate_bytes, mutate_json


class Dataset:
    """A dataset's description, atlas, TFDS metadata and records."""

    def __init__(self, folder: Path):
        from tests.tiny import tiny_dataset

        self._good = tiny_dataset(folder / "output" / "good", subjects=4).directory
        self._copy = folder / "input" / "dataset"
        self._files = sorted(p for p in self._good.rglob("*") if p.is_file())
        shutil.copytree(self._good, self._copy)

    def mutant(self, rng: np.random.Generator) -> Mutant:
        good = self._files[rng.integers(len(self._files))]
        if rng.random() < 0.5:
            good = self._good / "dataset.json"
        if good.suffix == ".json":
            content = mutate_json(rng, good.read_text())
        else:
            content = mutate_bytes(rng, good.read_bytes())
        return Mutant(f"dataset/{good.relative_to(self._good)}", content)

    def read(self) -> None:
        from samr_jax.data.dataset import open_dataset
        from samr_jax.data.window import unpack

        dataset = open_dataset(self._copy)
        grid, channels = dataset.grid, len(dataset.sequences)
        assert dataset.atlas.shape == (grid.slices, *grid.size, channels)
        assert np.isfinite(dataset.atlas).all() and np.abs(dataset.atlas).max() <= 1
        assert dataset.brain.shape == (grid.slices, *grid.size)
        for name in dataset.splits:
            slices = dataset.split(name)
            items = [slices[index] for index in range(len(slices))]
            for item in items:
                assert item["labels"].shape == grid.size and item["labels"].max() < 5
                assert item["images"].shape == (*grid.size, channels)
                assert item["atlas"].shape == (*grid.size, 3 * channels)
                assert 0 <= item["slice"] < grid.slices
                dataset.restore(item["subject"], unpack(item["images"]))


class Checkpoint:
    """Checkpoints: every file of the newest of three."""

    def __init__(self, folder: Path):
        from samr_jax.runs.checkpoint import Checkpoints

        self._good = folder / "input" / "checkpoints"
        self._copy = folder / "output" / "checkpoints"
        checkpoints = Checkpoints(self._good, keep=3)
        for step in (1, 2, 3):
            checkpoints.save(
                step, self._state(step), meta={"seed": 7}, score=0.1 * step
            )
        checkpoints.close()
        self._files = sorted(p for p in (self._good / "3").rglob("*") if p.is_file())

    @staticmethod
    def _state(step: int) -> dict:
        rng = np.random.default_rng(step)
        weights = {name: rng.normal(size=(8, 6)).astype(np.float32) for name in "ab"}
        return {"gen": {"params": weights, "ema": None}, "step": np.int32(step)}

    def mutant(self, rng: np.random.Generator) -> Mutant:
        good = self._files[rng.integers(len(self._files))]
        content = good.read_bytes()
        mutate = mutate_bytes
        if content[:1] == b"{" and rng.random() < 0.7:
            mutate, content = mutate_json, content.decode()
        place = f"checkpoints/{good.relative_to(self._good)}"
        return Mutant(place, mutate(rng, content))

    def read(self) -> None:
        import jax

        from samr_jax.runs.checkpoint import Checkpoints
        from samr_jax.runtime.errors import InputError

        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._good, self._copy)
        like = jax.tree.map(np.asarray, self._state(0))
        refused = None
        checkpoints = Checkpoints(self._copy, read_only=True)
        try:
            checkpoints.best()
            found, _ = checkpoints.read()
            self._check(found)
        except InputError as error:
            refused = error
        finally:
            checkpoints.close()
        checkpoints = Checkpoints(self._copy)
        restored = checkpoints.restore_latest(like)
        checkpoints.close()
        assert restored is not None, "all checkpoints are lost"
        self._check(restored[0])
        if refused is not None:
            raise refused

    def _check(self, found: dict) -> None:
        step = int(found["step"])
        assert step in (1, 2, 3)
        for name, weights in self._state(step)["gen"]["params"].items():
            np.testing.assert_array_equal(found["gen"]["params"][name], weights)


class Config:
    """The config that a work directory was made by."""

    def __init__(self, folder: Path):
        from samr_jax.config import default
        from samr_jax.runs.workdir import CONFIG, claim
        from tests.tiny import shrink

        self._workdir = folder / "input"
        self._config = shrink(default())
        claim(self._workdir, self._config, {"dataset_hash": "0"})
        self._name = CONFIG
        self._good = (self._workdir / CONFIG).read_text()

    def mutant(self, rng: np.random.Generator) -> Mutant:
        return Mutant(self._name, mutate_json(rng, self._good))

    def read(self) -> None:
        from samr_jax.config import method_of, validate
        from samr_jax.methods.base import Context
        from samr_jax.runs.workdir import claim, read_config

        config = read_config(self._workdir)
        validate(config)
        method_of(config, Context(sequences=2, size=(32, 32)))
        claim(self._workdir, self._config, {"dataset_hash": "0"})


class Weights:
    """Packaged weights and the description of the data that they were trained on."""

    def __init__(self, folder: Path):
        from samr_jax.pretrained.load import WEIGHTS, load_package
        from samr_jax.runs.weights import write_weights
        from samr_jax.runs.workdir import keep_description
        from tests.fuzz.small_run import small_model
        from tests.tiny import tiny_dataset

        self._package = folder / "input"
        dataset = tiny_dataset(folder / "output" / "dataset", subjects=4)
        keep_description(dataset, self._package / "dataset")
        model = small_model(dataset)
        write_weights(self._package / WEIGHTS, model, {"Pix2Pix": {"ssim": 0.5}})
        self._name = WEIGHTS
        self._good = (self._package / WEIGHTS).read_bytes()
        self._header = int.from_bytes(self._good[:8], "little")
        self._stored = load_package(self._package).variables

    def mutant(self, rng: np.random.Generator) -> Mutant:
        if rng.random() < 0.5:
            return Mutant(self._name, mutate_bytes(rng, self._good))
        # The header is JSON, whose length comes first. Its texts are JSON again.
        end = 8 + self._header
        header = json.loads(self._good[8:end])
        if rng.random() < 0.5:
            about = header["__metadata__"]
            field = str(rng.choice(sorted(set(about) - {"format"})))
            text = mutate_json(rng, json.dumps({"it": json.loads(about[field])}))
            about[field] = text.decode(errors="replace").removeprefix('{"it": ')[:-1]
            content = json.dumps(header).encode(errors="replace")
        else:
            content = mutate_json(rng, json.dumps(header))
        length = len(content).to_bytes(8, "little")
        return Mutant(self._name, length + content + self._good[end:])

    def read(self) -> None:
        import jax

        from samr_jax.pretrained.load import load_package

        model = load_package(self._package)
        assert np.isfinite(model.step)
        assert all(np.isfinite(value) for value in model.method_state.values())
        jax.tree.map(np.testing.assert_array_equal, model.variables, self._stored)
