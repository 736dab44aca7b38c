"""The page in a real browser, as a user sees it."""

import contextlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from samr_jax.data.edits import edit_files
from samr_jax.data.nifti import write_volume
from samr_jax.pretrained.load import MASK, PACKAGE
from tests.commands import ROOT, launch
from tests.page.browser import (
    canvas,
    choose,
    chromium,
    complaints,
    hosts_asked,
    is_ready,
    pixels,
    settle,
    shown_labels,
    status,
    wait_until,
)
from tests.page.page_cases import TOKEN, mask_of, serve

pytestmark = pytest.mark.slow


@pytest.fixture
def browser(tmp_path):
    with chromium(tmp_path) as browser:
        yield browser
        assert hosts_asked(browser) == {"127.0.0.1"}


@pytest.fixture
def packaged():
    """The address of a page with the packaged weights, in a process of its own."""
    command = [sys.executable, "launch/page.py", "--no_browser", "--anatomy=average"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        assert line.startswith("The page is ready: http://127.0.0.1:")
        yield line.split()[-1]
        process.terminate()
        assert process.wait(60) == 0


@pytest.fixture
def small(site):
    """The address of a page with a tiny model."""
    with serve(site) as (host, port):
        yield f"http://{host}:{port}/?token={TOKEN}"


def open_page(browser, address):
    browser.get(address)
    settle(browser)
    assert "not for clinical use" in browser.find_element("id", "notice").text


def drag(browser, name, start, way):
    """Drags the mouse in a picture, from a pixel (row, column) by some pixels."""
    from selenium.webdriver.common.action_chains import ActionChains

    picture = canvas(browser, name)
    height, width = picture.size["height"], picture.size["width"]
    offset = (round(start[1] - width / 2), round(start[0] - height / 2))
    chain = ActionChains(browser).move_to_element_with_offset(picture, *offset)
    chain.click_and_hold().move_by_offset(way[1], way[0]).release()
    chain.move_to_element(browser.find_element("tag name", "h1")).perform()
    settle(browser)


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(browser)
    for key in keys[:-1]:
        chain.key_down(key)
    chain.send_keys(keys[-1])
    for key in keys[:-1]:
        chain.key_up(key)
    chain.perform()
    settle(browser)


def saved(folder, name):
    return wait_until(lambda: [*folder.glob(name)] or None, name)[0]


def test_a_painted_tumor_is_seen_where_it_was_painted(packaged, browser, tmp_path):
    open_page(browser, packaged)
    choose(browser, "overlay", "off")
    choose(browser, "certainty", "off")
    settle(browser)
    before = {name: pixels(browser, name) for name in ("FLAIR", "Gd-T1w")}
    mask = pixels(browser, "Lesion mask")
    normal = (np.ptp(mask, axis=-1) < 9) & (mask.mean(axis=-1) > 50)
    room = ndimage.distance_transform_edt(np.pad(normal, 1))[1:-1, 1:-1]
    place = np.unravel_index(room.argmax(), room.shape)
    drag(browser, "FLAIR", place, (6, 4))
    after = {name: pixels(browser, name) for name in before}
    tumor = (pixels(browser, "Lesion mask") != mask).any(axis=-1)
    assert tumor[place] and 100 < tumor.sum() < 0.1 * normal.sum()
    far = ndimage.distance_transform_edt(~tumor) > 0.2 * len(tumor)
    far &= mask.sum(axis=-1) > 0
    for name in before:
        change = np.abs(after[name] - before[name]).mean(axis=-1)
        assert change[tumor].mean() > 25, name
        assert change[far].mean() < 0.1 * change[tumor].mean(), name
    labels = shown_labels(browser)
    browser.find_element("id", "save-recipe").click()
    recipe = saved(tmp_path, "edit.json")
    done = launch(
        "edit",
        f"--mask={PACKAGE / MASK}",
        f"--edit={recipe}",
        f"--output={tmp_path / 'again.nii.gz'}",
    )
    assert done.returncode == 0, done.stderr
    again = nib.load(tmp_path / "again.nii.gz").get_fdata().T
    (painted,) = json.loads(recipe.read_text())["edits"]
    assert painted["label"] == "tumor"
    index = int(painted["runs"].split()[0])
    np.testing.assert_array_equal(again[index], labels)
    press(browser, "\ue009", "z")  # Ctrl
    for name in before:
        np.testing.assert_array_equal(pixels(browser, name), before[name])
    assert not complaints(browser)


def test_a_visit_with_keys_files_and_mistakes(small, told_model, browser, tmp_path):
    open_page(browser, small)
    original = shown_labels(browser)
    # Painting by keys: Tab to the picture, Space.
    browser.execute_script("arguments[0].focus()", canvas(browser, "T1w"))
    press(browser, "2")
    press(browser, " ")
    painted = shown_labels(browser)
    assert set(painted[painted != original]) == {3}
    press(browser, "\ue009", "z")
    np.testing.assert_array_equal(shown_labels(browser), original)
    press(browser, "\ue009", "y")
    np.testing.assert_array_equal(shown_labels(browser), painted)
    # A mask that is loaded, and one that cannot be.
    broken, other = tmp_path / "broken.nii", tmp_path / "other.nii.gz"
    broken.write_bytes(b"no scan")
    volume = mask_of(told_model, 2).volume
    write_volume(other, volume.data, volume.affine)
    for path in (broken, other):
        browser.find_element("id", "load").click()
        browser.find_element("id", "file").send_keys(str(path))
        browser.find_element("id", "load-file").click()
        if path == broken:
            wait_until(lambda: "broken.nii.gz: unreadable" in status(browser), "error")
    wait_until(
        lambda: is_ready(browser) and (shown_labels(browser) != painted).any(), "mask"
    )
    # The lesion of the first mask is put into the second one, and resized.
    choose(browser, "donor", "example.nii.gz")
    browser.find_element("id", "replace").click()
    settle(browser)
    browser.find_element("id", "scale").click()
    settle(browser)
    # An edit that cannot be done is taken back, with the reason.
    for _ in range(9):
        browser.find_element("css selector", "[data-move='1,0,0']").click()
        settle(browser)
    assert "of the lesion would leave the brain" in status(browser)
    texts = [item.text for item in browser.find_elements("css selector", "#edits li")]
    assert texts[:2] == ["Lesion of example.nii.gz", "Resized tumor to 150 %"]
    assert len(texts) <= 3
    labels = shown_labels(browser)
    browser.find_element("id", "save-volumes").click()
    files = zipfile.ZipFile(saved(tmp_path, "samr-jax.zip"))
    files.extractall(tmp_path)
    with contextlib.chdir(tmp_path / "samr-jax" / "masks"):
        again = edit_files("other.nii.gz", "../edit.json", "new.nii.gz").mask.data.T
    index = int(browser.find_element("id", "slice").get_attribute("value"))
    np.testing.assert_array_equal(again[index], labels)
    assert Path(tmp_path, "samr-jax", "T1w_confidence.nii.gz").exists()
    assert [text for text in complaints(browser) if "400" not in text] == []


def test_a_page_without_the_token_says_so(small, browser):
    browser.get(small.partition("?")[0])
    text = browser.find_element("tag name", "body").text
    assert "expected the whole address that samr-jax page has printed" in text
