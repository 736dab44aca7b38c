"""The rows of the tables, and the config of each row.

Tables I to V are the paper's. Table VI goes beyond the paper: its methods are told an
individual's anatomy, so that they are not ranked with methods that see the atlas alone.
Table II has such rows if they are asked for by title.

All rows of a table are trained on the same slices for the same number of epochs, which
is that of the row `Table.budget`, so that all methods see the same number of images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from samr_jax.evaluation.reports import published as paper


@dataclasses.dataclass(frozen=True)
class Row:
    """A method, or a variant of one.

    Attributes:
      title: as the paper prints it; the paper's numbers are found by it.
      config: name of the file in ``configs/``.
      overrides: fields of the config that differ from the file's.
      variant: of the config; by default that of the table's other rows.
    """

    title: str
    config: str
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    variant: str | None = None

    @property
    def key(self) -> str:
        """Name of the folder that holds the row's runs."""
        changes = [
            str(value) if value else f"no_{name.rpartition('.')[2]}"
            for name, value in self.overrides.items()
        ]
        return "-".join([self.config, *changes])


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of the paper.

    Attributes:
      title: heading.
      kind: ``synthesis``, ``segmentation``, ``augmentation`` or ``ablation``; decides
        what is measured and how it is printed.
      rows: in the paper's order.
      budget: the row whose number of epochs all rows have.
      published: the paper's numbers; empty for a table that the paper has not.
      on_request: rows beyond the paper, made if they are asked for by title.
      trivial: whether rows that need no network stand above the others.
      useful: whether a segmenter is trained on each row's images alone, and tested on
        real images.
    """

    title: str
    kind: str
    rows: tuple[Row, ...]
    budget: Row
    published: Mapping[str, Any]
    on_request: tuple[Row, ...] = ()
    trivial: bool = False
    useful: bool = False


CG_SAMR = Row("CG-SAMR", "paired")
UCG_SAMR = Row("UCG-SAMR", "unpaired")
SEGMENTER = Row("U-Net", "segmentation")

SHIN = Row("Shin et al.", "shin")
ANATOMY = Row("CG-SAMR + anatomy", "anatomy")
PACKAGED_START = Row(
    "CG-SAMR + anatomy from the packaged weights",
    "anatomy",
    {"start_from": "packaged"},
    variant="patients",  # has the networks of the packaged weights
)

PAIRED = (
    Row("Pix2Pix", "pix2pix"),
    Row("Pix2PixHD", "pix2pixhd"),
    SHIN,
    Row("SAMR", "samr"),
    CG_SAMR,
)
UNPAIRED = (
    Row("CycleGAN", "cyclegan"),
    Row("SynSeg-Net", "synseg"),
    Row("UNIT", "unit"),
    UCG_SAMR,
)
ABLATIONS = (
    Row("w/o Stretch-out", "paired", {"ablation.stretch_out": False}),
    Row("w/o Multi-label D", "paired", {"ablation.labelwise": False}),
    Row("w/o Atlas", "paired", {"ablation.atlas": False}),
    Row("w/o LSC", "paired", {"ablation.shape_consistency": False}),
    Row("w/o LCM", "paired", {"ablation.confidence": False}),
    CG_SAMR,
)

MIXES = MappingProxyType(dict(zip((1.0, 0.5, 0.0), paper.TABLE_2, strict=True)))
"""Synthesized volumes as a share of the real ones -> experiment of Table II."""

SHARES = tuple(share for share in MIXES if share)
"""The mixes of Table II that have synthesized volumes."""

BASELINE = "Baseline"
GEOMETRIC = "Geometric augmentation"
"""Rows of Table II without synthesis: real data alone, and real data transformed."""

TABLES: Mapping[int, Table] = MappingProxyType(
    {
        1: Table(
            "Table I. Synthesis from paired data",
            "synthesis",
            PAIRED,
            CG_SAMR,
            paper.TABLE_1,
            trivial=True,
        ),
        2: Table(
            "Table II. Segmentation with synthesized training data",
            "augmentation",
            PAIRED,
            CG_SAMR,
            paper.TABLE_2,
            on_request=(ANATOMY, PACKAGED_START),
        ),
        3: Table(
            "Table III. Synthesis from unpaired data",
            "synthesis",
            UNPAIRED,
            UCG_SAMR,
            paper.TABLE_3,
        ),
        4: Table(
            "Table IV. Segmentation from unpaired data",
            "segmentation",
            UNPAIRED,
            UCG_SAMR,
            paper.TABLE_4,
        ),
        5: Table(
            "Table V. Ablations of CG-SAMR",
            "ablation",
            ABLATIONS,
            CG_SAMR,
            paper.TABLE_5,
        ),
        6: Table(
            "Table VI. Synthesis with an individual's anatomy (beyond the paper)",
            "synthesis",
            (SHIN, ANATOMY, PACKAGED_START),
            ANATOMY,
            {},
            trivial=True,
            useful=True,
        ),
    }
)
