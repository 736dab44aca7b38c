"""Tiny data and networks that keep every part of the real ones."""

import functools
from pathlib import Path

import numpy as np

from samr_jax.config import default
from samr_jax.data.dataset import Dataset
from samr_jax.data.splits import split_subjects
from samr_jax.data.subject import Grid, Subject
from samr_jax.data.write import write_dataset

SEQUENCES = ("T1w", "APTw")
GRID = Grid.centred((32, 32), 3, spacing=(1.0, 1.0, 4.4))


def blob_subject(index: int, sequences=SEQUENCES, grid: Grid = GRID) -> Subject:
    """A disc of brain with a smaller disc of each lesion label in it."""
    rng = np.random.default_rng(index)
    height, width = grid.size
    rows, columns = np.mgrid[:height, :width]
    centre = (np.array(grid.size) - 1) / 2

    def disc(offset, radius):
        distance = np.hypot(
            rows - centre[0] - offset[0], columns - centre[1] - offset[1]
        )
        return np.broadcast_to(distance < radius, (grid.slices, height, width))

    labels = np.zeros((grid.slices, height, width), np.uint8)
    labels[disc((0, 0), 0.42 * height)] = 1
    place = rng.uniform(-0.15, 0.15, 2) * height
    for code, radius in ((2, 0.2), (4, 0.14), (3, 0.08)):
        labels[disc(place, radius * height)] = code
    levels = rng.uniform(100, 900, (len(sequences), 5))
    levels[:, 0] = 0
    images = np.moveaxis(levels[:, labels], 0, -1)
    images += rng.normal(0, 5, images.shape) * (labels > 0)[..., None]
    for channel, name in enumerate(sequences):
        if name == "APTw":
            images[..., channel] = images[..., channel] / 200
    tissue = np.stack([labels == 1, labels > 1, labels == 3], -1).astype(np.float32)
    return Subject(f"blob-{index}", images.astype(np.float32), labels, tissue)


def tiny_dataset(
    directory: Path, *, subjects: int = 5, sequences=SEQUENCES, grid: Grid = GRID
) -> Dataset:
    names = [f"blob-{index}" for index in range(subjects)]
    return write_dataset(
        directory,
        [
            functools.partial(blob_subject, index, sequences, grid)
            for index in range(subjects)
        ],
        grid=grid,
        sequences=sequences,
        splits=split_subjects(names, seed=0),
        simulated=True,
        workers=1,
    )


NETWORKS = {
    "ngf": 2,
    "downsamplings": 2,
    "blocks": 2,
    "ndf": 2,
    "disc_layers": 1,
    "unet_channels": 2,
    "unet_depth": 1,
}
"""The size of any method's networks, by the fields of its section ``model``."""


def tiny_config(dataset: Dataset, method: str = "cg_samr"):
    config = shrink(default(method))
    config.data.dir = str(dataset.directory)
    return config


def shrink(config):
    """Four steps of networks with a few channels."""
    config.name = "tiny"
    config.batch_size = 4
    config.epochs = 2
    config.constant_epochs = 1
    config.model.update({k: v for k, v in NETWORKS.items() if k in config.model})
    config.log_steps = 1
    config.sample_epochs = 1.0
    config.eval_epochs = 1.0
    config.checkpoint_epochs = 0.5
    config.eval_batch_size = 4
    return config
