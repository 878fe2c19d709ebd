"""Requests to an exporter that asks for a password: ``http://user:password@host:port`` is understood."""

from __future__ import annotations

import base64
import urllib.parse
import urllib.request


def request_of(url: str, **headers: str) -> urllib.request.Request:
    """The request for `url`, whose user and password are sent as a header."""
    return urllib.request.Request(without_password(url), headers={**headers, **_authorization(url)})


def without_password(url: str) -> str:
    """Returns `url` as it may be shown: without user and password."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _authorization(url: str) -> dict[str, str]:
    said, at, _host = urllib.parse.urlsplit(url).netloc.rpartition("@")
    return {"Authorization": f"Basic {base64.b64encode(urllib.parse.unquote(said).encode()).decode()}"} if at else {}
