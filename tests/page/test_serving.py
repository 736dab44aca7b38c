"""The page's server on a port of this machine."""

import http.client
import json
import socket

import pytest

from samr_jax.page.request import TOKEN_HEADER
from samr_jax.page.serving import listen
from samr_jax.page.site import MAX_UPLOAD
from samr_jax.runtime.errors import InputError
from tests.page.page_cases import TOKEN, serve, unpacked


@pytest.fixture
def address(site):
    with serve(site) as address:
        yield address


def over_network(address, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(*address, timeout=60)
    headers = {TOKEN_HEADER: TOKEN, **headers}
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


def test_a_server_of_this_machine_alone(address):
    assert address[0] == "127.0.0.1"
    status, headers, body = over_network(address, "GET", "/start")
    assert status == 200 and json.loads(body)["labels"][4] == "tumor"
    assert headers["Cache-Control"] == "no-store" and "Server" not in headers
    status, _, body = over_network(address, "GET", "/static/main.js")
    assert status == 200 and b"import" in body
    status, _, body = over_network(address, "GET", "/start", Host="evil.example")
    assert status == 403 and b"evil.example" in body
    with pytest.raises(InputError, match=f"--port={address[1]}: cannot be used"):
        listen(address[1])


def test_an_upload_that_is_too_large_is_refused_before_it_is_read(address):
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.putrequest("POST", "/masks?name=a.nii")
    connection.putheader("Content-Length", str(MAX_UPLOAD + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_page_that_is_closed_while_it_waits(address):
    """The server goes on and answers the next one."""
    content = {"mask": "example.nii.gz", "slice": 1, "anatomy": "average", "samples": 8}
    body = json.dumps(content).encode()
    with socket.create_connection(address) as client:
        client.sendall(
            f"POST /slice HTTP/1.1\r\nHost: localhost\r\n{TOKEN_HEADER}: {TOKEN}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    del content["samples"]
    body = json.dumps(content).encode()
    status, _, answer = over_network(address, "POST", "/slice", body)
    assert status == 200
    about, _ = unpacked(answer)
    assert about["covered"]
