"""Requests and responses as plain values, and who may ask."""

from __future__ import annotations

import dataclasses
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOSTS = ("127.0.0.1", "localhost")
"""Names of this machine. A page of another name that leads here, which is an attack
called DNS rebinding, is refused."""

TOKEN_HEADER = "X-Samr-Token"

SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response. The browser itself forbids any other address."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
      method: such as ``GET``.
      path: such as ``/slice``.
      query: the values after the question mark.
      host: name and port that the browser has asked for.
      token: token of the header `TOKEN_HEADER`.
      body: the content.
    """

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    host: str = HOSTS[0]
    token: str = ""
    body: bytes = b""


@dataclasses.dataclass(frozen=True)
class Response:
    """A response.

    Attributes:
      body: the content, or the file that holds it.
      kind: its media type.
      status: the number and the words of HTTP.
      file_name: name under which the browser saves the content; empty for content that
        is shown.
    """

    body: bytes | Path
    kind: str = "application/json"
    status: str = "200 OK"
    file_name: str = ""

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": self.kind, **SECURITY}
        if self.file_name:
            headers["Content-Disposition"] = f'attachment; filename="{self.file_name}"'
        return headers


class Refusal(Exception):
    """A request that cannot be answered.

    Args:
      status: the number and the words of HTTP.
      message: one line for the user.
    """

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status, self.message = status, message


def json_response(content: Any, *, status: str = "200 OK", file_name: str = ""):
    """A response with JSON."""
    body = json.dumps(content, indent=1 if file_name else None).encode()
    return Response(body, status=status, file_name=file_name)


def check_allowed(request: Request, token: str, *, open_to_all: bool) -> None:
    """Refuses a request that does not come from the page.

    Args:
      request: the request.
      token: the token of this server.
      open_to_all: whether the path needs no token.

    Raises:
      Refusal: the host's name is not this machine's, or the token is wrong.
    """
    name = request.host.rpartition(":")[0] or request.host
    if name not in HOSTS:
        raise Refusal(
            "403 Forbidden", f"host {name!r:.100}: expected one of {', '.join(HOSTS)}"
        )
    given = request.token
    if request.method == "GET":  # a link has no headers
        given = given or request.query.get("token", "")
    if not open_to_all and not hmac.compare_digest(given.encode(), token.encode()):
        raise Refusal(
            "403 Forbidden",
            "token: missing or wrong, expected the whole address that samr-jax page "
            "has printed; each start has its own",
        )
