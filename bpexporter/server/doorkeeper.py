"""The doorkeeper: at each request, whether it is answered."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from bpexporter.server.connections import HEADERS
from bpexporter.server.door import Door, Rate, needed

# Nobody's: to compare with it takes as long as with somebody's, so that the time does not tell who exists.
NOBODYS = b"$2b$10$CwTycUXWue0Thq9StjUM0uJ8T3lCqkSkOuUmMyyxHYEq5Pp6Nqp4S"
MOST_REMEMBERED = 256
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doorkeeper:
    """Refuses requests without a right password, where there are users; on loopback, those under another name."""

    def __init__(self, door: Door, *, host: str, bound: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._door = door
        self._host = host.lower()
        self._alone = is_loopback(bound)
        self._known: dict[bytes, bool] = {}
        self._bucket = None if door.rate is None else Bucket(door.rate, clock=clock)

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
        if self._bucket is not None and not self._bucket.takes():
            return _answer(429, "429 Too Many Requests\n")
        if self._door.client_names and not self._door.client_names & names_in(request):
            return _answer(403, "403 the certificate of the client has none of the names that may come in\n")
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


class Bucket:
    """The requests that may be answered now: as many as the burst at most, and one more after each interval."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._left, self._at = float(rate.burst), clock()

    def takes(self) -> bool:
        """Returns whether one more is answered."""
        now = self._clock()
        self._left = min(self._rate.burst, self._left + (now - self._at) / self._rate.interval)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def names_in(request: web.Request) -> frozenset[str]:
    """The alternative names in the certificate of the client who sends `request`, whatever their sort."""
    transport = request.transport
    certificate = None if transport is None else transport.get_extra_info("peercert")
    return frozenset(str(name) for _, name in (certificate or {}).get("subjectAltName", ()))


def _answer(status: int, text: str, more: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text, headers={**HEADERS, **(more or {})})


def is_loopback(address: str) -> bool:
    """Returns whether this is an address of loopback."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
