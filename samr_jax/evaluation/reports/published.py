"""The paper's published numbers, Tables I to V, in the form of our own summaries.

They come from 18 test patients of one institution, so that they are context and not a
target for numbers of other data. They share their keys with `SliceScores.summary` and
`DiceScores.summary`, so that one table prints both.

Two printed averages are not the means of their columns, and are kept as printed:
SynSeg-Net's SSIM (0.726, its mean is 0.725) and the accuracy without LSC (72.4, its
mean is 72.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COLUMNS = ("edema", "cavity", "tumor", "ssim", "psnr")
"""Columns of Tables I and III: pixel accuracy in percent, SSIM, PSNR in dB."""

ROWS = ("APTw", "T1w", "FLAIR", "T2w", "Gd-T1w", "Avg.")
"""Rows of Tables I and III, and the right half of Table V's columns, as printed."""


def _synthesis(methods: Sequence[str], rows: Sequence[str]) -> dict[str, dict]:
    """Printed rows, five numbers a method, to method -> summary."""
    numbers = [[float(word) for word in row.split()] for row in rows]
    out = {}
    for place, method in enumerate(methods):
        start = place * len(COLUMNS)
        scores = [
            dict(zip(COLUMNS, row[start : start + len(COLUMNS)], strict=True))
            for row in numbers
        ]
        sequences = dict(zip(ROWS[:-1], scores[:-1], strict=True))
        out[method] = {"sequences": sequences, "average": scores[-1]}
    return out


def _dice(rows: Mapping[str, str]) -> dict[str, dict]:
    """Printed Dice of edema, cavity and tumor to method -> summary."""
    return {
        method: {"dice": dict(zip(COLUMNS[:3], map(float, row.split()), strict=True))}
        for method, row in rows.items()
    }


TABLE_1 = _synthesis(
    ("Pix2Pix", "Pix2PixHD", "Shin et al.", "SAMR", "CG-SAMR"),
    (
        "50.9 43.0 48.2 0.766 17.8 54.9 42.5 51.6 0.765 18.2 45.3 40.4 41.8 0.770 17.2 "
        "66.1 53.4 63.3 0.782 18.1 67.3 51.6 64.4 0.782 18.4",
        "54.5 56.3 49.5 0.789 17.5 53.8 52.8 47.9 0.794 17.5 73.2 72.2 68.4 0.900 25.0 "
        "73.3 69.4 67.7 0.821 19.4 76.4 67.8 71.3 0.834 20.2",
        "52.2 41.8 45.3 0.778 20.4 47.4 37.3 46.8 0.774 20.6 59.7 42.8 51.9 0.810 22.1 "
        "75.6 62.0 68.2 0.798 22.5 78.5 67.8 71.7 0.809 23.5",
        "52.9 52.7 43.4 0.799 20.2 51.4 59.4 47.3 0.794 20.3 65.7 56.2 56.5 0.845 22.8 "
        "77.1 78.0 71.3 0.822 22.6 81.5 77.9 74.6 0.836 23.5",
        "70.5 57.7 38.8 0.747 20.8 72.3 58.3 37.9 0.754 21.0 74.9 65.3 39.4 0.818 22.8 "
        "81.7 67.8 64.7 0.790 22.7 83.5 69.5 63.1 0.801 23.4",
        "56.2 50.3 45.0 0.776 19.3 56.0 50.1 46.3 0.776 19.5 63.8 55.4 51.6 0.829 22.0 "
        "74.8 66.1 67.0 0.803 21.1 77.4 66.9 69.0 0.812 21.8",
    ),
)
"""Synthesis from paired data: method -> summary."""

TABLE_2 = {
    "50% Synthesized + 50% Real (1080 + 1080)": _dice(
        {
            "Pix2Pix": "0.594 0.453 0.564",
            "Pix2PixHD": "0.597 0.532 0.566",
            "Shin et al.": "0.734 0.700 0.733",
            "SAMR": "0.789 0.819 0.813",
            "CG-SAMR": "0.807 0.840 0.835",
        }
    ),
    "25% Synthesized + 75% Real (540 + 1080)": _dice(
        {
            "Pix2Pix": "0.600 0.505 0.565",
            "Pix2PixHD": "0.642 0.510 0.662",
            "Shin et al.": "0.675 0.647 0.708",
            "SAMR": "0.750 0.779 0.773",
            "CG-SAMR": "0.760 0.793 0.772",
        }
    ),
    "0% Synthesized + 100% Real (0 + 1080)": _dice({"Baseline": "0.647 0.610 0.672"}),
}
"""Segmentation with synthesized training data: experiment -> method -> summary.

The paper's own percentages: 540 of 1620 is a third, not a quarter.
"""

TABLE_3 = _synthesis(
    ("CycleGAN", "SynSeg-Net", "UNIT", "UCG-SAMR"),
    (
        "51.5 32.8 39.8 0.636 15.8 40.5 38.0 43.9 0.638 15.4 "
        "41.9 33.3 50.3 0.628 13.5 51.6 37.3 44.8 0.643 15.6",
        "35.2 23.5 34.2 0.739 19.1 54.7 54.6 45.2 0.789 20.1 "
        "67.7 73.0 63.0 0.801 19.8 66.4 60.8 68.9 0.852 22.7",
        "57.7 33.0 35.8 0.696 19.7 49.0 37.7 44.4 0.707 19.8 "
        "65.0 38.9 59.1 0.714 20.1 66.2 37.2 58.1 0.743 20.7",
        "67.6 5.7 55.1 0.729 19.5 63.8 50.1 56.7 0.755 20.2 "
        "64.4 12.8 60.8 0.735 20.4 69.3 48.7 60.0 0.781 21.2",
        "47.9 45.1 22.9 0.703 19.8 69.0 59.1 32.1 0.734 20.4 "
        "79.1 40.3 39.3 0.733 20.4 72.7 66.3 45.8 0.768 21.2",
        "52.0 28.0 37.6 0.701 18.8 55.4 47.9 44.5 0.726 19.2 "
        "63.6 39.7 54.5 0.722 18.8 65.2 50.1 55.5 0.757 20.3",
    ),
)
"""Synthesis from unpaired data: method -> summary."""

TABLE_4 = _dice(
    {
        "CycleGAN": "0.233 0.138 0.120",
        "UNIT": "0.533 0.368 0.509",
        "SynSeg-Net": "0.630 0.607 0.591",
        "UCG-SAMR": "0.553 0.366 0.527",
    }
)
"""Segmentation from unpaired data: method -> summary."""


def _ablation(rows: Mapping[str, str]) -> dict[str, dict]:
    """Printed rows of Table V to variant -> summary of both its halves."""
    out = {}
    for variant, row in rows.items():
        numbers = [float(word) for word in row.split()]
        lesion = [{"lesion": value} for value in numbers[3:]]
        out[variant] = {
            "dice": dict(zip(COLUMNS[:3], numbers[:3], strict=True)),
            "sequences": dict(zip(ROWS[:-1], lesion[:-1], strict=True)),
            "average": lesion[-1],
        }
    return out


TABLE_5 = _ablation(
    {
        "w/o Stretch-out": "0.684 0.695 0.678 62.7 66.3 66.6 70.8 73.1 67.9",
        "w/o Multi-label D": "0.758 0.798 0.787 63.6 74.3 73.5 74.6 77.8 72.8",
        "w/o Atlas": "0.689 0.710 0.705 61.7 66.4 69.6 73.7 74.1 69.1",
        "w/o LSC": "0.733 0.794 0.772 63.6 72.0 71.6 76.1 76.5 72.4",
        "w/o LCM": "0.789 0.819 0.813 64.0 73.0 73.3 77.5 78.5 73.3",
        "CG-SAMR": "0.807 0.840 0.835 64.4 75.4 76.6 81.0 79.6 75.4",
    }
)
"""Ablations: variant -> Dice of augmentation, and accuracy in the whole lesion."""
