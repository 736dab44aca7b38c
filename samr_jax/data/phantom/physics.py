"""Tissue constants at 3 T and the sequences' signal equations.

Sources: T1 of white matter, cortex and nuclei is from Wright 2008, T2 from Stanisz
2005, and tumors from de Blank's fingerprinting and Togao 2014 (APTw). Where sources
disagree, a value within their spread was chosen. Where there is no source (T1 of CSF
within 3.7 to 4.3 s, vessel, uptake of gadolinium in healthy tissue, and the tissues of
the lesion that contain free water), values were chosen so that contrast ratios to white
matter are in the ranges measured on real high-grade patients. These ranges also exclude
MPRAGE for T1w, where it makes grey matter and CSF too dark, and favour it after
contrast agent. T2 is the effective T2 of an echo train.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np


class Tissue(NamedTuple):
    """Constants of a tissue: T1 and T2 in ms, proton density, APTw in %, Gd in mM."""

    t1: float
    t2: float
    density: float
    apt: float
    gadolinium: float


TISSUES = {
    "white": Tissue(900, 75, 0.69, 0.3, 0.01),
    "grey": Tissue(1450, 90, 0.83, 0.6, 0.03),
    "nuclei": Tissue(1300, 78, 0.79, 0.5, 0.02),
    "fluid": Tissue(3950, 2000, 1.00, 0.0, 0.00),
    "vessel": Tissue(1800, 25, 0.90, 0.5, 2.50),
    "edema": Tissue(1400, 97, 0.85, 1.0, 0.02),
    "soaked": Tissue(1750, 230, 0.90, 1.2, 0.02),
    "enhancing": Tissue(1400, 108, 0.87, 3.1, 0.42),
    "infiltrated": Tissue(1450, 110, 0.86, 2.4, 0.03),
    "loose": Tissue(1700, 240, 0.92, 2.4, 0.10),
    "necrosis": Tissue(3400, 500, 0.98, 1.6, 0.03),
    "resection": Tissue(3500, 1200, 0.99, 0.8, 0.01),
}
"""Healthy tissues, then tissues of the lesion; the order of every tissue axis.

Edema and tumor are uneven mixtures: soaked is edema with much free water, and loose is
tumor with few cells and much free water.
"""

DEBRIS = Tissue(1700, 190, 0.94, 1.6, 0.03)
"""Necrosis so rich in protein and dead cells that FLAIR does not suppress it."""

RICHNESS = {"necrosis": 1.0, "resection": 0.12}
"""Largest share of `DEBRIS` in a subject's cavity; the smallest is 0 (clear fluid)."""

RELAXIVITY = 4.5e-3
"""r1 of gadolinium, per mM and ms."""

GAIN = 1000.0
"""Scanner units per unit signal, the same for every subject."""


def spin_echo(tissue: Tissue, *, tr: float, te: float) -> float:
    """PD (1 - exp(-TR/T1)) exp(-TE/T2)."""
    return tissue.density * (1 - np.exp(-tr / tissue.t1)) * np.exp(-te / tissue.t2)


def inversion_recovery(tissue: Tissue, *, tr: float, ti: float, te: float) -> float:
    """PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2)."""
    recovered = 1 - 2 * np.exp(-ti / tissue.t1) + np.exp(-tr / tissue.t1)
    return tissue.density * np.abs(recovered) * np.exp(-te / tissue.t2)


def with_gadolinium(tissue: Tissue) -> Tissue:
    """Shortens T1 by 1/T1' = 1/T1 + r1 C."""
    rate = 1 / tissue.t1 + RELAXIVITY * tissue.gadolinium
    return tissue._replace(t1=1 / rate)


def gadolinium_weighted(tissue: Tissue) -> float:
    """Signal of an MPRAGE-like sequence after contrast agent."""
    return inversion_recovery(with_gadolinium(tissue), tr=2300, ti=1350, te=4)


SIGNALS: Mapping[str, Callable[[Tissue], float]] = {
    "T1w": partial(spin_echo, tr=800, te=12),
    "Gd-T1w": gadolinium_weighted,
    "T2w": partial(spin_echo, tr=7000, te=74),
    "FLAIR": partial(inversion_recovery, tr=11500, ti=2770, te=90),
}
"""Signal per unit of fully relaxed water, by anatomic sequence."""

MAPS: Mapping[str, Callable[[Tissue], float]] = {"APTw": attrgetter("apt")}
"""Value in the map's own unit, by quantitative map."""

SIMULATED = (*SIGNALS, *MAPS)
"""Names of the sequences that the phantom knows."""


def vary(rng: np.random.Generator) -> dict[str, Tissue]:
    """Draws one subject's tissues around `TISSUES`.

    Standard deviations are 2.5 % of T1 and T2, 1 % of density, 15 % of gadolinium, and
    0.2 percentage points of APTw. The fluid of a cavity is anything from clear fluid to
    `DEBRIS`, within `RICHNESS`, so that FLAIR shows some cavities dark and some bright.
    """
    varied = {}
    for name, tissue in TISSUES.items():
        if name in RICHNESS:
            tissue = _between(tissue, DEBRIS, RICHNESS[name] * rng.uniform() ** 0.5)
        t1, t2, density, uptake = np.exp(
            rng.normal(size=4) * np.array([0.025, 0.025, 0.01, 0.15])
        )
        varied[name] = Tissue(
            tissue.t1 * t1,
            tissue.t2 * t2,
            tissue.density * density,
            tissue.apt + 0.2 * rng.normal(),
            tissue.gadolinium * uptake,
        )
    return varied


def _between(clear: Tissue, rich: Tissue, share: float) -> Tissue:
    """Geometric mean of the constants of two tissues, with weight `share` of `rich`."""
    pairs = zip(clear, rich, strict=True)
    return Tissue(*(a ** (1 - share) * b**share for a, b in pairs))


def signal_matrix(tissues: dict[str, Tissue], sequences: Sequence[str]) -> np.ndarray:
    """Signals ``(tissue, sequence)`` in scanner units, maps in their own unit."""
    return np.array(
        [
            [MAPS[s](t) if s in MAPS else GAIN * SIGNALS[s](t) for s in sequences]
            for t in tissues.values()
        ],
        np.float32,
    )
