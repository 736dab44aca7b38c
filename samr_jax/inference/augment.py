"""Sets of further training data, for the experiment of Tables II and V.

A set is a dataset that has training subjects alone. Mixed with a real dataset, it adds
training subjects, while validation and test subjects stay real. The ordinary training
loop trains a segmenter on the mixture.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import samr_jax
from samr_jax.data.dataset import Dataset
from samr_jax.data.head_transforms import apply_warp, draw_warp
from samr_jax.data.splits import SPLITS
from samr_jax.data.stacks import (
    Stack,
    Stacks,
    background,
    to_subject,
)
from samr_jax.data.staging import SubjectTask
from samr_jax.data.subject import Subject
from samr_jax.data.write import write_dataset
from samr_jax.inference.brains import (
    OWN,
    Brain,
    brain_record,
    check_brains,
    draw_brains,
    told_maps,
)
from samr_jax.inference.edited_masks import EditedMask, draw_masks
from samr_jax.inference.given_lesions import GivenLesions
from samr_jax.inference.outside_training import compare_set
from samr_jax.runs.batched import BATCH_SIZE, synthesize_all
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError


def synthesized_set(
    model: Model,
    dataset: Dataset,
    output: Path | str,
    *,
    count: int,
    seed: int,
    jitter: bool = False,
    brains: str = OWN,
    lesions: GivenLesions | None = None,
    batch_size: int = BATCH_SIZE,
) -> Dataset:
    """Synthesizes volumes from edited masks of training patients.

    Args:
      model: trained on `dataset`.
      dataset: its atlas is used, and the brains and lesions of its training patients.
      output: directory to create.
      count: how many volumes.
      seed: of the masks, see `draw_masks`, and of the brains.
      jitter: see `draw_masks`.
      brains: for a method that is told tissue maps, whose maps it is told: ``own`` for
        the patient of the mask, ``subjects`` for another training subject, or
        ``simulated`` for brains of the phantom; see `samr_jax.inference.brains`.
      lesions: take the place of the patients' own lesions, see `draw_masks`; by default
        the patients' own lesions are edited.
      batch_size: slices of the one compiled batch.

    Returns:
      The set. Its provenance names the method, the edits and their patients, the
      brains, and the masks that are outside of what the method was trained with.

    Raises:
      InputError: the model is of another dataset, or cannot be told these brains.
    """
    _check_model(model, dataset)
    check_brains(brains, model.method)
    masks = draw_masks(
        dataset,
        count=count,
        seed=seed,
        jitter=jitter,
        lesions=lesions.on_grid_of(dataset) if lesions else None,
    )
    stacks = Stacks(dataset, "train")
    named = {f"synthesized-{i:04d}": mask for i, mask in enumerate(masks)}
    labels = {name: mask.labels for name, mask in named.items()}
    outside = compare_set(labels, dataset)
    patients = [mask.patient for mask in masks]
    drawn = draw_brains(patients, stacks.names, brains=brains, seed=seed)
    tasks = [
        functools.partial(_synthesize, model, stacks, name, mask, brain, batch_size)
        for (name, mask), brain in zip(named.items(), drawn, strict=True)
    ]
    recipes = {
        name: {"patient": mask.patient, **mask.recipe.to_json()}
        for name, mask in named.items()
    }
    provenance = {
        "source": f"synthesized by {model.method.name} from edited masks of training "
        "patients",
        "synthesized": True,
        "method": model.method.name,
        "anatomy_prior": model.method.prior,
        "step": model.step,
        "trained_on": model.dataset.content_hash,
        "masks_of": dataset.content_hash,
        "lesions_of": lesions.digest if lesions else dataset.content_hash,
        "seed": seed,
        "recipes": recipes,
        "outside_training": outside,
        "brains": {
            name: brain_record(brain) for name, brain in zip(named, drawn, strict=True)
        },
    }
    return _write(dataset, output, tasks, {"train": list(named)}, provenance)


def geometric_set(
    dataset: Dataset, output: Path | str, *, count: int, seed: int
) -> Dataset:
    """Makes the control: real training volumes, geometrically transformed.

    Args:
      dataset: its training split is used.
      output: directory to create.
      count: how many volumes. A smaller count gives the first volumes of a larger one.
      seed: of the transforms.
    """
    stacks = Stacks(dataset, "train")
    rounds = -(-count // len(stacks.names))
    rng = np.random.default_rng([seed, 0])
    order = np.concatenate([rng.permutation(stacks.names) for _ in range(rounds)])
    rng = np.random.default_rng([seed, 1])
    warps = [draw_warp(rng, dataset.grid.size) for _ in range(count)]
    named = {f"geometric-{i:04d}": i for i in range(count)}

    def make(name: str, place: int) -> Subject:
        stack = dataclasses.replace(stacks[str(order[place])], subject=name)
        warped = apply_warp(warps[place], stack, background=background(dataset))
        return to_subject(warped, dataset)

    provenance = {
        "source": "real training volumes, mirrored, turned, resized and moved",
        "volumes_of": dataset.content_hash,
        "seed": seed,
        "warps": {
            name: {"patient": str(order[place]), **dataclasses.asdict(warps[place])}
            for name, place in named.items()
        },
    }
    tasks = [functools.partial(make, *item) for item in named.items()]
    return _write(dataset, output, tasks, {"train": list(named)}, provenance)


def mixed(
    real: Dataset,
    further: Dataset,
    output: Path | str,
    *,
    volumes: int,
    with_real: bool = True,
) -> Dataset:
    """Mixes real training subjects and the first volumes of a set.

    Args:
      real: the dataset; its validation and test subjects are kept.
      further: a set that was made from it.
      output: directory to create.
      volumes: how many volumes of the set to take.
      with_real: whether the real training subjects stay; if not, the volumes of the set
        take their place.

    Raises:
      InputError: the set has fewer volumes.
    """
    extra = Stacks(further, "train")
    if not 0 <= volumes <= len(extra.names):
        raise InputError(
            f"{further.directory}: {len(extra.names)} volumes, expected {volumes}"
        )
    taken = extra.names[:volumes]
    splits = {name: list(real.splits[name]) for name in SPLITS}
    if not with_real:
        splits["train"] = []
    tasks: list[SubjectTask] = [
        functools.partial(_read, stacks, name)
        for stacks in (Stacks(real, split) for split in SPLITS if splits[split])
        for name in stacks.names
    ]
    tasks += [functools.partial(_read, extra, name) for name in taken]
    kept = len(splits["train"])
    splits["train"] += taken
    provenance = {
        "source": f"{kept} real training subjects and {volumes} further volumes",
        "synthesized": bool(further.provenance.get("synthesized", False)),
        "real": real.content_hash,
        "further": {"hash": further.content_hash, **further.provenance},
    }
    return _write(real, output, tasks, splits, provenance)


def _synthesize(
    model: Model,
    stacks: Stacks,
    name: str,
    mask: EditedMask,
    brain: Brain,
    batch_size: int,
) -> Subject:
    """Synthesizes a volume from a mask; the patient's own images are not used."""
    dataset = stacks.dataset
    known: dict[str, Any] = {
        "labels": mask.labels,
        "atlas": stacks.atlas,
        "tissue": told_maps(brain, stacks, mask.patient, mask.labels),
    }
    stored = {field: known[field] for field in model.method.fields if field in known}
    images = synthesize_all(model, stored, batch_size=batch_size).images
    return to_subject(Stack(name, mask.labels, images, None), dataset)


def _read(stacks: Stacks, name: str) -> Subject:
    return to_subject(stacks[name], stacks.dataset)


def _write(
    like: Dataset,
    output: Path | str,
    tasks: Sequence[SubjectTask],
    splits: Mapping[str, Sequence[str]],
    provenance: Mapping,
) -> Dataset:
    """Writes a dataset with the grid, windows and atlas of another dataset."""
    return write_dataset(
        output,
        tasks,
        grid=like.grid,
        sequences=like.sequences,
        splits={name: splits.get(name, ()) for name in SPLITS},
        common_units=True,
        windows={name: (w.low, w.high) for name, w in like.windows.items()},
        atlas=like.restore(None, like.atlas),
        provenance={**provenance, "samr_jax": samr_jax.__version__},
        simulated=like.simulated,
        workers=1,  # tasks share the network and the open dataset
    )


def _check_model(model: Model, dataset: Dataset) -> None:
    if not model.method.can_synthesize:
        raise InputError(
            f"{model.method.name} does not synthesize, expected a run of a method that "
            "does"
        )
    if model.dataset.content_hash != dataset.content_hash:
        raise InputError(
            f"{dataset.directory}: not the dataset that {model.method.name} was "
            "trained on, expected its training patients"
        )
