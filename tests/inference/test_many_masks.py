"""Syntheses of a folder of masks."""

import functools
import os
import re

import nibabel as nib
import numpy as np
import pytest

from samr_jax.inference.many_masks import find_masks, synthesize_masks
from samr_jax.inference.synthesizer import Synthesizer, read_synthesizer
from samr_jax.runs import model as run_model
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from tests.commands import launch


@pytest.fixture
def masks(dataset, tmp_path):
    """A folder with masks of different heights, and one that cannot be used."""
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    volume = np.transpose(labels, (2, 1, 0))
    folder = tmp_path / "masks"
    folder.mkdir()
    for name, slices in (("b", 3), ("c", 2), ("d", 1)):
        image = nib.Nifti1Image(volume[..., :slices], dataset.grid.affine)
        nib.save(image, folder / f"{name}.nii.gz")
    (folder / "a.nii.gz").write_bytes(b"no NIfTI")
    (folder / "notes.txt").write_text("not a mask")
    return folder


def test_a_folder_goes_on_after_a_failure_and_after_a_stop(trained, masks, tmp_path):
    output = tmp_path / "out"
    flags = [f"--workdir={trained}", f"--mask={masks}", "--sequences=T1w"]
    done = launch("synthesize", *flags, f"--output={output}")
    assert done.error == "error: 1 of 4 masks failed: a"
    assert re.search(r"failed: .*a\.nii\.gz: unreadable", done.stderr)
    assert "masks: 4 of 4 in" in done.stderr and "\r" not in done.stderr
    assert sorted(path.name for path in output.iterdir()) == ["b", "c", "d"]
    # Each mask has what it has alone.
    mask = masks / "c.nii.gz"
    single = [flags[0], f"--mask={mask}", f"--output={tmp_path / 'c'}"]
    alone = launch("synthesize", *single)
    assert alone.returncode == 0, alone.stderr
    for name in ("T1w.nii.gz", "T1w_confidence.nii.gz", "labels.nii.gz"):
        first, second = (nib.load(root / "c" / name) for root in (output, tmp_path))
        np.testing.assert_array_equal(first.get_fdata(), second.get_fdata())
    # As after a stop: one folder is missing, and the failed mask has been mended.
    before = (output / "b" / "T1w.nii.gz").stat().st_mtime_ns
    for path in sorted((output / "d").iterdir()):
        path.unlink()
    nib.save(nib.load(mask), masks / "a.nii.gz")
    again = launch("synthesize", *flags, f"--output={output}")
    assert again.returncode == 0, again.stderr
    assert "2 of 4 masks are done already" in again.stderr
    assert (output / "b" / "T1w.nii.gz").stat().st_mtime_ns == before
    assert {(output / name / "T1w.nii.gz").exists() for name in "abcd"} == {True}


def test_other_options_do_not_mix_with_finished_folders(trained, masks, tmp_path):
    (masks / "a.nii.gz").unlink()
    found = find_masks([str(masks)])
    model = load_model(trained)
    synthesize_masks(
        lambda: Synthesizer(model), find_masks([str(masks)]), tmp_path / "out"
    )
    with pytest.raises(InputError, match="3 of 3 masks failed: b, c, d"):
        edited = Synthesizer(model, edit="mirror")
        synthesize_masks(lambda: edited, found, tmp_path / "out")
    (tmp_path / "out" / "b" / "provenance.json").write_text("[]")
    with pytest.raises(InputError, match="1 of 3 masks failed: b"):
        synthesize_masks(
            lambda: Synthesizer(model), find_masks([str(masks)]), tmp_path / "out"
        )


def test_all_masks_share_one_compiled_network(trained, masks, tmp_path):
    (masks / "a.nii.gz").unlink()
    found = find_masks([str(masks)])
    model = load_model(trained)
    run_model._compiled.cache_clear()
    synthesize_masks(lambda: Synthesizer(model), found, tmp_path / "out")
    assert run_model._compiled(model.method, "synthesize")._cache_size() == 1
    assert run_model._compiled.cache_info().misses == 1


@pytest.mark.slow
def test_a_cluster_gives_the_same_and_names_what_failed(trained, masks, tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    found = find_masks([str(masks)])
    read = functools.partial(read_synthesizer, workdir=str(trained), seed=1)
    here, there = tmp_path / "here", tmp_path / "there"
    with pytest.raises(InputError, match="1 of 4 masks failed: a"):
        synthesize_masks(read, found, here)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(InputError, match="1 of 4 masks failed: a"):
            synthesize_masks(read, found, there, scheduler=address)
    with pytest.raises(InputError, match="scheduler nowhere: no answer"):
        synthesize_masks(read, found, tmp_path / "out", scheduler="nowhere")
    for name in "bcd":
        assert sorted(os.listdir(here / name)) == sorted(os.listdir(there / name))
        for path in (here / name).glob("*.nii.gz"):
            first, second = (
                nib.load(root / name / path.name) for root in (here, there)
            )
            np.testing.assert_array_equal(first.get_fdata(), second.get_fdata())


def test_a_scheduler_is_refused_where_it_cannot_help(masks, tmp_path):
    flags = ["--scheduler=x", f"--output={tmp_path / 'out'}"]
    one = launch("synthesize", f"--mask={masks / 'b.nii.gz'}", *flags)
    assert (
        one.error == "error: --scheduler and one mask, expected a folder or a pattern"
    )


@pytest.mark.quick
def test_names_of_masks(tmp_path):
    for name in ("x/one/seg.nii.gz", "y/one/seg.nii", "y/two/seg.nii.gz", "y/t1.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_masks([f"{tmp_path}/*/*/seg.nii*"])
    assert list(found) == ["x_one_seg", "y_one_seg", "y_two_seg"]
    assert found["y_one_seg"] == tmp_path / "y/one/seg.nii"
    given = [str(tmp_path / name) for name in ("y/two/seg.nii.gz", "y", "y/t1.nii")]
    assert list(find_masks(given)) == ["t1", "seg"]
    (tmp_path / "y/t1.nii.gz").touch()
    for wrong, message in (
        ([str(tmp_path / "x")], "x: no NIfTI file, expected masks in it, or a pattern"),
        ([f"{tmp_path}/*.nii"], "no NIfTI file, expected files that match"),
        ([*given, "none.nii"], r"none\.nii: no NIfTI file, expected a mask"),
        ([str(tmp_path / "y")], "t1.nii: has the name of another mask"),
    ):
        with pytest.raises(InputError, match=message):
            find_masks(wrong)
