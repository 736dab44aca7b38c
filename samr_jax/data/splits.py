"""The split into training, validation and test patients."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from samr_jax.runtime.errors import InputError

SPLITS = ("train", "val", "test")

PAPER_FRACTIONS = (0.72, 0.10, 0.18)
"""The paper has 72, 10 and 18 of 100 patients (section IV-A)."""

_SESSION = re.compile(r"_ses-.*$|(?<=\d{5})-\d{3}$")
"""What follows the patient in a subject's name: in our names and BIDS, and in BraTS."""


def patient_in_name(subject: str) -> str:
    """The patient of a subject by its name, which is the name without the session."""
    return _SESSION.sub("", subject)


def split_subjects(
    patients: Sequence[str],
    *,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    seed: int = 0,
) -> dict[str, tuple[str, ...]]:
    """Splits patients, never their slices or time points.

    Args:
      patients: identifiers; repeats (several time points) count once.
      fractions: shares of train, val and test; they are divided by their sum.
      seed: the same seed and the same set of patients give the same split, whatever
        their order.

    Returns:
      Sorted patients by split. Counts follow the largest remainder, with at least one
      patient in train and in test, and in val where there are four or more.
    """
    names = sorted(set(patients))
    counts = _counts(len(names), fractions)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    bounds = np.cumsum((0, *counts))
    return {
        split: tuple(sorted(names[i] for i in shuffled[start:stop]))
        for split, start, stop in zip(SPLITS, bounds, bounds[1:], strict=False)
    }


def _counts(total: int, fractions: tuple[float, float, float]) -> tuple[int, ...]:
    """Number of patients per split, by largest remainder; see `split_subjects`."""
    try:
        shares = np.asarray(fractions, float)
    except ValueError:
        shares = np.zeros(0)
    if shares.shape != (3,) or not (shares >= 0).all() or shares[0] <= 0:
        raise InputError(
            f"split {tuple(fractions)}, expected three shares (train, val, test), none "
            "negative and the first positive"
        )
    if total < 2:
        raise InputError(
            f"the data hold {total} patient(s), expected two or more: one to train on, "
            "one to test on"
        )
    exact = total * shares / shares.sum()
    counts = np.floor(exact).astype(int)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    needed = [0, 2] if total < 4 or shares[1] == 0 else [0, 1, 2]
    for split in needed:
        if counts[split] == 0:
            counts[np.argmax(counts)] -= 1
            counts[split] = 1
    return tuple(counts.tolist())
