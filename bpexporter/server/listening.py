"""The socket of the endpoint. Loads no library: `bpexporter run` binds in a process that another one serves."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

BACKLOG = 128


class AddressError(OSError, ValueError):
    """`host` is empty or cannot be resolved; `errno` is the resolver's."""


def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """The addresses of `host`, IPv4 first, since that is where the default and most scrapers are."""
    if not host.strip():
        raise AddressError(errno.EINVAL, "host is empty; for every interface say '0.0.0.0' or '::'")
    try:
        plain = host.encode() if host.isascii() else host  # spares the tables of international names
        found = socket.getaddrinfo(plain, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressError(error.errno, f"host {host!r} cannot be resolved: {error.strerror}") from None
    except ValueError as error:
        raise AddressError(errno.EINVAL, f"host {host[:100]!r} is not a host: {error}") from None
    return sorted(found, key=lambda entry: entry[0] != socket.AF_INET)


def listen(family: int, address: Any) -> socket.socket:
    """A socket that listens on `address`."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere this would share the port with another process
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on the first address of `host` that this machine has."""
    failure: OSError | None = None
    for family, _type, _proto, _name, address in resolve(host, port):
        try:
            return listen(family, address)
        except OSError as error:
            failure = failure or error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                failure = error
                break
    code = failure.errno if failure and failure.errno else errno.EADDRNOTAVAIL
    raise OSError(code, f"bpexporter cannot listen on {host!r} port {port}: {os.strerror(code)}") from None


def url_of(host: str, port: int, *, secure: bool = False) -> str:
    """The address of the metrics; with every interface listened on, as seen from this machine."""
    seen = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http{'s' * secure}://{f'[{seen}]' if ':' in seen else seen}:{port}/metrics"
