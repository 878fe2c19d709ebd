"""The source of the state: an exporter's or a sidecar's address, or what else gives one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Protocol
from urllib.parse import urlsplit

from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT

DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
PATIENCE_SECONDS = 5.0
STATE_VERSION = 1


class NoState(OSError):
    """There is no state to be had; the text says why."""


class Source(Protocol):
    """The source of the state."""

    name: str

    def state(self) -> dict[str, Any]:
        """The state now. Raises `NoState` where there is none."""

    def close(self) -> None:
        """Let go of what it holds."""


def address(url: str) -> str:
    """The address of the state for `url`: that of the page, of ``/metrics``, or without ``http://``.

    Raises ``ValueError`` for what is no address.
    """
    full = url if "://" in url else f"http://{url}"
    parts = urlsplit(full)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of an exporter, such as {DEFAULT_URL}")
    base = full.split("?")[0].rstrip("/")
    for end in ("/api/state", "/metrics"):
        base = base.removesuffix(end)
    return f"{base}/api/state"


class UrlSource:
    """The state that an exporter or a sidecar serves."""

    def __init__(self, url: str) -> None:
        self.name = address(url)

    def close(self) -> None:
        """There is nothing to let go of."""

    def state(self) -> dict[str, Any]:
        """The state now. Raises `NoState` where nobody answers, or not with one."""
        try:
            with urllib.request.urlopen(self.name, timeout=PATIENCE_SECONDS) as answer:
                state = json.load(answer)
        except (OSError, ValueError) as error:
            raise NoState(f"{self.name} gives no state: {getattr(error, 'reason', error)}") from None
        if not isinstance(state, dict) or state.get("version") != STATE_VERSION:
            raise NoState(f"{self.name} gives a state of another version than {STATE_VERSION}")
        return state
