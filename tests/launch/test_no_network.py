"""No command asks the network for anything: each may run where there is none.

`tests.commands.launch` blocks the network for every command that a test starts. Here
run the commands that no other test takes to their end in this way.
"""

import socket
import sys
import urllib.request
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from samr_jax.commands import COMMANDS
from samr_jax.prepare import pipeline
from samr_jax.runs import model as run_model
from samr_jax.runtime.files import write_json, write_text
from samr_jax.tables import make, stages
from samr_jax.tables.table_runs import TableRuns
from tests.commands import launch
from tests.network import blocked, can_cut_off, cut_off
from tests.prepare.small_subjects import write_subject
from tests.stand_ins import Segmenter

LAUNCHED_ELSEWHERE = {
    "train": "training/test_loop.py",
    "evaluate": "launch/test_commands.py",
    "synthesize": "launch/test_commands.py",
    "edit": "launch/test_edit.py",
    "benchmark": "benchmark/test_benchmark.py",
}
"""Commands that another test takes to their end, and the file of the test."""

SERVERS = {"page"}
"""Commands that open a port, for a browser on the same machine."""


@pytest.fixture
def finishes(tmp_path):
    """Launches a command, which has to end well, with an output of its own."""

    def launched(command, *flags, output=""):
        if output:
            flags = (*flags, f"--output={tmp_path / output}")
        done = launch(command, *flags)
        assert done.returncode == 0, done.stderr

    return launched


def test_segment(finishes, dataset, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(run_model, "load_model", lambda *_, **__: Segmenter(dataset))
    scan = np.ones((*dataset.grid.size[::-1], dataset.grid.slices), np.float32)
    for name in dataset.sequences:
        image = nib.Nifti1Image(scan, dataset.grid.affine)
        nib.save(image, tmp_path / f"{name}.nii.gz")
    flags = [f"--images={tmp_path}", f"--workdir={trained}"]
    finishes("segment", *flags, output="labels.nii.gz")


def test_prepare(finishes, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "write_page", lambda *_, **__: None)  # takes long
    for index in range(3):
        write_subject(tmp_path / "raw", index)
    flags = ["--size=32", "--bias=off", "--tissue=off", "--workers=1"]
    finishes("prepare", f"--input={tmp_path / 'raw'}", *flags, output="dataset")


def test_augment(finishes, trained):
    finishes("augment", f"--workdir={trained}", "--count=1", output="synthesized")


def test_export(finishes, dataset):
    flags = [f"--data_dir={dataset.directory}", "--layout=brats2023"]
    finishes("export", *flags, output="brats")


def test_figures(finishes, trained):
    flags = ["--figure=errors", f"--workdirs={trained}"]
    finishes("figures", *flags, output="errors.png")


def test_tables(finishes, dataset, tmp_path):
    """The runs of a table are trained as the command train does."""
    for name in ("pix2pix", "segmentation"):
        run = tmp_path / name / "seed-0"
        write_json(run / "metrics.json", {"step": 2})
        write_json(run / "run.json", {"seconds": 1.0})
    flags = [f"--data_dir={dataset.directory}", f"--workdir={tmp_path}", "--steps=2"]
    finishes("tables", "--table=1", "--only=Pix2Pix", "--status", *flags)


def test_pretrain(finishes, dataset, trained, tmp_path, monkeypatch):
    """It trains and makes a table as other commands do, and then packs the weights."""

    def make_table(number, runs, only):
        scores = {"average": {}, "mask_follow": {"synthesized": {"dice": {}}}}
        write_json(runs.workdir / "table6.json", {"results": {"CG-SAMR": scores}})
        write_text(runs.workdir / "table6.md", "# Table VI\n")
        return runs.workdir / "table6.md"

    monkeypatch.setattr(stages, "train_earlier_stages", lambda workdir: None)
    monkeypatch.setattr(make, "make_table", make_table)
    monkeypatch.setattr(TableRuns, "directory", lambda self, row, seed: trained)
    monkeypatch.setattr(TableRuns, "dataset", dataset)
    finishes("pretrain", f"--workdir={tmp_path}")
    assert (tmp_path / "package" / "weights.safetensors").exists()


def test_there_is_no_other_command():
    here = {name.removeprefix("test_") for name in globals()}
    assert here | set(LAUNCHED_ELSEWHERE) | SERVERS >= set(COMMANDS)
    for command, file in LAUNCHED_ELSEWHERE.items():
        script = {"train": "main"}.get(command, command)
        text = Path("tests", file).read_text()
        assert f'"{script}"' in text or "with blocked()" in text


def test_the_block_sees_what_python_asks_for():
    with blocked() as asked:
        with pytest.raises(OSError, match="blocked"):
            urllib.request.urlopen("http://example.org")
        with pytest.raises(OSError, match="blocked"), socket.socket() as ours:
            ours.connect(("192.0.2.1", 80))
        with socket.socket() as server, socket.socket() as ours:
            server.bind(("localhost", 0))
            server.listen()
            ours.connect(server.getsockname())
    assert asked == [
        "socket.getaddrinfo example.org",
        "socket.connect ('192.0.2.1', 80)",
    ]


@pytest.mark.skipif(not can_cut_off(), reason="needs the right to unshare")
def test_the_kernel_counts_what_a_process_sends():
    code = "import socket; socket.socket().connect_ex(('192.0.2.1', 80)); print('end')"
    done, sent = cut_off([sys.executable, "-c", code])
    assert done.stdout == "end\n" and sent == 1
    assert cut_off(["true"])[1] == 0
