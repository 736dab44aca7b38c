"""Real heads as they come from a scanner: the brain is found in each of them.

The folder SAMR_REAL_DATA has to hold ``lgg_heads`` with a manifest. A head takes about
20 s with the template, and 40 s more with HD-BET if that is installed. The suite takes
the first head; this command takes all of them:

    SAMR_REAL_DATA=DIR SAMR_ALL_HEADS=1 pytest -s tests/prepare/test_real_heads.py
"""

import os
from pathlib import Path

import pytest

from samr_jax.data.nifti import read_volume
from samr_jax.prepare.find.layouts import find_subjects
from samr_jax.prepare.subject.hd_bet import has_hd_bet
from samr_jax.prepare.subject.strip import dice, strip

pytestmark = pytest.mark.slow
pytest.importorskip("ants")

FOLDER = Path(os.environ.get("SAMR_REAL_DATA", "nowhere")) / "lgg_heads"
HEADS = find_subjects(FOLDER).subjects if FOLDER.is_dir() else ()
if "SAMR_ALL_HEADS" not in os.environ:
    HEADS = HEADS[:1]


@pytest.mark.skipif(not HEADS, reason="SAMR_REAL_DATA names no folder of real heads")
@pytest.mark.parametrize("raw", HEADS, ids=lambda raw: raw.name)
def test_brain_is_found(raw):
    """The mask passes all checks, and both methods agree where both are installed."""
    head = read_volume(raw.file("T1w"))
    found = strip(head, method="template", t1=True)
    print(raw.name, found.quality)
    assert found.quality["unlike"] < 0.05
    if has_hd_bet():
        assert found.quality["agreement"] > 0.9
    # FLAIR and T1w are on the same voxels of these heads.
    other = strip(read_volume(raw.file("FLAIR")), method="template", t1=False)
    shared = dice(found.mask, other.mask)
    print(raw.name, "FLAIR", other.quality, "Dice with T1w", shared)
    assert shared > 0.85
