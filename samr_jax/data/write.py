"""Writing a dataset: a directory with records, atlas and description.

The atlas and the windows need all training subjects before the first record is written.
Until then subjects wait on disk (`samr_jax.data.staging`), so that memory does not grow
with their number.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.atlas import group_average, write_atlas, write_average_tissue
from samr_jax.data.dataset import DESCRIPTION, Dataset, open_dataset, to_json
from samr_jax.data.lesion_ranges import ranges_of_subjects, write_lesion_ranges
from samr_jax.data.staging import Staged, SubjectTask, stage_subjects
from samr_jax.data.subject import Grid
from samr_jax.data.window import Window, pack
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import new_directory, write_json
from samr_jax.sequences import MRSequence

MIN_BRAIN_FRACTION = 0.01
"""A slice with less brain than this share of its area is left out."""


def write_dataset(
    output: Path | str,
    tasks: Sequence[SubjectTask],
    *,
    grid: Grid,
    sequences: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    common_units: bool = False,
    windows: Mapping[str, tuple[float, float]] | None = None,
    atlas: np.ndarray | None = None,
    provenance: Mapping | None = None,
    simulated: bool = False,
    workers: int = -1,
) -> Dataset:
    """Makes all subjects and writes them as a dataset.

    Args:
      output: directory to create; it appears whole or not at all.
      tasks: one per subject; they run in parallel processes.
      grid: the grid that every subject is on.
      sequences: order of the subjects' image channels.
      splits: ``train``, ``val``, ``test`` -> names of the subjects.
      common_units: whether intensities mean the same in all subjects, as in the phantom
        and in standardised scans. Then one window per sequence, fitted to the training
        subjects, serves all. Otherwise each subject has its own fitted window.
      windows: given windows ``(low, high)`` by sequence.
      atlas: ``(Z, H, W, S)`` in dataset units; by default the average of the training
        subjects with lesion voxels left out.
      provenance: JSON-ready record of how the subjects were made.
      simulated: whether the images are simulated.
      workers: number of processes, -1 for one per core.

    Returns:
      The dataset, opened.

    Raises:
      InputError: `output` is not empty, there is no training subject, the split does
        not name every subject once, or a subject does not fit the grid.
    """
    output = Path(output)
    if not tasks or not splits.get("train"):
        raise InputError(f"{output}: no training subjects, expected at least one")
    sequences = tuple(sequences)
    known = {name: MRSequence.named(name).window for name in sequences}
    given = {name: pair for name, pair in known.items() if pair} | dict(windows or {})
    fixed = {name: Window(*pair) for name, pair in given.items()}
    with (
        new_directory(output) as final,
        tempfile.TemporaryDirectory(
            prefix=f".{output.name}.partial-", dir=output.parent
        ) as stage,
    ):
        staged = stage_subjects(
            tasks,
            Path(stage),
            grid=grid,
            sequences=sequences,
            fixed=fixed,
            workers=workers,
        )
        _check_split(splits, staged)
        dataset_windows = _dataset_windows(
            [staged[name] for name in splits["train"]],
            sequences,
            fixed,
            common_units=common_units,
        )
        dataset = Dataset(
            directory=final,
            sequences=sequences,
            grid=grid,
            windows=dataset_windows,
            subject_windows=(
                {}
                if common_units
                else {name: item.windows for name, item in staged.items()}
            ),
            splits={name: tuple(names) for name, names in splits.items()},
            patients={name: item.patient for name, item in staged.items()},
            simulated=simulated,
            has_tissue=all(item.has_tissue for item in staged.values()),
            content_hash="",
            provenance=dict(provenance or {}),
        )
        _write(dataset, staged, atlas)
    return open_dataset(output)


def _check_split(splits: Mapping[str, Sequence[str]], staged: Mapping) -> None:
    named = [name for names in splits.values() for name in names]
    if sorted(named) != sorted(staged):
        odd = sorted(set(named) ^ set(staged)) or named
        raise InputError(
            f"subject {odd[0]!r}: expected every subject in exactly one split"
        )


def _dataset_windows(
    train: Sequence[Staged],
    sequences: Sequence[str],
    fixed: Mapping[str, Window],
    *,
    common_units: bool,
) -> dict[str, Window]:
    """Fixed windows; for other sequences a typical window of the training subjects."""
    # In common units the window must suit nearly every subject. Otherwise it only gives
    # synthesized images a typical scale.
    percentile = 90 if common_units else 50

    def typical(name: str) -> Window:
        own = [item.windows[name] for item in train]
        low, high = np.percentile([(w.low, w.high) for w in own], percentile, axis=0)
        return Window(float(low), float(high))

    return {name: fixed[name] if name in fixed else typical(name) for name in sequences}


def _write(
    dataset: Dataset, staged: Mapping[str, Staged], atlas: np.ndarray | None
) -> None:
    """Writes all files into ``dataset.directory``, the description last."""
    # Imported here because it takes a second, and only building and training need it.
    import tensorflow_datasets as tfds

    from samr_jax.data.tfds_builder import SamrSlices

    average, coverage = group_average(
        (dataset.normalise(name, arrays["images"]), arrays["labels"])
        for name in dataset.splits["train"]
        for arrays in [staged[name].arrays()]
    )
    if atlas is not None:
        average = dataset.normalise(None, atlas)
    write_atlas(
        dataset.directory / "atlas",
        average,
        coverage,
        grid=dataset.grid,
        sequences=dataset.sequences,
        windows=dataset.windows,
    )
    if dataset.has_tissue:
        tissue, _ = group_average(
            (arrays["tissue"] / np.float32(255), arrays["labels"])
            for name in dataset.splits["train"]
            for arrays in [staged[name].arrays()]
        )
        write_average_tissue(dataset.directory / "atlas", tissue, dataset.grid)
    lesions = (staged[name].lesions for name in dataset.splits["train"])
    write_lesion_ranges(dataset.directory, ranges_of_subjects(lesions))
    digest = hashlib.sha256(pack(average).tobytes())
    tfds.disable_progress_bar()
    builder = SamrSlices(
        data_dir=dataset.directory,
        size=dataset.grid.size,
        sequences=len(dataset.sequences),
        tissue=dataset.has_tissue,
        examples={
            split: _instances(dataset, split, staged, digest)
            for split, names in dataset.splits.items()
            if names
        },
    )
    # TFDS prints that it downloads, which it does not.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            builder.download_and_prepare(
                download_dir=dataset.directory.parent / "stage"
            )
        except RuntimeError as error:  # ArrayRecord's writer, on a full disk
            raise OSError(errno.EIO, str(error).splitlines()[0]) from error
    dataset = dataclasses.replace(dataset, content_hash=digest.hexdigest())
    write_json(dataset.directory / DESCRIPTION, to_json(dataset))


def _instances(
    dataset: Dataset, split: str, staged: Mapping[str, Staged], digest
) -> Iterator[dict]:
    smallest = MIN_BRAIN_FRACTION * np.prod(dataset.grid.size)
    for name in dataset.splits[split]:
        arrays = staged[name].arrays()
        arrays["images"] = pack(dataset.normalise(name, arrays["images"]))
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
