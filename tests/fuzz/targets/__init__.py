"""What is fuzzed: good files, a way to break them, and the code that reads them."""

from tests.fuzz.targets.flags import Flags
from tests.fuzz.targets.recipes import Recipe
from tests.fuzz.targets.records import Record
from tests.fuzz.targets.runs import Checkpoint, Config, Dataset, Weights
from tests.fuzz.targets.scans import Bids, Manifest, Nifti

TARGETS = {
    "nifti": Nifti,
    "manifest": Manifest,
    "bids": Bids,
    "dataset": Dataset,
    "checkpoint": Checkpoint,
    "config": Config,
    "record": Record,
    "weights": Weights,
    "recipe": Recipe,
    "flags": Flags,
}
"""Targets by the names that the command takes."""
