"""Writing a dataset: subjects in, one directory of records, atlas and description out.

Subjects are made by independent tasks in parallel processes and wait on disk, so that
memory does not grow with their number; the atlas and the windows need all training
subjects before the first record is written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import joblib
import nibabel as nib
import numpy as np
from tqdm import tqdm

from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset, to_json
from samr_jax.data.subject import Grid, Subject
from samr_jax.data.window import Window, fit_window, pack, unpack
from samr_jax.errors import InputError
from samr_jax.labels import BACKGROUND, LESION_LABELS, SIGNED_PERCENT_WINDOW, is_percent

MIN_BRAIN_FRACTION = 0.01
"""A slice with less brain than this share of its area is left out."""


def write_dataset(
    output: Path | str,
    tasks: Sequence[Callable[[], Subject]],
    *,
    grid: Grid,
    sequences: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    windows: Mapping[str, tuple[float, float]] | None = None,
    atlas: np.ndarray | None = None,
    provenance: Mapping | None = None,
    simulated: bool = False,
    workers: int = -1,
) -> Dataset:
    """Makes all subjects and writes them as a dataset.

    Args:
      output: directory to create; it appears whole or not at all.
      tasks: picklable calls, one a subject.
      grid: the grid that every subject is on.
      sequences: order of the subjects' image channels.
      splits: ``train``, ``val``, ``test`` -> names of the subjects.
      windows: per sequence ``(low, high)`` of those whose unit is the same in all
        subjects; the others get a window from each subject's own percentiles.
      atlas: ``(Z, H, W, S)`` in dataset units; by default the average of the training
        subjects with lesion voxels left out.
      provenance: JSON-ready account of how the subjects were made.
      simulated: whether the images are simulated.
      workers: parallel processes, -1 for one a core.

    Returns:
      The dataset, opened.

    Raises:
      InputError: `output` is not empty, a split is empty of training subjects, or a
        subject does not fit the grid.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: exists already, expected a new directory")
    if not tasks or not splits.get("train"):
        raise InputError(f"{output}: no training subjects, expected at least one")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{output.name}.partial-", dir=output.parent
    ) as scratch:
        stage = Path(scratch) / "stage"
        final = Path(scratch) / "dataset"
        stage.mkdir()
        final.mkdir()
        fixed = {
            name: Window(*SIGNED_PERCENT_WINDOW)
            for name in sequences
            if is_percent(name)
        }
        fixed |= {name: Window(*pair) for name, pair in (windows or {}).items()}
        staged = _stage_subjects(tasks, stage, grid, tuple(sequences), fixed, workers)
        _check_split(splits, staged)
        train = [staged[name] for name in splits["train"]]
        common = _common_windows(train, sequences, fixed)
        average, coverage = _group_average(train, grid, len(sequences))
        if atlas is not None:
            average = _normalise(atlas, sequences, common)
        _write_atlas(final / "atlas", average, coverage, grid, sequences, common)
        dataset = Dataset(
            directory=final,
            sequences=tuple(sequences),
            grid=grid,
            windows=common,
            subject_windows={
                name: item.windows for name, item in staged.items() if item.windows
            },
            splits={name: tuple(names) for name, names in splits.items()},
            simulated=simulated,
            has_tissue=all(item.has_tissue for item in staged.values()),
            content_hash="",
            provenance=dict(provenance or {}),
        )
        digest = _write_records(dataset, staged, average)
        dataset = dataclasses.replace(dataset, content_hash=digest)
        text = json.dumps(to_json(dataset), indent=1)
        (final / DESCRIPTION).write_text(text)
        if output.exists():
            output.rmdir()
        os.replace(final, output)
    return open_dataset(output)


@dataclasses.dataclass(frozen=True)
class _Staged:
    """A subject waiting on disk, packed as it will be stored."""

    name: str
    path: Path
    windows: dict[str, Window]
    has_tissue: bool

    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.path, allow_pickle=False) as arrays:
            return dict(arrays)


def _stage_subjects(
    tasks: Sequence[Callable[[], Subject]],
    stage: Path,
    grid: Grid,
    sequences: tuple[str, ...],
    fixed: Mapping[str, Window],
    workers: int,
) -> dict[str, _Staged]:
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    calls = (
        joblib.delayed(_stage_subject)(
            task, stage / f"{index}.npz", grid, sequences, fixed
        )
        for index, task in enumerate(tasks)
    )
    done = tqdm(parallel(calls), total=len(tasks), desc="subjects", unit="subject")
    staged: dict[str, _Staged] = {}
    for item in done:
        if item.name in staged:
            raise InputError(f"subject {item.name!r} occurs twice, expected once")
        staged[item.name] = item
    return dict(sorted(staged.items()))


def _stage_subject(
    task: Callable[[], Subject],
    path: Path,
    grid: Grid,
    sequences: tuple[str, ...],
    fixed: Mapping[str, Window],
) -> _Staged:
    subject = task()
    shape = (grid.slices, *grid.size)
    for field, found, expected in (
        ("images", subject.images.shape, (*shape, len(sequences))),
        ("labels", subject.labels.shape, shape),
    ):
        if found != expected:
            raise InputError(
                f"subject {subject.name}: {field} of shape {found}, expected {expected}"
            )
    if not np.isfinite(subject.images).all():
        raise InputError(f"subject {subject.name}: images hold NaN or infinity")
    brain = subject.labels != BACKGROUND
    own = {
        name: fit_window(name, subject.images[..., i], brain)
        for i, name in enumerate(sequences)
        if name not in fixed
    }
    images = _normalise(subject.images, sequences, {**fixed, **own})
    arrays = {"images": pack(images), "labels": subject.labels.astype(np.uint8)}
    if subject.tissue is not None:
        tissue = np.clip(subject.tissue, 0, 1)
        arrays["tissue"] = np.round(tissue * 255).astype(np.uint8)
    np.savez(path, **arrays)
    return _Staged(subject.name, path, own, subject.tissue is not None)


def _normalise(
    images: np.ndarray, sequences: Sequence[str], windows: Mapping[str, Window]
) -> np.ndarray:
    channels = [
        windows[name].normalise(images[..., i]) for i, name in enumerate(sequences)
    ]
    return np.stack(channels, axis=-1)


def _check_split(splits: Mapping[str, Sequence[str]], staged: Mapping) -> None:
    named = [name for names in splits.values() for name in names]
    if sorted(named) != sorted(staged):
        odd = sorted(set(named) ^ set(staged)) or named
        raise InputError(
            f"subject {odd[0]!r}: expected every subject in exactly one split"
        )


def _common_windows(
    train: Sequence[_Staged], sequences: Sequence[str], fixed: Mapping[str, Window]
) -> dict[str, Window]:
    """Fixed windows, and the training subjects' median for the others."""

    def median(name: str) -> Window:
        own = [item.windows[name] for item in train]
        return Window(
            float(np.median([w.low for w in own])),
            float(np.median([w.high for w in own])),
        )

    return {name: fixed[name] if name in fixed else median(name) for name in sequences}


def _group_average(
    train: Sequence[_Staged], grid: Grid, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean network intensity without lesion voxels, and the brain's coverage."""
    shape = (grid.slices, *grid.size)
    healthy_sum = np.zeros((*shape, channels), np.float64)
    healthy = np.zeros((*shape, 1), np.float64)
    total_sum = np.zeros_like(healthy_sum)
    coverage = np.zeros(shape, np.float64)
    for item in train:
        arrays = item.arrays()
        images = unpack(arrays["images"])
        weight = ~np.isin(arrays["labels"], LESION_LABELS)[..., None]
        healthy_sum += images * weight
        healthy += weight
        total_sum += images
        coverage += arrays["labels"] != BACKGROUND
    everywhere = total_sum / len(train)
    average = np.where(healthy > 0, healthy_sum / np.maximum(healthy, 1), everywhere)
    return average.astype(np.float32), (coverage / len(train)).astype(np.float32)


def _write_atlas(
    directory: Path,
    average: np.ndarray,
    coverage: np.ndarray,
    grid: Grid,
    sequences: Sequence[str],
    windows: Mapping[str, Window],
) -> None:
    directory.mkdir()
    volumes = {
        name: windows[name].restore(average[..., i]) for i, name in enumerate(sequences)
    }
    for name, volume in {**volumes, "brain": coverage}.items():
        data = np.ascontiguousarray(np.transpose(volume, (2, 1, 0)), np.float32)
        nib.save(nib.Nifti1Image(data, grid.affine), directory / f"{name}.nii.gz")


def _write_records(
    dataset: Dataset, staged: Mapping[str, _Staged], average: np.ndarray
) -> str:
    """Writes the TFDS files; returns the content hash."""
    # TFDS takes a second to import, and only building and training need it.
    import tensorflow_datasets as tfds

    from samr_jax.data.builder import SamrSlices

    tfds.disable_progress_bar()
    digest = hashlib.sha256(pack(average).tobytes())
    examples = {
        split: _instances(dataset, split, staged, digest)
        for split, names in dataset.splits.items()
        if names
    }
    builder = SamrSlices(
        data_dir=dataset.directory,
        size=dataset.grid.size,
        sequences=len(dataset.sequences),
        tissue=dataset.has_tissue,
        examples=examples,
    )
    builder.download_and_prepare()
    return digest.hexdigest()


def _instances(
    dataset: Dataset, split: str, staged: Mapping[str, _Staged], digest
) -> Iterator[dict]:
    smallest = MIN_BRAIN_FRACTION * np.prod(dataset.grid.size)
    for name in dataset.splits[split]:
        arrays = staged[name].arrays()
        if not dataset.has_tissue:
            arrays.pop("tissue", None)
        for z in range(dataset.grid.slices):
            instance = {key: np.ascontiguousarray(a[z]) for key, a in arrays.items()}
            if np.count_nonzero(instance["labels"]) < smallest:
                continue
            digest.update(f"{split}/{name}/{z}".encode())
            for key in sorted(instance):
                digest.update(instance[key].tobytes())
            yield {"subject": name, "slice": z, **instance}
        staged[name].path.unlink()
