"""Debian's chromium without windows, driven by selenium, and what tests do with it."""

import base64
import contextlib
import io
import json
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other name can be looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1280,800",
)

PATIENCE = 400
"""Seconds that an answer may take on a busy machine."""


@contextlib.contextmanager
def chromium(folder: Path):
    """A browser that saves files into a folder; skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no chromium and chromedriver (apt-get install chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder)}
    )
    logs = {"performance": "ALL", "browser": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_script_timeout(240)
    try:
        yield browser
    finally:
        browser.quit()


def wait_until(condition, what):
    """Waits for a condition; an AssertionError names what did not come."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not after {PATIENCE} s")


def is_ready(browser) -> bool:
    return browser.execute_script("return document.body.dataset.state") == "ready"


def settle(browser) -> None:
    """Waits until the images are those of the choice."""
    time.sleep(0.2)
    wait_until(lambda: is_ready(browser), status(browser))
    time.sleep(0.2)  # two frames


def status(browser) -> str:
    return browser.execute_script(
        "return document.getElementById('status').textContent"
    )


def canvas(browser, name):
    """The picture of a sequence."""
    return browser.find_element("css selector", f".tile canvas[data-name='{name}']")


def pixels(browser, name) -> np.ndarray:
    """The colours ``(H, W, 3)`` of a picture."""
    picture = canvas(browser, name)
    address = browser.execute_script("return arguments[0].toDataURL()", picture)
    content = base64.b64decode(address.partition(",")[2])
    return np.array(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)


def shown_labels(browser) -> np.ndarray:
    """The labels of the slice, as the page has them; waits while a mask is loaded."""
    script = (
        "const done = arguments[0];"
        "const look = ({ state }) => state.after"
        " ? done([state.mask.shape, [...state.after.labels]])"
        " : setTimeout(look, 50, { state });"
        "import(new URL('static/state.js', location.href)).then(look)"
    )
    (_, height, width), labels = browser.execute_async_script(script)
    return np.array(labels, np.uint8).reshape(height, width)


def choose(browser, element, value) -> None:
    """Chooses an option of a list."""
    browser.execute_script(
        "const list = document.getElementById(arguments[0]);"
        "list.value = arguments[1]; list.dispatchEvent(new Event('change'))",
        element,
        value,
    )


def hosts_asked(browser) -> set[str]:
    """The hosts of all requests since the last call.

    The browser's own pages, which begin with chrome:, and data are left out.
    """
    found = set()
    for entry in browser.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] == "Network.requestWillBeSent":
            address = urlsplit(event["params"]["request"]["url"])
            if address.scheme in ("http", "https", "ws", "wss", "ftp"):
                found.add(address.hostname)
    return found


def complaints(browser) -> list[str]:
    """Errors in the browser's console, such as of scripts."""
    logged = browser.get_log("browser")
    return [entry["message"] for entry in logged if entry["level"] == "SEVERE"]
