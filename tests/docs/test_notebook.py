"""The notebook of the first steps: its cells run, one after the other."""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

NOTEBOOK = Path("docs/first_steps.ipynb")


@pytest.fixture(scope="module")
def cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


@pytest.mark.quick
def test_no_output_is_stored(cells):
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in codes)
    assert all(cell["execution_count"] is None for cell in codes)


def test_the_cells_run_and_draw(cells):
    matplotlib.use("Agg")
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert len(figures) == 4
    plt.close("all")
    # Where the lesion was removed, the image changes, and far from it hardly.
    out, without = names["out"].images, names["without"]
    changed = names["samr_jax"].synthesize(without, names["atlas"]).images
    lesion = names["mask"] > 1
    difference = np.abs(changed - out).mean(axis=-1)
    assert difference[lesion].mean() > 5 * difference[~lesion].mean()
