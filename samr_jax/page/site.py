"""The paths of the page, and the answer to each."""

from __future__ import annotations

import json
import re
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samr_jax.page.choice import read_choice, read_json
from samr_jax.page.masks import read_mask, recipe_name
from samr_jax.page.request import (
    Refusal,
    Request,
    Response,
    check_allowed,
    json_response,
)
from samr_jax.page.studio import Studio
from samr_jax.page.volumes import Builds
from samr_jax.runtime.errors import InputError

MAX_UPLOAD = 64 * 2**20
"""Most bytes of a mask file that is loaded into the page."""

MAX_JSON = 8 * 2**20
"""Most bytes of any other request: some megabytes of paint."""

STATIC = Path(__file__).parent / "static"

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}

Answer = Callable[[Request], Response]


class Site:
    """Answers requests.

    Args:
      studio: does the work.
      token: has to come with every request; only the page's own scripts are open.
      anatomy: the brain to begin with.
    """

    def __init__(self, studio: Studio, token: str, *, anatomy: int | str | None):
        self._studio, self._token, self._anatomy = studio, token, anatomy
        self._builds = Builds(studio)
        self._answers: Mapping[tuple[str, str], Answer] = {
            ("GET", "/"): lambda request: _file("index.html"),
            ("GET", "/start"): self._start,
            ("POST", "/slice"): self._slice,
            ("POST", "/recipe"): self._recipe,
            ("POST", "/masks"): self._load,
            ("POST", "/volumes"): self._build,
        }

    def __call__(self, request: Request) -> Response:
        """The response to a request; what is wrong with it is one line of JSON."""
        try:
            static = re.fullmatch(r"/static/([\w-]+\.(?:css|js))", request.path)
            check_allowed(request, self._token, open_to_all=static is not None)
            if static:
                return _file(static[1])
            return self._answer(request)(request)
        except Refusal as refusal:
            return _error(refusal.message, refusal.status, request)
        except InputError as error:
            return _error(str(error), "400 Bad Request", request)

    def _answer(self, request: Request) -> Answer:
        path = request.path
        if re.fullmatch(r"/volumes/\d{1,9}(/zip)?", path) and request.method == "GET":
            return self._zip if path.endswith("/zip") else self._progress
        if answer := self._answers.get((request.method, path)):
            limit = MAX_UPLOAD if path == "/masks" else MAX_JSON
            if len(request.body) > limit:
                raise Refusal(
                    "413 Content Too Large",
                    f"{path}: {len(request.body)} bytes, expected at most {limit}",
                )
            return answer
        if any(path == known for _, known in self._answers):
            raise Refusal("405 Method Not Allowed", f"{path}: not by {request.method}")
        raise Refusal("404 Not Found", f"{path!r:.100}: no such page")

    def _start(self, request: Request) -> Response:
        description = self._studio.description(self._anatomy)
        return json_response({**description, "most_bytes": MAX_UPLOAD})

    def _slice(self, request: Request) -> Response:
        content = read_json(request.body)
        if not isinstance(content, dict):
            raise InputError("request: expected a JSON object")
        index = content.pop("slice", None)
        about, arrays = self._studio.slice(read_choice(content), index)
        return Response(packed(about, arrays), "application/octet-stream")

    def _recipe(self, request: Request) -> Response:
        recipe = self._studio.recipe(read_choice(read_json(request.body)))
        return json_response(recipe, file_name="edit.json")

    def _load(self, request: Request) -> Response:
        name = request.query.get("name", "mask.nii.gz")
        labels = request.query.get("labels", "samr")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, recipe_name(name))
            path.write_bytes(request.body)
            try:
                mask = read_mask(path, self._studio.model, labels=labels, name=name)
            except InputError as error:
                raise InputError(str(error).replace(f"{folder}/", "")) from error
        return json_response(self._studio.masks.add(mask).describe())

    def _build(self, request: Request) -> Response:
        number = self._builds.start(read_choice(read_json(request.body)))
        return json_response({"number": number})

    def _progress(self, request: Request) -> Response:
        return json_response(self._builds[_number(request)].status())

    def _zip(self, request: Request) -> Response:
        build = self._builds[_number(request)]
        if build.state != "ready":
            raise Refusal("409 Conflict", "download: not finished")
        return Response(build.path, "application/zip", file_name="samr-jax.zip")


def packed(about: Mapping[str, Any], arrays: list) -> bytes:
    """Arrays for a page: the length of a JSON text, the text, and the arrays.

    All numbers are little-endian. Blanks after the text let the arrays begin at a
    multiple of 8 bytes, and each array is followed by up to 7 zeros for the next one.
    """
    text = json.dumps(about).encode()
    text += b" " * (-(len(text) + 4) % 8)
    parts = [struct.pack("<I", len(text)), text]
    for array in arrays:
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        parts += [content, bytes(-len(content) % 8)]
    return b"".join(parts)


def _number(request: Request) -> int:
    return int(request.path.split("/")[2])


def _file(name: str) -> Response:
    path = STATIC / name
    if not path.is_file():
        raise Refusal("404 Not Found", f"{name}: no such page")
    return Response(path.read_bytes(), _KINDS[path.suffix])


def _error(message: str, status: str, request: Request) -> Response:
    """The message as JSON; as a text for a person who has opened the page itself."""
    if (request.method, request.path) == ("GET", "/"):
        text = f"samr-jax page: {message}\n".encode()
        return Response(text, "text/plain; charset=utf-8", status)
    return json_response({"error": message}, status=status)
