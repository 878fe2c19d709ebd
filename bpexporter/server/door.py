"""The door: TLS, client certificates, passwords and a rate as Prometheus' exporter-toolkit configures them.

The file is that of `--web.config.file` there: `tls_server_config`, `basic_auth_users` with bcrypt hashes,
`http_server_config`, `rate_limit`. What cannot be done here is refused when the file is read, never passed over.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from bpexporter.server.configured import check_keys, is_on
from bpexporter.server.tls import allowed_names, tls_context

KEYS = {"tls_server_config", "basic_auth_users", "http_server_config", "rate_limit"}
# The headers that the toolkit knows: others may be those that make an answer what it is.
HEADERS = {
    *("Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options"),
    *("X-XSS-Protection", "Content-Security-Policy"),
}
# A duration as Prometheus writes it.
DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
PARTS = 3_600, 60, 1, 0.001


class Rate(NamedTuple):
    """A rate of requests, all clients together."""

    interval: float
    """Seconds after which one more is answered."""
    burst: int
    """The most that are answered at once."""


class Door(NamedTuple):
    """The content of a web configuration."""

    tls: ssl.SSLContext | None = None
    users: Mapping[str, bytes] = {}
    """bcrypt hashes by user."""
    headers: Mapping[str, str] = {}
    """Headers that each answer carries besides."""
    client_names: frozenset[str] = frozenset()
    """Of these one must be in a client's certificate; empty where any may come that is verified."""
    rate: Rate | None = None
    """``None`` where every request is answered."""


OPEN = Door()


def needed(library: str) -> Any:
    """A library that only those need who have such a file. Raises ``ValueError`` where it is not installed."""
    try:
        return import_module(library)
    except ImportError:
        text = f"{library} is needed for a web configuration: pip install 'bpexporter[web]'"
        raise ValueError(text) from None


def read_web_config(path: str | Path) -> Door:
    """The door that the file at `path` describes.

    Raises ``OSError`` where a file cannot be read, ``ValueError`` for what makes no sense or cannot be done.
    """
    file = Path(path)
    yaml = needed("yaml")
    try:
        said = yaml.safe_load(file.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {' '.join(str(error).split())}") from None
    try:
        check_keys(said, KEYS, "the file")
        return _door(said, file.parent)
    except (ValueError, ssl.SSLError, AttributeError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None


def _door(said: Mapping[str, Any], folder: Path) -> Door:
    tls = said.get("tls_server_config")
    http = said.get("http_server_config") or {}
    check_keys(http, {"headers", "http2"}, "http_server_config")
    is_on(http, "http2", default=True)  # an offer to clients, which here find HTTP/1.1 alone
    return Door(
        tls_context(tls, folder) if tls else None,
        _users(said.get("basic_auth_users") or {}),
        _headers(http.get("headers") or {}),
        allowed_names(tls) if tls else frozenset(),
        _rate(said.get("rate_limit") or {}),
    )


def _headers(said: Any) -> dict[str, str]:
    check_keys(said, HEADERS, "http_server_config.headers")
    for name, value in said.items():
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise ValueError(f"http_server_config.headers: {name} must be a line of text, not {value!r}")
    return dict(said)


def _rate(said: Any) -> Rate | None:
    check_keys(said, {"interval", "burst"}, "rate_limit")
    interval = _seconds(said.get("interval", 0))
    if not interval:
        return None
    burst = said.get("burst", 0)
    if type(burst) is not int or burst < 1:
        raise ValueError(f"rate_limit: burst must be a number of requests from 1 on, not {burst!r}")
    return Rate(interval, burst)


def _seconds(said: Any) -> float:
    found = DURATION.fullmatch(said) if isinstance(said, str) else None
    if found is None and said not in (0, "0"):
        raise ValueError(f"rate_limit: interval must be a duration such as 500ms or 1s, not {said!r}")
    return sum(int(part or 0) * size for part, size in zip(found.groups(), PARTS, strict=True)) if found else 0.0


def _users(said: Any) -> dict[str, bytes]:
    check_keys(said, set(map(str, said)), "basic_auth_users")
    if said:
        needed("bcrypt")
    for user, text in said.items():
        if not str(text).startswith(("$2a$", "$2b$", "$2y$")):
            raise ValueError(f"basic_auth_users: what {user} has is no bcrypt hash")
    return {str(user): str(text).encode() for user, text in said.items()}
