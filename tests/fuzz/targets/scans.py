"""Scans, label maps, and the tables that say which file is what."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.fuzz.guard import Mutant
from tests.fuzz.mutate import TEXTS, mutate_bytes, mutate_csv


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
        (self._folder / "good.nii").write_bytes(self._good[0])

    def mutant(self, rng: np.random.Generator) -> Mutant:
        content = self._good[rng.integers(len(self._good))]
        compressed = rng.random() < 0.5
        inside = rng.random() < 0.8
        if inside:
            content = mutate_bytes(rng, content)
        if compressed:
            content = gzip.compress(content, 1)
        if not inside:
            content = mutate_bytes(rng, content)
        return Mutant("scan.nii.gz" if compressed else "scan.nii", content)

    def read(self) -> None:
        from samr_jax.data.nifti import read_geometry, read_labels, read_volume

        mutants = sorted(self._folder.glob("scan.nii*"))
        path = mutants[0] if mutants else self._folder / "good.nii"
        shape, affine = read_geometry(path)
        volume = read_volume(path)
        assert volume.data.shape == shape and volume.data.dtype == np.float32
        assert np.isfinite(volume.data).all() and np.isfinite(affine).all()
        labels = read_labels(path)
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
        (self._folder / "manifest.csv").write_text(self._good)
        names = ("labels", "T1w", "APTw", "brain", "WM", "T2w", "subject", "patient")
        odd = ("pipe.nii", "loop.nii", "/dev/zero", "/proc/self/mem", "manifest.csv")
        good = ("case-0", "patient-1", "labels-1.nii.gz", "T1w-2.nii.gz")
        self._cells = (*TEXTS, *names, *odd, *good, str(folder / "outside" / "x"))

    def mutant(self, rng: np.random.Generator) -> Mutant:
        content = mutate_csv(rng, self._good, cells=self._cells)
        return Mutant("manifest.csv", content)

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
            sets=(choose_sequences(found, None, said.append),),
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


class Bids:
    """The tables that name the values of a BIDS label map."""

    def __init__(self, folder: Path):
        self._root = folder / "input" / "bids"
        anatomy, masks = "sub-01/anat", "derivatives/masks/sub-01/anat"
        for place in (anatomy, masks):
            (self._root / place).mkdir(parents=True)
        for name in (f"{anatomy}/sub-01_T1w.nii.gz", f"{masks}/sub-01_dseg.nii.gz"):
            (self._root / name).touch()
        lines = ["index\tname\tcolor", "0\tBackground\t#000000", "1\tEdema\t#0000ff"]
        lines += ["2\tNon-enhancing tumor core\t#00ff00", "4\tEnhancing tumor\t#f00"]
        self._good = "\n".join(lines)
        self._place = f"{masks}/sub-01_dseg.tsv"
        (self._root / self._place).write_text(self._good)
        numbers = ("-1", "1.5", "²", "٣", "9" * 5000, "nan", "0", "1")
        names = ("index", "name", "tumour", "necrosis", "liver", "\ufeffindex", '"')
        self._cells = (*TEXTS, *numbers, *names)

    def mutant(self, rng: np.random.Generator) -> Mutant:
        content = mutate_csv(rng, self._good, cells=self._cells, separator="\t")
        return Mutant(f"bids/{self._place}", content)

    def read(self) -> None:
        from samr_jax.prepare.find.annotation import label_mapping
        from samr_jax.prepare.find.layouts import find_subjects

        found = find_subjects(self._root)
        assert [subject.name for subject in found.subjects] == ["sub-01"]
        mapping = label_mapping("auto", auto=found.labels)
        assert set(mapping.values()) <= set(range(5)), mapping
