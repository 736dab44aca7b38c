"""Decides the options of a preparation from the subjects' headers.

No subject is read whole before this is done, so that a wrong option is told at once.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from samr_jax.data.nifti import read_geometry
from samr_jax.labels import LABELS, TISSUES
from samr_jax.prepare import grids
from samr_jax.prepare.find.raw import (
    BRAIN_ROLE,
    LABELS_ROLE,
    Found,
    RawSubject,
    companion,
)
from samr_jax.prepare.find.spacing import stated_affine
from samr_jax.prepare.options import Options, Steps
from samr_jax.prepare.subject.ants_bridge import has_ants
from samr_jax.prepare.subject.hd_bet import check_hd_bet
from samr_jax.prepare.subject.reference_brain import (
    WORKING_SPACING_MM,
    grid_over_template,
    working_grid,
)
from samr_jax.prepare.subject.strip import STRIPPERS, best_stripper
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import KNOWN, SEQUENCES, check_sequences

ATLASES = ("auto", "template", "mean")

Log = Callable[[str], None]
Spacing = tuple[float, float, float]


def choose_sequences(
    found: Found, wanted: Sequence[str] | None, log: Log
) -> tuple[str, ...]:
    """The sequences to use: the user's, or all sequences that every subject has.

    A sequence that only some subjects have is left out, and `log` receives the name of
    the first subject without it.
    """
    if wanted is not None:
        return check_sequences(wanted, source="sequences")
    others = {LABELS_ROLE, BRAIN_ROLE, *TISSUES, *map(companion, KNOWN)}
    held = {role for raw in found.subjects for role in raw.files} - others
    order = (*SEQUENCES, *sorted(held - set(SEQUENCES)))
    chosen = []
    for name in (name for name in order if name in held):
        lacking = [raw for raw in found.subjects if name not in raw.files]
        if not lacking:
            chosen.append(name)
            continue
        log(
            f"sequence {name} is left out: {len(lacking)} subject(s) lack it, the "
            f"first is {lacking[0].name}, expected {lacking[0].expected[name]}"
        )
    if not chosen:
        raise InputError(
            "no sequence is present in every subject, expected --sequences to name the "
            "sequences to use; subjects that lack one are then left out"
        )
    return tuple(chosen)


def choose_sets(
    main: tuple[str, ...], also: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    """The sequences of each dataset: the main one, and those of ``--also``.

    Raises:
      InputError: a set is no list of names, or occurs twice.
    """
    sets = (main, *(check_sequences(one, source="also") for one in also))
    for number, one in enumerate(sets):
        if any(set(one) == set(other) for other in sets[:number]):
            raise InputError(
                f"also {','.join(one)}: another dataset has just these sequences, "
                "expected others"
            )
    return sets


def decide_options(
    found: Found,
    steps: Steps,
    *,
    sets: tuple[tuple[str, ...], ...],
    mapping: Mapping[int, int],
    target: grids.Target,
    atlas: str,
    log: Log,
    spacing_of: Spacing | None = None,
) -> Options:
    """Decides what the preparation of every subject has in common.

    Args:
      found: the subjects.
      steps: the user's choice for each step.
      sets: the sequences of each dataset, see `choose_sets`.
      mapping: value in the annotation -> our label code.
      target: the slices that the user wants.
      atlas: ``template``, ``mean`` or ``auto``.
      log: receives lines for the user.
      spacing_of: voxel size in millimetres of files whose header has lost it, or None.

    Raises:
      InputError: an option does not fit, or no subject can be read.
    """
    if atlas not in ATLASES:
        raise InputError(f"atlas {atlas!r}, expected one of {', '.join(ATLASES)}")
    steps = _without_ants(steps, found, log)
    sequences = tuple(dict.fromkeys(name for one in sets for name in one))
    align, shape, affine = _common_space(found, steps, sequences, spacing_of, log)
    if align:
        grid, working = grid_over_template(target), working_grid()
    else:
        grid = grids.grid_over(shape, affine, target)
        working = grids.isotropic_over(shape, affine, WORKING_SPACING_MM)
    grids.check_slices(target.slices, grid.slices)
    own_maps = all(set(TISSUES) <= set(raw.files) for raw in found.subjects)
    template = atlas == "template" or (atlas == "auto" and align)
    needed = template or (steps.tissue != "off" and not own_maps)
    named = ", ".join(f"{value} {LABELS[code]}" for value, code in mapping.items())
    log(f"labels: {named}")
    working = working if needed else None
    stripper = _stripper(steps)
    return Options(
        sequences,
        mapping,
        grid,
        working,
        steps,
        stripper,
        align,
        template,
        spacing_of,
        sets,
    )


def _stripper(steps: Steps) -> str:
    """The method of skull stripping; an `InputError` if it is not installed."""
    if steps.strip == "hd-bet":
        check_hd_bet()
    return steps.strip if steps.strip in STRIPPERS else best_stripper()


def _without_ants(steps: Steps, found: Found, log: Log) -> Steps:
    """Switches off the steps that ``auto`` can leave out if ANTs is not installed."""
    if has_ants():
        return steps
    own_maps = any(set(TISSUES) <= set(raw.files) for raw in found.subjects)
    skipped = {
        step: "off"
        for step in ("bias", "tissue")
        if getattr(steps, step) == "auto" and not (step == "tissue" and own_maps)
    }
    if skipped:
        log(
            f"steps left out: {', '.join(skipped)}; they need ANTsPy: "
            "pip install 'samr-jax[prepare]'"
        )
    return dataclasses.replace(steps, **skipped)


def _common_space(
    found: Found,
    steps: Steps,
    sequences: Sequence[str],
    spacing_of: Spacing | None,
    log: Log,
) -> tuple[bool, tuple[int, ...], np.ndarray]:
    """Whether subjects have to be aligned, and the shape and affine that most share."""
    geometries = [_geometry(raw, sequences, spacing_of) for raw in found.subjects]
    known = [geometry for geometry in geometries if geometry is not None]
    if not known:
        raise InputError(
            f"no subject has a readable {sequences[0]}, the first is "
            f"{found.subjects[0].name}: expected "
            f"{found.subjects[0].expected.get(sequences[0], 'such a file')}"
        )
    (shape, affine), count = Counter(known).most_common(1)[0]
    shared = found.common_space and count > len(known) / 2
    align = steps.align == "on" or (steps.align == "auto" and not shared)
    log(
        "space: subjects are aligned with the MNI152 template"
        if align
        else f"space: {count} of {len(known)} subjects share one grid, which is kept"
    )
    return align, shape, np.array(affine).reshape(4, 4)


def _geometry(
    raw: RawSubject, sequences: Sequence[str], spacing_of: Spacing | None
) -> tuple | None:
    """Shape and affine of a subject's first sequence, or None if it cannot be read.

    The reason is told later, when the subject itself is prepared.
    """
    try:
        path = raw.file(sequences[0])
        shape, affine = read_geometry(path)
    except InputError:
        return None
    # A lost voxel size concerns most files, so it is told before any is prepared.
    affine = stated_affine(shape, affine, spacing_of, source=str(path))
    return shape, tuple(np.round(affine, 3).ravel().tolist())
