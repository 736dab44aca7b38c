"""Prepares one subject: all steps that need no other subject."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.data.resample import resample, resample_inside, resample_labels
from samr_jax.data.subject import Grid, Subject
from samr_jax.labels import (
    BACKGROUND,
    EDEMA,
    LESION_LABELS,
    mark_normal_brain,
)
from samr_jax.prepare.find.raw import RawSubject
from samr_jax.prepare.options import Options
from samr_jax.prepare.subject.alignment import Alignment, align_subject
from samr_jax.prepare.subject.bias import bias_field, field_variation
from samr_jax.prepare.subject.failure import step
from samr_jax.prepare.subject.landmarks import healthy_values, landmarks
from samr_jax.prepare.subject.pictures import stage_pictures
from samr_jax.prepare.subject.scans import Scans, read_scans
from samr_jax.prepare.subject.tissue import normalised, tissue_maps
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import digest_of
from samr_jax.sequences import MRSequence

T1W = "T1w"

MIN_FIELD = 0.03
"""Smallest variation of a bias field that is corrected. N4 finds up to 0.025 in scans
without bias; the field of a coil varies by 0.05 to 0.15."""

MIN_COVERAGE = 0.8
"""Share of a slice's brain that every sequence must cover for the slice to count."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A subject on the dataset's grid, and a record of how it was prepared.

    Attributes:
      subject: images, labels and tissue maps.
      profile: number of brain voxels in each slice ``(Z,)``; 0 in slices that a
        sequence does not cover.
      working: ``(Z, H, W, S)`` images on the working grid, or None.
      record: what each step did, and the transforms, JSON-ready.
      pictures: stage -> ``(S, H, W)`` uint8 of one slice, for the quality page.
    """

    subject: Subject
    profile: np.ndarray
    working: np.ndarray | None
    record: dict
    pictures: Mapping[str, np.ndarray]


def prepare_subject(
    raw: RawSubject, options: Options, *, name: str, patient: str
) -> Prepared:
    """Takes one subject from its files to the dataset's grid.

    Args:
      raw: the subject's files.
      options: the options that all subjects share.
      name: the subject's name in the dataset.
      patient: the patient's name in the dataset.

    Raises:
      SubjectFailed: a step has failed.
    """
    steps = options.steps
    one_grid = raw.registered and steps.register == "auto"
    sequences = options.sequences_of(raw.files)
    with step("reading", {}):
        scans = read_scans(
            raw,
            sequences,
            options.mapping,
            one_grid=one_grid,
            spacing_of=options.spacing_of,
        )
    alignment = align_subject(scans, options)
    seen = scans.images
    with step("bias correction", seen):
        corrected, variation = _correct(scans, alignment, steps.bias)
    with step("resampling", seen):
        images, labels, covered = _on_grid(corrected, alignment, options.grid)
        inside = labels != BACKGROUND
        coverage = {key: _share(seen_by, inside) for key, seen_by in covered.items()}
        everywhere = np.logical_and.reduce(list(covered.values())) & inside
    with step("tissue maps", seen):
        working, tissue = _working(corrected, alignment, options, inside)
    subject = Subject(name, images, labels, tissue, patient)
    profile = _profile(labels, everywhere)
    with step("final checks", seen):
        _check(subject, profile, sequences)
    record = {
        "sequences": list(sequences),
        "aligned": options.align,
        "bias": variation,
        "coverage": coverage,
        "brain_ml": round(_millilitres(labels, options.grid), 1),
        **alignment.record(),
        **_scan_records(raw, scans, alignment),
    }
    pictures = stage_pictures(scans, alignment, subject, options.grid)
    return Prepared(subject, profile, working, record, pictures)


def segment_t1w(
    scan: Volume, lesion: np.ndarray, options: Options
) -> tuple[Alignment, np.ndarray]:
    """Aligns one T1w scan and segments its brain, by the steps of `prepare_subject`.

    Args:
      scan: a T1w scan, with or without skull.
      lesion: boolean on the scan's voxels; the template's tissue is put there.
      options: with the grid of the maps and a working grid; the sequences do not count.

    Returns:
      How the scan lies, and tissue maps ``(Z, H, W, 3)`` on the grid: their sum is 1 in
      the brain, 0 outside.

    Raises:
      SubjectFailed: a step has failed.
    """
    labels = np.where(lesion, EDEMA, BACKGROUND).astype(np.uint8)
    scans = Scans({T1W: scan}, {}, labels, T1W, brain=None, tissue=None, anchor=T1W)
    alignment = align_subject(scans, options)
    with step("bias correction", scans.images):
        scans, _ = _correct(scans, alignment, options.steps.bias)
    with step("tissue maps", scans.images):
        _, labels, _ = _on_grid(scans, alignment, options.grid)
        _, tissue = _working(scans, alignment, options, labels != BACKGROUND)
    return alignment, np.asarray(tissue)


def _scan_records(raw: RawSubject, scans: Scans, alignment: Alignment) -> dict:
    """Geometry of each scan, and the hash of each file."""
    geometry = {
        key: {
            "shape": list(volume.data.shape),
            "affine": volume.affine.round(6).tolist(),
            "from_dataset": alignment.to_scan[key].round(6).tolist(),
        }
        for key, volume in scans.images.items()
    }
    files = [(role, path) for role, path in sorted(raw.files.items()) if path.is_file()]
    hashes = {role: digest_of(path) for role, path in files}
    return {"scans": geometry, "sha256": hashes}


def _correct(
    scans: Scans, alignment: Alignment, choice: str
) -> tuple[Scans, dict[str, float]]:
    """Divides scans by their bias field.

    Returns:
      The scans, and the variation of each field that was applied.
    """
    images, variation = dict(scans.images), {}
    for key, volume in scans.images.items():
        if choice == "off" or not MRSequence.named(key).anatomic:
            continue
        healthy = alignment.masks[key]
        if key == scans.labels_on:
            healthy = healthy & ~np.isin(scans.labels, LESION_LABELS)
        field = bias_field(volume.data, healthy, volume.affine, source=volume.source)
        found = field_variation(field, healthy)
        if choice == "on" or found > MIN_FIELD:
            images[key] = Volume(volume.data / field, volume.affine, volume.source)
            variation[key] = round(found, 4)
    return dataclasses.replace(scans, images=images), variation


def _on_grid(
    scans: Scans, alignment: Alignment, grid: Grid
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Images ``(Z, H, W, S)``, labels, and the voxels that each sequence covers."""
    home = scans.images[scans.labels_on]
    marked = mark_normal_brain(scans.labels, alignment.masks[scans.labels_on])
    labels = resample_labels(
        marked, home.affine, grid, transform=alignment.to_scan[scans.labels_on]
    )
    channels, shares, covered = [], {}, {}
    for key, volume in scans.images.items():
        mask, where = alignment.masks[key], alignment.to_scan[key]
        # Scans on the same voxels share their mask, which is resampled once.
        if id(mask) not in shares:
            shares[id(mask)] = resample(mask, volume.affine, grid, transform=where)
        share = shares[id(mask)]
        channels.append(
            resample_inside(
                volume.data, mask, share, volume.affine, grid, transform=where
            )
        )
        covered[key] = share >= 0.5
    inside = (labels != BACKGROUND)[..., None]
    return np.stack(channels, axis=-1) * inside, labels, covered


def _working(
    scans: Scans, alignment: Alignment, options: Options, brain: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Images on the working grid, tissue maps ``(Z, H, W, 3)`` on the dataset's."""
    images = tissue = None
    if options.working is not None:
        images, labels, _ = _on_grid(scans, alignment, options.working)
    if options.steps.tissue == "off":
        return images, None
    if scans.tissue is not None:
        where = scans.images[scans.anchor].affine, alignment.space
        tissue = _maps_on_grid(scans.tissue, *where, options.grid)
    elif images is not None and options.working is not None:
        wanted = dict.fromkeys((scans.anchor, "T2w"))
        chosen = [list(scans.images).index(k) for k in wanted if k in scans.images]
        lesion = np.isin(labels, LESION_LABELS)
        maps = tissue_maps(
            images[..., chosen], labels != BACKGROUND, lesion, options.working
        )
        voxels = np.transpose(maps, (2, 1, 0, 3))
        tissue = _maps_on_grid(voxels, options.working.affine, np.eye(4), options.grid)
    return images, None if tissue is None else normalised(tissue, brain)


def _maps_on_grid(
    maps: np.ndarray, affine: np.ndarray, transform: np.ndarray, grid: Grid
) -> np.ndarray:
    channels = [
        resample(maps[..., i], affine, grid, transform=transform)
        for i in range(maps.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    """Share of the voxels of `whole` that are in `part`, too."""
    count = int(np.count_nonzero(part & whole))
    return round(count / max(int(np.count_nonzero(whole)), 1), 3)


def _profile(labels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    brain = np.count_nonzero(labels, axis=(1, 2))
    held = np.count_nonzero(seen, axis=(1, 2))
    return np.where(held >= MIN_COVERAGE * brain, brain, 0)


def _check(subject: Subject, profile: np.ndarray, sequences: Sequence[str]) -> None:
    """Refuses a subject that no later step could use, so that it fails alone."""
    if not profile.any():
        raise InputError(
            "no slice of the dataset's grid shows brain in every sequence, expected "
            "scans that cover it (check the affines)"
        )
    for channel, name in enumerate(sequences):
        if MRSequence.named(name).anatomic:
            landmarks(healthy_values(subject, channel), source=name)


def _millilitres(labels: np.ndarray, grid: Grid) -> float:
    return float(np.count_nonzero(labels) * np.prod(grid.spacing) / 1000)
