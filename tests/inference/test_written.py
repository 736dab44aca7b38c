"""The files of a synthesis."""

import dataclasses
import functools
import json

import jax
import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread

import samr_jax
from samr_jax.data.edits import edit_volume
from samr_jax.data.nifti import read_labels
from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.inference.written import write_volumes
from samr_jax.runs.model import load_model
from samr_jax.runs.provenance import weights_hash
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from tests.commands import launch


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained)


@pytest.fixture(scope="module")
def mask(dataset, tmp_path_factory):
    """A file with a test subject's labels."""
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    path = tmp_path_factory.mktemp("patient-7") / "secret.nii.gz"
    image = nib.Nifti1Image(np.transpose(labels, (2, 1, 0)), dataset.grid.affine)
    nib.save(image, path)
    return path


@pytest.fixture(scope="module")
def volume(model, mask):
    return synthesize_volume(model, read_labels(mask))


def values(path):
    return nib.load(path).get_fdata()


def test_the_label_map_of_the_images_is_among_the_files(model, mask, tmp_path):
    """Made again from it, without the edit, the images are the same."""
    edit = functools.partial(edit_volume, edit="scale:tumor=1.5")
    edited = synthesize_volume(model, read_labels(mask), edit=edit)
    write_volumes(edited, model, tmp_path / "edited")
    labels = tmp_path / "edited" / "labels.nii.gz"
    assert (values(labels) == 4).sum() > (values(mask) == 4).sum()
    again = synthesize_volume(model, read_labels(labels))
    np.testing.assert_array_equal(again.images, edited.images)


def test_some_sequences(model, volume, tmp_path):
    write_volumes(volume, model, tmp_path / "all")
    write_volumes(volume, model, tmp_path / "one", sequences=["APTw"])
    names = {path.name for path in (tmp_path / "one").glob("*.nii.gz")}
    assert names == {"APTw.nii.gz", "APTw_confidence.nii.gz", "labels.nii.gz"}
    for name in names:
        np.testing.assert_array_equal(
            values(tmp_path / "one" / name), values(tmp_path / "all" / name)
        )
    with pytest.raises(InputError, match="sequences PET, expected some of T1w, APTw"):
        write_volumes(volume, model, tmp_path / "none", sequences=["PET"])
    assert not (tmp_path / "none").exists()


def test_all_sequences_in_one_file(model, volume, tmp_path):
    write_volumes(volume, model, tmp_path / "many")
    written = write_volumes(volume, model, tmp_path / "one", one_file=True)
    names = ["images.nii.gz", "images_confidence.nii.gz", "labels.nii.gz"]
    assert [path.name for path in written[:3]] == names
    order = read_json(tmp_path / "one" / "images.json")
    assert order == {"sequences": ["T1w", "APTw"]}
    for ending in ("", "_confidence"):
        together = values(tmp_path / "one" / f"images{ending}.nii.gz")
        assert together.shape == (*volume.labels.shape, 2)
        for channel, name in enumerate(order["sequences"]):
            alone = values(tmp_path / "many" / f"{name}{ending}.nii.gz")
            np.testing.assert_array_equal(together[..., channel], alone)
    write_volumes(volume, model, tmp_path / "chosen", one_file=True, sequences=["APTw"])
    chosen = values(tmp_path / "chosen" / "images.nii.gz")
    assert chosen.shape[3:] == (1,) or chosen.ndim == 3


def test_slices_as_png(model, dataset, volume, tmp_path):
    write_volumes(volume, model, tmp_path / "out", png=True)
    files = sorted(path.name for path in (tmp_path / "out" / "png").iterdir())
    slices = range(dataset.grid.slices)
    assert files == sorted(f"{n}_{i:03d}.png" for n in ("T1w", "APTw") for i in slices)
    # The array goes to the left and to the back, as a picture's columns and rows do.
    image = values(tmp_path / "out" / "T1w.nii.gz")[..., 1].T
    window = dataset.windows["T1w"]
    level = np.clip((image - window.low) / (window.high - window.low), 0, 1)
    found = imread(tmp_path / "out" / "png" / "T1w_001.png")
    np.testing.assert_allclose(found[..., 0], level, atol=1.5 / 255)
    outside = values(tmp_path / "out" / "labels.nii.gz")[..., 1].T == 0
    aptw = imread(tmp_path / "out" / "png" / "APTw_001.png")
    assert not aptw[outside, :3].any() and aptw[~outside, :3].any()


def test_the_request_names_contents_and_no_files(model, mask, tmp_path):
    synthesizer = Synthesizer(model, edit=f"replace:donor={mask}", seed=3)
    synthesizer(mask, tmp_path / "out")
    record = read_json(tmp_path / "out" / "provenance.json")
    request = record["request"]
    assert request == json.loads(json.dumps(synthesizer.request(mask)))
    assert (request["labels"], request["seed"]) == ("samr", 3)
    assert request["edit"].startswith("replace:donor=sha256:")
    assert "secret" not in json.dumps(record) and "patient-7" not in json.dumps(record)
    other = tmp_path / "other.nii.gz"
    image = nib.load(mask)
    nib.save(nib.Nifti1Image(np.flip(image.dataobj, 0), image.affine), other)
    assert synthesizer.request(other)["mask"] != request["mask"]
    assert Synthesizer(model).request(mask)["edit"] == ""


def test_the_hash_of_the_weights_follows_each_weight(model):
    before = weights_hash(model)
    leaves, tree = jax.tree.flatten(model.variables)
    for index in (0, len(leaves) // 2, len(leaves) - 1):
        changed = list(leaves)
        changed[index] = np.asarray(changed[index]) + 1
        other = dataclasses.replace(model, variables=tree.unflatten(changed))
        assert weights_hash(other) != before
    assert weights_hash(dataclasses.replace(model, step=7)) == before


def test_the_function_writes_the_files_of_the_command(trained, model, mask, tmp_path):
    assert (
        launch(
            "synthesize",
            *(f"--workdir={trained}", f"--mask={mask}", f"--output={tmp_path / 'a'}"),
            "--edit=scale:tumor=1.5",
        ).returncode
        == 0
    )
    files = samr_jax.synthesize_file(
        mask, tmp_path / "b", checkpoint=trained, edit="scale:tumor=1.5"
    )
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {path.name for path in (tmp_path / "b").iterdir()}
    assert {path.name for path in files} == names - {"provenance.json", "edit.json"}
    for name in (name for name in names if name.endswith(".nii.gz")):
        first, second = values(tmp_path / "a" / name), values(tmp_path / "b" / name)
        np.testing.assert_array_equal(first, second)
    records = [read_json(tmp_path / run / "provenance.json") for run in "ab"]
    assert records[0] == records[1]
