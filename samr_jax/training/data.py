"""The dataset and the batches that a config asks for."""

from __future__ import annotations

import jax
import ml_collections

from samr_jax.config import check_size, method_of
from samr_jax.data.batches.average_tissue import (
    WithAverageTissue,
    with_average_tissue,
)
from samr_jax.data.batches.mirrored import WithMirrored
from samr_jax.data.batches.paired import Batches
from samr_jax.data.batches.unpaired import UnpairedBatches
from samr_jax.data.dataset import Dataset, open_dataset
from samr_jax.data.embedded import embedded_dataset
from samr_jax.data.slices import Instances
from samr_jax.evaluation.evaluation_figures import draw_dataset
from samr_jax.methods.base import Context, Method
from samr_jax.runtime import parallel


def training_dataset(config: ml_collections.ConfigDict) -> Dataset:
    """The prepared dataset of ``config.data.dir``, or the embedded one.

    The embedded dataset gets a picture of a few subjects, ``subjects.png``.

    Raises:
      InputError: there is no such dataset, or the method's networks cannot halve slices
        of ``config.data.size`` often enough.
    """
    data = config.data
    if data.dir:
        return open_dataset(data.dir)
    size = (data.size, data.size)
    method = method_of(config, Context(len(data.sequences), size))
    check_size(size, method.downsamplings, source="config.data.size")
    dataset = embedded_dataset(
        size=data.size,
        subjects=data.subjects,
        slices=data.slices,
        sequences=data.sequences,
        seed=data.seed,
    )
    picture = dataset.directory / "subjects.png"
    if parallel.is_first_process() and not picture.exists():
        draw_dataset(dataset, picture)
    return dataset


def training_batches(
    config: ml_collections.ConfigDict, dataset: Dataset, method: Method
) -> Batches | UnpairedBatches:
    """This process's part of the training split's batches, as the method wants them.

    Raises:
      InputError: the method's networks cannot halve the dataset's slices often enough.
    """
    check_size(dataset.grid.size, method.downsamplings, source=str(dataset.directory))
    train = dataset.split("train")
    share = method.average_tissue_share
    slices: Instances = WithAverageTissue(train) if share else train
    if config.data.mirrored:
        slices = WithMirrored(slices)
    options = {
        "batch_size": config.batch_size,
        "seed": config.seed,
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }
    if not method.unpaired_fields:
        change = with_average_tissue(share) if share else None
        return Batches(slices, fields=method.fields, change=change, **options)
    return UnpairedBatches(
        slices,
        fields=[name for name in method.fields if name not in method.unpaired_fields],
        unpaired_fields=method.unpaired_fields,
        same_subjects=config.data.same_subjects,
        **options,
    )
