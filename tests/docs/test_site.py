"""The documentation as a site: it builds without warnings and needs no network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from samr_jax.commands import COMMANDS
from samr_jax.config import config_names

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
"""Elements that a browser loads by itself, and the attribute that says from where."""


class Page(HTMLParser):
    """The links, loaded files and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if values.get(LOADED.get(tag)):
            self.loaded.append(values[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    done = subprocess.run(
        [*build, "-d", folder / "doctrees", "-c", "docs/site", ".", folder / "html"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    """``{path: Page}`` of all pages."""
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_link_within_the_site_leads_somewhere(site, pages):
    assert len(pages) > 20
    broken = []
    for path, page in pages.items():
        for address in {*page.links, *page.loaded}:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = Path(os.path.normpath(path.parent / unquote(parts.path)))
            if not target.is_relative_to(site) or not target.exists():
                broken.append((path.name, address))
            elif parts.fragment and target in pages:
                anchors = pages[target].anchors
                if unquote(parts.fragment) not in anchors:
                    broken.append((path.name, address))
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        for address in page.loaded:
            assert not urlsplit(address).netloc, f"{path.name} loads {address}"
    for path in site.rglob("*.css"):
        for address in re.findall(
            r"(?:url\(|@import)\s*['\"]?([^'\")]+)", path.read_text()
        ):
            parts = urlsplit(address)
            assert not parts.netloc or parts.scheme == "data", f"{path.name}: {address}"


def test_the_pages_that_are_made_from_the_code(site):
    commands = (site / "docs" / "commands.html").read_text()
    fields = (site / "docs" / "configuration.html").read_text()
    for name in COMMANDS:
        assert f'href="#samr-jax-{name}"' in commands
    for name in config_names():
        assert f'href="#{name}"' in fields
    assert "samr_jax.synthesize" in (site / "docs" / "api.html").read_text()


def test_the_index_can_be_searched_without_a_server(site):
    """A browser that opens files reads no JSON, but it runs scripts."""
    assert (site / "searchindex.js").read_text().startswith("Search.setIndex(")
