"""What the page's server refuses, each time in one line."""

import json

import numpy as np
import pytest

from samr_jax.page.request import Request
from samr_jax.page.site import MAX_JSON, Site
from samr_jax.page.studio import Studio
from tests.inference.test_anatomy import random_model
from tests.page.page_cases import TOKEN, ask, edits, error_of, mask_of, paint, slice_of


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"mask": "other.nii.gz"}, "mask 'other.nii.gz': not loaded (any more)"),
        ({"mask": 7}, "mask: 7, expected the name of a mask"),
        ({"slice": 3}, "slice: 3, expected a whole number from 0 to 2"),
        ({"slice": True}, "slice: True, expected a whole number"),
        ({"slice": None}, "slice: None, expected a whole number"),
        ({"anatomy": "mine"}, "anatomy: 'mine', expected a whole number from 0"),
        ({"anatomy": []}, "anatomy: [], expected a whole number from 0"),
        ({"seed": -1}, "seed: -1, expected a whole number from 0"),
        ({"samples": 99}, "samples: 99, expected a whole number from 1 to 16"),
        ({"size": 1}, "request: field 'size', expected anatomy, mask, recipe"),
        ({"recipe": []}, "edit: not a recipe, expected an object with 'edits'"),
        ({"recipe": edits(7)}, "edit: step 7, expected an object with 'edit'"),
        ({"recipe": edits({"edit": "grow"})}, "edit: 'grow' is unknown, expected"),
        ({"recipe": edits({"edit": "scale", "cavity": "x"})}, "cavity=x, expected"),
        ({"recipe": edits(*[{"edit": "mirror"}] * 2001)}, "2001 edits, expected at"),
        (
            {"recipe": edits({"edit": "replace", "donor": "x.nii.gz"})},
            "mask 'x.nii.gz': not loaded (any more), expected one of: example.nii.gz",
        ),
        (
            {"recipe": edits({"edit": "replace", "donor": ["x"]})},
            "donor=['x'], expected a name",
        ),
        (
            {"recipe": edits({"edit": "move", "dx": 400})},
            "move (edit 1): 100 % of the lesion would leave the brain",
        ),
        (
            {"recipe": edits({"edit": "paint", "label": "tumor", "grid": "3x32x32"})},
            "paint: parameter 'runs' is missing",
        ),
        (
            {"recipe": edits(paint(np.zeros((3, 32, 33))))},
            "paint (edit 1): painted on a mask of 3x32x33 voxels, expected this",
        ),
        (
            {"recipe": edits(paint(np.zeros((3, 32, 32))) | {"runs": "0 0 30 5"})},
            "paint: runs: a run that leaves the grid, expected all in 3x32x32",
        ),
        (
            {"recipe": edits(paint(np.zeros((3, 32, 32))) | {"runs": [[0, 0, 0, 1]]})},
            "paint: runs=[[0, 0, 0, 1]], expected such as",
        ),
    ],
)
def test_a_choice_that_cannot_be_shown_is_one_line(site, choice, message):
    content = {"mask": "example.nii.gz", "slice": 1, "anatomy": "average", **choice}
    response = ask(site, "/slice", content)
    assert response.status == "400 Bad Request"
    assert message in error_of(response)


def test_what_a_model_is_not_told_cannot_be_chosen(dataset):
    model = random_model(dataset, "cg_samr")
    site = Site(Studio(model, [mask_of(model, 1)]), TOKEN, anatomy=None)
    assert json.loads(ask(site, "/start").body)["anatomy"] is None
    slice_of(site, anatomy=None)
    content = {"mask": "example.nii.gz", "slice": 1}
    message = error_of(ask(site, "/slice", {**content, "samples": 2}))
    assert "samples: this model sees no noise, expected 1" in message
    message = error_of(ask(site, "/slice", {**content, "anatomy": 3}))
    assert "is told no individual's anatomy" in message


POST = {"method": "POST"}


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"token": "wrong"}, "403 Forbidden", "token: missing or wrong"),
        ({"token": ""}, "403 Forbidden", "token: missing or wrong"),
        ({"token": "gehäuse"}, "403 Forbidden", "token: missing or wrong"),
        ({"host": "evil.example"}, "403 Forbidden", "host 'evil.example': expected"),
        ({"host": "evil.example:80"}, "403 Forbidden", "host 'evil.example': expected"),
        ({"host": "127.0.0.1.evil.example"}, "403 Forbidden", "host"),
        ({"host": ""}, "403 Forbidden", "host ''"),
        ({"path": "/nothing"}, "404 Not Found", "'/nothing': no such page"),
        ({"path": "/static/nothing.js"}, "404 Not Found", "nothing.js: no such page"),
        ({"path": "/static/../site.py"}, "404 Not Found", "no such page"),
        ({"path": "/slice"}, "405 Method Not Allowed", "/slice: not by GET"),
        ({"path": "/volumes/9"}, "400 Bad Request", "download 9: unknown"),
        ({"path": "/volumes/9/zip"}, "400 Bad Request", "download 9: unknown"),
        (
            {
                "method": "POST",
                "path": "/slice",
                "query": {"token": TOKEN},
                "token": "",
            },
            "403 Forbidden",
            "token: missing or wrong",
        ),
        (
            {**POST, "path": "/slice", "body": b" " * (MAX_JSON + 1)},
            "413 Content Too Large",
            "expected at most",
        ),
        (
            {**POST, "path": "/slice", "body": b"{"},
            "400 Bad Request",
            "request: not JSON",
        ),
        (
            {**POST, "path": "/slice", "body": b"[" * 100000},
            "400 Bad Request",
            "request: not JSON",
        ),
        (
            {**POST, "path": "/slice", "body": b"[]"},
            "400 Bad Request",
            "request: expected a JSON object",
        ),
        (
            {
                "method": "POST",
                "path": "/recipe",
                "body": b'{"mask": "example.nii.gz"}',
            },
            "400 Bad Request",
            "recipe: no edits yet",
        ),
        (
            {**POST, "path": "/masks", "body": b"not a scan"},
            "400 Bad Request",
            "mask.nii.gz: unreadable",
        ),
    ],
)
def test_refused_requests_are_one_line(site, options, status, message):
    request = Request(**{"method": "GET", "path": "/start", "token": TOKEN, **options})
    response = site(request)
    assert response.status == status
    assert message in error_of(response)


def test_the_page_itself_needs_the_token_of_its_address(site):
    refused = site(Request("GET", "/"))
    assert (
        refused.kind.startswith("text/plain") and b"the whole address" in refused.body
    )
    page = site(Request("GET", "/", query={"token": TOKEN}, host="localhost:9999"))
    assert b"<title>samr-jax" in page.body
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "http" not in policy
