"""Requests of `diagnose` and `top` to an exporter behind a password."""

import base64

import pytest

from bpexporter.commands.requests import request_of, without_password


@pytest.mark.parametrize(
    ("url", "plain", "sent"),
    [
        ("http://u:p@host:1/metrics?a=b", "http://host:1/metrics?a=b", b"u:p"),
        ("https://u%40h:p%3A@[::1]:9/x", "https://[::1]:9/x", b"u@h:p:"),
        ("http://host:1/metrics", "http://host:1/metrics", None),
    ],
)
def test_user_and_password_go_from_the_address_into_a_header(url, plain, sent):
    """The host is asked for by its name alone, with the password where there is one."""
    request = request_of(url, Accept="text/plain")
    header = request.get_header("Authorization")
    assert request.full_url == plain
    assert request.get_header("Accept") == "text/plain"
    assert header == (sent and f"Basic {base64.b64encode(sent).decode()}")


def test_no_password_is_shown():
    """What is printed into a ticket says where, not by which password."""
    assert without_password("http://u:secret@host:1/metrics") == "http://host:1/metrics"
