"""What is fuzzed: good files, a way to break them, and the code that reads them."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.fuzz.mutate import TEXTS, mutate_bytes, mutate_csv, mutate_json


class Nifti:
    """Scans and label maps: headers and bodies, plain and compressed."""

    def __init__(self, folder: Path):
        self._folder = folder / "input"
        rng = np.random.default_rng(0)
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        self._good = []
        for kind in (nib.Nifti1Image, nib.Nifti2Image):
            for dtype in (np.uint8, np.int16, np.float32, np.float64):
                data = rng.integers(0, 5, (9, 8, 7)).astype(dtype)
                image = kind(data, affine)
                image.header.set_data_dtype(dtype)
                self._good.append(image.to_bytes())
        self._path = self._folder / "scan.nii"
        self._path.write_bytes(self._good[0])

    def write(self, rng: np.random.Generator) -> None:
        self._path.unlink()
        content = self._good[rng.integers(len(self._good))]
        compressed = rng.random() < 0.5
        inside = rng.random() < 0.8
        if inside:
            content = mutate_bytes(rng, content)
        if compressed:
            content = gzip.compress(content, 1)
        if not inside:
            content = mutate_bytes(rng, content)
        self._path = self._folder / ("scan.nii.gz" if compressed else "scan.nii")
        self._path.write_bytes(content)

    def read(self) -> None:
        from samr_jax.data.nifti import read_geometry, read_labels, read_volume

        shape, affine = read_geometry(self._path)
        volume = read_volume(self._path)
        assert volume.data.shape == shape and volume.data.dtype == np.float32
        assert np.isfinite(volume.data).all() and np.isfinite(affine).all()
        labels = read_labels(self._path)
        assert labels.data.dtype == np.int16 and labels.data.shape == shape


class Manifest:
    """CSV manifests, through to the prepared subjects."""

    def __init__(self, folder: Path):
        from tests.tiny import GRID, blob_subject

        self._folder = folder / "input"
        self._output = folder / "output"
        os.mkfifo(self._folder / "pipe.nii")
        (self._folder / "loop.nii").symlink_to(self._folder / "loop.nii")
        lines = ["subject,patient,labels,T1w,APTw,brain"]
        for index in range(3):
            subject = blob_subject(index)
            arrays = {
                "labels": subject.labels,
                "T1w": subject.images[..., 0],
                "APTw": subject.images[..., 1],
                "brain": (subject.labels > 0).astype(np.uint8),
            }
            for role, array in arrays.items():
                image = nib.Nifti1Image(np.transpose(array, (2, 1, 0)), GRID.affine)
                nib.save(image, self._folder / f"{role}-{index}.nii.gz")
            files = [f"{role}-{index}.nii.gz" for role in arrays]
            lines.append(",".join([f"case-{index}", f"patient-{index}", *files]))
        self._good = "\n".join(lines)
        self._path = self._folder / "manifest.csv"
        self._path.write_text(self._good)
        names = ("labels", "T1w", "APTw", "brain", "WM", "T2w", "subject", "patient")
        odd = ("pipe.nii", "loop.nii", "/dev/zero", "/proc/self/mem", "manifest.csv")
        good = ("case-0", "patient-1", "labels-1.nii.gz", "T1w-2.nii.gz")
        self._cells = (*TEXTS, *names, *odd, *good, str(folder / "outside" / "x"))

    def write(self, rng: np.random.Generator) -> None:
        self._path.write_bytes(mutate_csv(rng, self._good, cells=self._cells))

    def read(self) -> None:
        from samr_jax.data.splits import split_subjects
        from samr_jax.prepare.cohort.jobs import Failure, make_jobs
        from samr_jax.prepare.decide_options import choose_sequences, decide_options
        from samr_jax.prepare.find.annotation import label_mapping
        from samr_jax.prepare.find.layouts import find_subjects
        from samr_jax.prepare.grids import Target
        from samr_jax.prepare.options import Steps

        shutil.rmtree(self._output)
        self._output.mkdir()
        found = find_subjects(self._folder)
        said: list[str] = []
        off = dict.fromkeys(
            ("register", "align", "strip", "bias", "tissue", "standardise"), "off"
        )
        plan = decide_options(
            found,
            Steps(**off),
            sequences=choose_sequences(found, None, said.append),
            mapping=label_mapping("auto", auto=found.labels),
            target=Target(size=32),
            atlas="mean",
            log=said.append,
        )
        jobs = make_jobs(found.subjects, plan, self._output, keep_names=True)
        for job in jobs:
            result = job.run()
            if isinstance(result, Failure):
                assert len(str(result).splitlines()) == 1, result
                continue
            page = self._output / "dataset" / "qc" / f"{result.name}.png"
            assert page.resolve().is_relative_to(self._output.resolve()), page
        split_subjects([job.patient for job in jobs], seed=0)


class Dataset:
    """A dataset's description, atlas, TFDS metadata and records."""

    def __init__(self, folder: Path):
        from tests.tiny import tiny_dataset

        self._good = tiny_dataset(folder / "output" / "good", subjects=4).directory
        self._copy = folder / "input" / "dataset"
        self._files = sorted(p for p in self._good.rglob("*") if p.is_file())
        shutil.copytree(self._good, self._copy)
        self._broken = None

    def write(self, rng: np.random.Generator) -> None:
        if self._broken is not None:
            shutil.copyfile(self._good / self._broken, self._copy / self._broken)
        good = self._files[rng.integers(len(self._files))]
        if rng.random() < 0.5:
            good = self._good / "dataset.json"
        self._broken = good.relative_to(self._good)
        if good.suffix == ".json":
            content = mutate_json(rng, good.read_text())
        else:
            content = mutate_bytes(rng, good.read_bytes())
        (self._copy / self._broken).write_bytes(content)

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

        self._good = folder / "output" / "good"
        self._copy = folder / "output" / "checkpoints"
        checkpoints = Checkpoints(self._good, keep=3)
        for step in (1, 2, 3):
            checkpoints.save(
                step, self._state(step), meta={"seed": 7}, score=0.1 * step
            )
        checkpoints.close()
        self._files = sorted(p for p in (self._good / "3").rglob("*") if p.is_file())
        shutil.copytree(self._good, self._copy)

    @staticmethod
    def _state(step: int) -> dict:
        rng = np.random.default_rng(step)
        weights = {name: rng.normal(size=(8, 6)).astype(np.float32) for name in "ab"}
        return {"gen": {"params": weights, "ema": None}, "step": np.int32(step)}

    def write(self, rng: np.random.Generator) -> None:
        shutil.rmtree(self._copy)
        shutil.copytree(self._good, self._copy)
        good = self._files[rng.integers(len(self._files))]
        content = good.read_bytes()
        mutate = mutate_bytes
        if content[:1] == b"{" and rng.random() < 0.7:
            mutate, content = mutate_json, content.decode()
        (self._copy / good.relative_to(self._good)).write_bytes(mutate(rng, content))

    def read(self) -> None:
        import jax

        from samr_jax.runs.checkpoint import Checkpoints
        from samr_jax.runtime.errors import InputError

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
        self._path = self._workdir / CONFIG
        self._good = self._path.read_text()

    def write(self, rng: np.random.Generator) -> None:
        self._path.write_bytes(mutate_json(rng, self._good))

    def read(self) -> None:
        from samr_jax.config import method_of, validate
        from samr_jax.methods.base import Context
        from samr_jax.runs.workdir import claim, read_config

        config = read_config(self._workdir)
        validate(config)
        method_of(config, Context(sequences=2, size=(32, 32)))
        claim(self._workdir, self._config, {"dataset_hash": "0"})


TARGETS = {
    "nifti": Nifti,
    "manifest": Manifest,
    "dataset": Dataset,
    "checkpoint": Checkpoint,
    "config": Config,
}
