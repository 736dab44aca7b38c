"""The documentation as a site: sphinx-build -W -c docs/site . build/site

The source folder is the repository, so that a link between two pages is the same on the
site and in the repository. Pages are Markdown files. Some of them get sections that are
made from the code when the site is built, see `add_sections`.
"""

# ruff: noqa: E402, the imports below need the paths that are set above them.

import sys
from functools import partial
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import command_pages
import config_fields
import navigation

import samr_jax

project = "samr_jax"
version = release = samr_jax.__version__
copyright = "the authors of samr_jax"
root_doc = "README"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = navigation.FILES
# Other folders, such as those of runs, may hold many files and are not searched.
exclude_patterns = [
    path.name
    for path in navigation.ROOT.iterdir()
    if path.name not in navigation.PLACES
]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False

html_theme = "furo"
html_title = "samr_jax"
html_additional_pages = {"index": "index.html"}
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["samr_jax.css"]
html_show_sphinx = False
html_copy_source = False


SECTIONS = {
    "README": navigation.contents,
    "docs/configuration": config_fields.page,
    "docs/commands": command_pages.page,
    **{page: partial(navigation.below, page) for page in navigation.BELOW},
}
"""Page -> function that returns the Markdown that follows the page's own text."""


def add_sections(app: Sphinx, page: str, source: list[str]) -> None:
    """Appends to a page what is made from the code."""
    if page in SECTIONS:
        source[0] += f"\n\n{SECTIONS[page]()}"


def examples_as_code(
    app: Sphinx, kind: str, name: str, item: object, options: object, lines: list[str]
) -> None:
    """Marks indented lines below a paragraph of a docstring as code.

    Docstrings show code as Markdown does, by four spaces alone.
    """
    for index in range(len(lines) - 1, 0, -1):
        if lines[index].startswith("    ") and not lines[index - 1].strip():
            above = next(filter(str.strip, reversed(lines[:index])), "")
            if above[:1].isalnum() and not above.endswith("::"):
                lines[index:index] = ["::", ""]


def setup(app: Sphinx) -> None:
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", add_sections)
    app.connect("autodoc-process-docstring", examples_as_code, priority=400)
