"""The weights that come with the package."""

import functools
import json
import threading

import nibabel as nib
import numpy as np
import pytest

import samr_jax
from samr_jax.config import flatten
from samr_jax.data.atlas import brain_of, stack_neighbours
from samr_jax.evaluation.scores.trivial import ATLAS, PAINTED
from samr_jax.inference import volumes
from samr_jax.labels import EDEMA, NORMAL, TUMOR
from samr_jax.pretrained import load_pretrained
from samr_jax.pretrained.load import MASK, PACKAGE, WEIGHTS
from samr_jax.runs.batched import synthesize_all
from samr_jax.runs.older import upgraded
from samr_jax.runs.weights import read_header
from samr_jax.runtime.errors import InputError
from samr_jax.tables.rows import ANATOMY
from samr_jax.tables.stages import last_stage
from tests.commands import launch


@pytest.fixture(scope="module")
def example():
    return samr_jax.example()


@pytest.fixture(scope="module")
def out(example):
    return samr_jax.synthesize(*example)


def test_the_example(example):
    mask, atlas = example
    assert mask.shape == (256, 256) and mask.dtype == np.uint8
    assert {NORMAL, EDEMA, TUMOR} <= set(np.unique(mask)) <= set(range(5))
    assert atlas.shape == (256, 256, 15) and np.abs(atlas).max() <= 1


def test_shapes_and_ranges(out):
    assert out.sequences == ("T1w", "Gd-T1w", "T2w", "FLAIR", "APTw")
    assert out.images.shape == (256, 256, 5)
    assert out.confidence.shape == out.intermediate.shape == (128, 128, 5)
    assert np.abs(out.images).max() <= 1
    assert out.confidence.min() > 0 and out.confidence.max() <= 1


def test_it_looks_like_a_brain_with_that_lesion(example, out):
    """Signs that every glioma of the phantom shows (edema: FLAIR; tumor: Gd, APTw)."""
    mask, _ = example
    level = {
        (name, label): out.images[..., channel][mask == label].mean()
        for channel, name in enumerate(out.sequences)
        for label in np.unique(mask)
    }
    assert level["FLAIR", EDEMA] > level["FLAIR", NORMAL] + 0.2
    assert level["Gd-T1w", TUMOR] > level["Gd-T1w", NORMAL] + 0.1
    assert level["APTw", TUMOR] > level["APTw", NORMAL] + 0.1
    for name in ("T1w", "Gd-T1w", "T2w", "FLAIR"):
        assert level[name, 0] < -0.97


def test_without_the_lesion_there_is_none(example, out):
    mask, atlas = example
    healthy = samr_jax.synthesize(np.where(mask > NORMAL, NORMAL, mask), atlas)
    flair = out.sequences.index("FLAIR")
    change = (out.images - healthy.images)[..., flair]
    assert change[mask == EDEMA].mean() > 0.2
    assert np.abs(change[mask == NORMAL]).mean() < change[mask == EDEMA].mean() / 2


def test_codes_of_a_challenge(example, out):
    mask, atlas = example
    brats = np.array([0, 0, 2, 4, 3], np.int16)[mask]  # no code for normal brain
    coded = samr_jax.synthesize(brats, atlas, labels="brats2024").images
    # The atlas's brain is not quite the subject's; the lesion is the same.
    lesion = mask > NORMAL
    assert np.abs(coded - out.images)[lesion].mean() < 0.1
    assert np.abs(coded - out.images).mean() < 0.1


def test_the_atlas_shows_where_the_brain_is():
    dataset = load_pretrained().dataset
    found = brain_of(stack_neighbours(dataset.atlas), dataset.sequences)
    overlap = 2 * (found & dataset.brain).sum()
    assert overlap / (found.sum() + dataset.brain.sum()) > 0.98


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda atlas: atlas[::2, ::2], r"\(128, 128, 15\), expected \(256, 256, 15\)"),
        (lambda atlas: np.moveaxis(atlas, -1, 0), r"\(15, 256, 256\), expected"),
        (lambda atlas: atlas[..., :12], r"\(256, 256, 12\), expected \(256, 256, 15\)"),
    ],
)
def test_another_atlas(example, change, expected):
    mask, atlas = example
    with pytest.raises(InputError, match=expected) as caught:
        samr_jax.synthesize(mask, change(atlas))
    assert "\n" not in str(caught.value)


def test_threads_share_one_model():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load_pretrained()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len({id(model) for model in found}) == 1


def test_the_package_is_small_and_says_what_it_is():
    assert (PACKAGE / WEIGHTS).stat().st_size <= 20e6
    header = read_header(PACKAGE / WEIGHTS)
    assert header["simulated"] is True
    assert header["provenance"]["config"]["name"] == "anatomy-pretrained"


def test_they_are_what_the_command_trains(tmp_path):
    """A changed variant asks for new weights."""
    packed = upgraded(read_header(PACKAGE / WEIGHTS)["provenance"]["config"])
    now = json.loads(json.dumps(flatten(last_stage(ANATOMY, tmp_path))))
    assert packed == {name: now[name] for name in packed}


def test_it_is_closer_to_the_truth_than_either_trivial_answer():
    """By the scores on the test split that were measured when it was packed."""
    scores = read_header(PACKAGE / WEIGHTS)["scores"]
    ours = scores["CG-SAMR + anatomy"]
    for name in (ATLAS, PAINTED):
        for field in ("ssim", "psnr"):
            theirs = scores[name]["average"][field]
            assert ours["average"][field] > theirs, (name, field)


def test_another_brain_is_another_image_with_the_same_lesion(example, out):
    mask, atlas = example
    other = samr_jax.synthesize(mask, atlas, anatomy=3)
    change = np.abs(other.images - out.images)[..., out.sequences.index("T2w")]
    assert change[mask == NORMAL].mean() > 1.4 * change[mask == TUMOR].mean()


@pytest.mark.slow
def test_the_command_without_a_run(tmp_path, monkeypatch):
    """On two of its planes: the packaged atlas is found by the mask's affine."""
    # A batch of eight would be filled up with six copies.
    two = functools.partial(synthesize_all, batch_size=2)
    monkeypatch.setattr(volumes, "synthesize_all", two)
    mask = nib.load(PACKAGE / MASK).slicer[:, :, 7:9]
    nib.save(mask, tmp_path / "mask.nii.gz")
    arguments = [f"--mask={tmp_path / 'mask.nii.gz'}", f"--output={tmp_path / 'out'}"]
    done = launch("synthesize", *arguments)
    assert done.returncode == 0, done.stderr
    flair = nib.load(tmp_path / "out" / "FLAIR.nii.gz")
    assert flair.shape == mask.shape and flair.get_fdata().max() > 0
    np.testing.assert_allclose(flair.affine, mask.affine)
