"""A dataset as folders of NIfTI files, for tools that do not read ours.

``nnunet`` is nnU-Net's raw format (version 2); ``brats2021`` and ``brats2023`` have the
file names of the BraTS challenges. A file ``provenance.json`` says whether the images
are simulated or synthesized, which anyone who trains on them should know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import write_volume
from samr_jax.data.splits import SPLITS
from samr_jax.data.stacks import Stack, Stacks
from samr_jax.labels import BACKGROUND, LABELS, LESION_LABELS, preset
from samr_jax.prepare.find.named_files import NAMED_LAYOUTS
from samr_jax.prepare.find.raw import LABELS_ROLE
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import new_directory, write_json

LAYOUTS = ("nnunet", "brats2021", "brats2023")


def export(dataset: Dataset, output: Path | str, *, layout: str) -> list[str]:
    """Writes all subjects of a dataset, in the dataset's units and 0 outside the brain.

    Args:
      dataset: a prepared or synthesized dataset.
      output: new directory, which appears whole or not at all. nnU-Net wants a name
        such as ``Dataset501_Glioma``.
      layout: one of `LAYOUTS`.

    Returns:
      Names of the subjects.

    Raises:
      InputError: the directory exists, or the layout cannot hold the dataset.
    """
    if layout not in LAYOUTS:
        raise InputError(
            f"layout {layout!r} is unknown, expected one of {', '.join(LAYOUTS)}"
        )
    if layout == "nnunet" and not re.fullmatch(r"Dataset\d{3}_\w+", Path(output).name):
        raise InputError(
            f"{output}: folder name, expected such as Dataset501_Glioma for nnU-Net"
        )
    with new_directory(output) as folder:
        if layout == "nnunet":
            names = _write_nnunet(dataset, folder, name=Path(output).name)
        else:
            names = _write_brats(dataset, folder, layout)
        write_json(folder / "provenance.json", provenance_of(dataset, layout))
    return names


def provenance_of(dataset: Dataset, layout: str) -> dict:
    """JSON-ready: whether images are simulated or synthesized, and from what."""
    return {
        "layout": layout,
        "simulated": dataset.simulated,
        "synthesized": bool(dataset.provenance.get("synthesized", False)),
        "sequences": list(dataset.sequences),
        "dataset_hash": dataset.content_hash,
        "split": {name: list(names) for name, names in dataset.splits.items()},
        "provenance": dict(dataset.provenance),
    }


def _write_nnunet(dataset: Dataset, output: Path, *, name: str) -> list[str]:
    names = []
    for split, stack, images in _volumes(dataset):
        folder = "Ts" if split == "test" else "Tr"
        for channel in range(len(dataset.sequences)):
            file = output / f"images{folder}" / f"{stack.subject}_{channel:04d}.nii.gz"
            _write(file, images[..., channel], dataset)
        _write(
            output / f"labels{folder}" / f"{stack.subject}.nii.gz",
            stack.labels,
            dataset,
        )
        names.append(stack.subject)
    origin = provenance_of(dataset, "nnunet")
    kind = [word for word in ("simulated", "synthesized") if origin[word]]
    description = {
        "name": name.partition("_")[2],
        "description": f"{' and '.join(kind) or 'real'} images; see provenance.json",
        "channel_names": {str(i): name for i, name in enumerate(dataset.sequences)},
        "labels": {name: code for code, name in enumerate(LABELS)},
        "numTraining": len(dataset.splits["train"]) + len(dataset.splits["val"]),
        "file_ending": ".nii.gz",
    }
    write_json(output / "dataset.json", description)
    fold = {name: list(dataset.splits[name]) for name in ("train", "val")}
    write_json(output / "splits_final.json", [fold])
    return names


def _write_brats(dataset: Dataset, output: Path, layout: str) -> list[str]:
    scheme = NAMED_LAYOUTS[layout]
    unknown = [name for name in dataset.sequences if name not in scheme.suffixes]
    if unknown:
        raise InputError(
            f"{dataset.directory}: sequence {unknown[0]!r} has no name in layout "
            f"{layout}, expected some of {', '.join(scheme.suffixes)}"
        )
    codes = np.zeros(len(LABELS), np.uint8)
    for code in LESION_LABELS:
        sources = preset(scheme.preset).items()
        codes[code] = min(source for source, ours in sources if ours == code)
    names = []
    for _, stack, images in _volumes(dataset):
        stem = output / stack.subject / f"{stack.subject}{scheme.separator}"
        for channel, name in enumerate(dataset.sequences):
            file = Path(f"{stem}{scheme.suffixes[name][0]}.nii.gz")
            _write(file, images[..., channel], dataset)
        file = Path(f"{stem}{scheme.suffixes[LABELS_ROLE][0]}.nii.gz")
        _write(file, codes[stack.labels], dataset)
        names.append(stack.subject)
    return names


def _volumes(dataset: Dataset) -> Iterator[tuple[str, Stack, np.ndarray]]:
    """Every subject's split, stack, and images ``(Z, H, W, S)`` in their own units."""
    for split in SPLITS:
        for stack in Stacks(dataset, split):
            images = dataset.restore(stack.subject, stack.images)
            images[stack.labels == BACKGROUND] = 0
            yield split, stack, images


def _write(path: Path, volume: np.ndarray, dataset: Dataset) -> None:
    write_volume(path, np.transpose(volume, (2, 1, 0)), dataset.grid.affine)
