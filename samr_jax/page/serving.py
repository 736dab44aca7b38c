"""Listening on this machine alone, by waitress."""

from __future__ import annotations

import importlib.util
import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from samr_jax.page.request import TOKEN_HEADER, Request, Response
from samr_jax.page.site import MAX_UPLOAD
from samr_jax.runtime.errors import InputError

ADDRESS = "127.0.0.1"


def check_server() -> None:
    """Raises an `InputError` if the server's library is not installed."""
    if importlib.util.find_spec("waitress") is None:
        raise InputError(
            "waitress is not installed, expected it for the page: "
            "pip install 'samr-jax[page]'"
        )


def listen(port: int) -> socket.socket:
    """A socket that only this machine can reach; port 0 takes any that is free.

    Raises:
      InputError: the port is in use.
    """
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        raise InputError(
            f"--port={port}: cannot be used ({error.strerror}), expected another"
        ) from error


def make_server(answer: Callable[[Request], Response], listening: socket.socket) -> Any:
    """A server of waitress; ``run()`` serves until Ctrl-C, ``close()`` ends it.

    Args:
      answer: the response to a request.
      listening: see `listen`.
    """
    import waitress

    # Requests that wait for a thread are no reason for a warning.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return waitress.create_server(
        wsgi(answer),
        sockets=[listening],
        threads=6,
        max_request_body_size=MAX_UPLOAD,
        ident=None,
    )


def wsgi(answer: Callable[[Request], Response]) -> Callable:
    """A function of requests as an application by the standard WSGI (PEP 3333)."""

    def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
        response = answer(_request(environ))
        body, headers = response.body, response.headers
        if isinstance(body, Path):
            headers["Content-Length"] = str(body.stat().st_size)
            start_response(response.status, list(headers.items()))
            return environ["wsgi.file_wrapper"](body.open("rb"))
        headers["Content-Length"] = str(len(body))
        start_response(response.status, list(headers.items()))
        return [body]

    return application


def _request(environ: dict) -> Request:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
        host=environ.get("HTTP_HOST", ""),
        token=environ.get(f"HTTP_{TOKEN_HEADER.upper().replace('-', '_')}", ""),
        body=environ["wsgi.input"].read(length),
    )
