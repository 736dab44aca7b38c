"""A page with a tiny model of random weights, and questions to it."""

import contextlib
import json
import struct
import threading

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.page.masks import PageMask
from samr_jax.page.request import Request
from samr_jax.page.serving import listen, make_server
from tests.data.edits.edit_cases import disc, painted
from tests.tiny import blob_subject

TOKEN = "secret"


def mask_of(model, number, name="example.nii.gz"):
    labels = np.transpose(blob_subject(number).labels, (2, 1, 0))
    return PageMask(name, Volume(labels, model.dataset.grid.affine, name))


def edits(*steps):
    return {"seed": 0, "edits": list(steps)}


def paint(labels, label="tumor", radius=4, place=(1, 16, 16)):
    """A painted ball as a step of a recipe's JSON."""
    text = painted(disc(labels.shape, place, radius), label)
    step = dict(part.split("=") for part in text.partition(":")[2].split(","))
    return {"edit": "paint", **step}


def ask(site, path, content=None, **options):
    method = "GET" if content is None and "body" not in options else "POST"
    body = {} if content is None else {"body": json.dumps(content).encode()}
    return site(Request(method, path, token=TOKEN, **{**body, **options}))


def slice_of(site, **choice):
    content = {"mask": "example.nii.gz", "slice": 1, "anatomy": "average", **choice}
    response = ask(site, "/slice", content)
    assert response.status == "200 OK", response.body
    return unpacked(response.body)


def unpacked(body):
    (length,) = struct.unpack("<I", body[:4])
    about, at, arrays = json.loads(body[4 : 4 + length]), 4 + length, {}
    for entry in about["arrays"]:
        count = int(np.prod(entry["shape"]))
        kind = np.dtype(entry["type"])
        assert at % 8 == 0
        values = np.frombuffer(body, kind, count, at)
        arrays[entry["name"]] = values.reshape(entry["shape"])
        at += -(-values.nbytes // 8) * 8
    assert at == len(body)
    return about, arrays


def error_of(response):
    assert response.status != "200 OK"
    (message,) = json.loads(response.body).values()
    assert "\n" not in message
    return message


@contextlib.contextmanager
def serve(site):
    """Serves a page on a free port; the host and the port."""
    listening = listen(0)
    server = make_server(site, listening)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield listening.getsockname()
    server.close()
    thread.join(10)
