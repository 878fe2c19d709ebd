"""The door: TLS, client certificates and passwords as Prometheus' exporter-toolkit configures them, and host names.

The file is that of `--web.config.file` there: `tls_server_config`, `basic_auth_users` with bcrypt hashes,
`http_server_config.headers`. What cannot be done here is refused when the file is read, never passed over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from bpexporter.server.connections import HEADERS

TLS_KEYS = {"cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version"}
KEYS = {"tls_server_config", "basic_auth_users", "http_server_config"}
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
# Nobody's: to compare with it takes as long as with somebody's, so that the time does not tell who exists.
NOBODYS = b"$2b$10$CwTycUXWue0Thq9StjUM0uJ8T3lCqkSkOuUmMyyxHYEq5Pp6Nqp4S"
MOST_REMEMBERED = 256
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door(NamedTuple):
    """The content of a web configuration."""

    tls: ssl.SSLContext | None = None
    users: Mapping[str, bytes] = {}
    """bcrypt hashes by user."""
    headers: Mapping[str, str] = {}
    """Headers that each answer carries besides."""


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
        _known(said, KEYS, "the file")
        http = said.get("http_server_config") or {}
        _known(http, {"headers", "http2"}, "http_server_config")
        return Door(
            _tls(said["tls_server_config"], file.parent) if said.get("tls_server_config") else None,
            _users(said.get("basic_auth_users") or {}),
            {str(name): str(value) for name, value in (http.get("headers") or {}).items()},
        )
    except (ValueError, ssl.SSLError, AttributeError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None


def _known(said: Any, keys: set[str], where: str) -> None:
    if not isinstance(said, dict):
        raise ValueError(f"{where} must hold keys and values")
    if unknown := sorted(map(str, said.keys() - keys)):
        raise ValueError(
            f"{where} has {', '.join(unknown)}, which is not known here; known are {', '.join(sorted(keys))}"
        )


def _tls(said: Any, folder: Path) -> ssl.SSLContext:
    _known(said, TLS_KEYS, "tls_server_config")
    if not said.get("cert_file") or not said.get("key_file"):
        raise ValueError("tls_server_config needs cert_file and key_file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / said["cert_file"], folder / said["key_file"])
    context.minimum_version = _one_of(VERSIONS, said, "min_version", "TLS12")
    if said.get("max_version"):
        context.maximum_version = _one_of(VERSIONS, said, "max_version", "TLS13")
    context.verify_mode = _one_of(CLIENTS, said, "client_auth_type", "NoClientCert")
    if said.get("client_ca_file"):
        context.load_verify_locations(folder / said["client_ca_file"])
    elif context.verify_mode != ssl.CERT_NONE:
        raise ValueError("client_auth_type needs client_ca_file")
    return context


def _one_of(table: Mapping[str, Any], said: Mapping[str, Any], key: str, default: str) -> Any:
    word = said.get(key) or default
    if word not in table:
        raise ValueError(f"{key} must be one of {', '.join(table)}, not {word!r}")
    return table[word]


def _users(said: Any) -> dict[str, bytes]:
    _known(said, set(map(str, said)), "basic_auth_users")
    if said:
        needed("bcrypt")
    for user, text in said.items():
        if not str(text).startswith(("$2a$", "$2b$", "$2y$")):
            raise ValueError(f"basic_auth_users: what {user} has is no bcrypt hash")
    return {str(user): str(text).encode() for user, text in said.items()}


# At each request --------------------------------------------------------------------------------------------


class Doorkeeper:
    """Refuses requests without a right password, where there are users; on loopback, those under another name."""

    def __init__(self, door: Door, *, host: str, bound: str) -> None:
        self._door = door
        self._host = host.lower()
        self._alone = is_loopback(bound)
        self._known: dict[bytes, bool] = {}

    def middleware(self) -> Any:
        """For an application of aiohttp."""

        @web.middleware
        async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._refusal(request) or await handler(request)

        return keep

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._alone and not self._is_our_name(request.headers.get("Host", "")):
            # a page elsewhere could read us through its own name, if that were made to lead here
            return _answer(421, "421 the Host of the request is not this machine's loopback\n")
        if self._door.users and not self._is_right(request.headers.get("Authorization", "")):
            return _answer(401, "401 Unauthorized\n", {"WWW-Authenticate": 'Basic realm="bpexporter", charset="UTF-8"'})
        return None

    def _is_our_name(self, given: str) -> bool:
        name = given.lower()
        name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
        plain = name.strip("[]")
        # a name of one word is this machine's or its network's to resolve, and nobody's to register
        return not set(plain) & set(".:") or plain == self._host or is_loopback(plain)

    def _is_right(self, given: str) -> bool:
        key = hashlib.sha256(given.encode()).digest()
        if key not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = self._checked(given)
        return self._known[key]

    def _checked(self, given: str) -> bool:
        scheme, _, word = given.partition(" ")
        try:
            user, separator, password = base64.b64decode(word, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        if scheme.lower() != "basic" or not separator:
            return False
        known = self._door.users.get(user)
        right = needed("bcrypt").checkpw(password.encode()[:72], known or NOBODYS)
        return bool(right) and known is not None


def _answer(status: int, text: str, more: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text, headers={**HEADERS, **(more or {})})


def is_loopback(address: str) -> bool:
    """Returns whether this is an address of loopback."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
