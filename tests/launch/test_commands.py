"""The commands around a trained run, as a user types them."""

import json
import logging
import shutil

import nibabel as nib
import numpy as np
import pytest
from absl import flags

from tests.commands import launch, start


@pytest.fixture(scope="module")
def mask(dataset, tmp_path_factory):
    """A test subject's lesion, in the space of the dataset."""
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    path = tmp_path_factory.mktemp("masks") / "mask.nii.gz"
    image = nib.Nifti1Image(np.transpose(labels, (2, 1, 0)), dataset.grid.affine)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("run", [launch, start])
def test_evaluate(trained, tmp_path, run):
    # A copy: the shared run's own evaluation stays what it was.
    workdir = shutil.copytree(trained, tmp_path / "run")
    done = run("evaluate", f"--workdir={workdir}", "--split=val")
    assert done.returncode == 0, done.stderr
    assert "CG-SAMR on the val split" in done.stdout
    assert "simulated" in done.stdout and "anatomy prior: atlas" in done.stdout


def test_synthesize_with_an_edit(trained, mask, tmp_path):
    output = tmp_path / "out"
    arguments = [f"--workdir={trained}", f"--mask={mask}", f"--output={output}"]
    done = launch("synthesize", *arguments, "--edit=scale:tumor=1.5")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in output.iterdir()}
    assert names == {
        "T1w.nii.gz",
        "T1w_confidence.nii.gz",
        "APTw.nii.gz",
        "APTw_confidence.nii.gz",
        "labels.nii.gz",
        "contact_sheet.png",
        "provenance.json",
        "edit.json",
    }
    assert str(mask) not in (output / "edit.json").read_text()
    again = launch("synthesize", *arguments)
    assert again.returncode == 1 and "exists already" in again.stderr


def test_donors_of_a_synthesis_have_the_masks_protocol(trained, mask, tmp_path):
    """Necrosis of BraTS 2021 is value 1, which is normal brain among our codes."""
    ours = nib.load(mask)
    values = np.array([0, 0, 2, 1, 4], np.uint8)[ours.get_fdata().astype(int)]
    brats = tmp_path / "brats.nii.gz"
    nib.save(nib.Nifti1Image(values, ours.affine), brats)
    done = launch(
        "synthesize",
        f"--workdir={trained}",
        f"--mask={brats}",
        "--labels=brats2021",
        f"--edit=replace:donor={brats}",
        f"--output={tmp_path / 'out'}",
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "edit.json").read_text())
    before, after = record["about"]["millilitres"]["cavity"]
    assert after == before > 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"mask": "none.nii.gz"}, "none.nii.gz: no such file"),
        ({"workdir": "."}, "no config.json, expected a work directory"),
        ({"labels": "brats1999"}, "label preset 'brats1999' is unknown"),
        ({"edit": "shrink:tumor=2"}, "shrink"),
        ({"atlas": "nowhere"}, "nowhere/T1w.nii.gz: no such file"),
        ({"output": "pyproject.toml/out"}, "cannot be written (Not a directory)"),
        ({"output": "out.nii.gz"}, "name of a file, expected that of a new directory"),
        ({"workdir": "", "checkpoint": "best"}, "of no run, expected --workdir"),
    ],
)
def test_synthesize_refuses_in_one_line(trained, mask, tmp_path, change, message):
    given = {"workdir": trained, "mask": mask, "output": tmp_path / "out", **change}
    done = launch("synthesize", *[f"--{name}={value}" for name, value in given.items()])
    assert done.error.startswith("error:") and message in done.error
    assert not (tmp_path / "out").exists()


def test_a_command_leaves_the_process_as_it_was():
    """The next command of the same process must find no flag of the one before."""
    handlers, known = list(logging.getLogger("samr_jax").handlers), set(flags.FLAGS)
    config = "--config=tests/configs/tiny.py"
    unknown = launch("main", config, "--config.model.ngf=4", "--config.nope=1")
    assert "has no field nope" in unknown.error
    assert logging.getLogger("samr_jax").handlers == handlers
    assert set(flags.FLAGS) == known
    assert "--edit" in launch("edit", "--output=new.nii.gz").error
