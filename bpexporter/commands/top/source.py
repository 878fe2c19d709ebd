"""The source of the state: an exporter's or a sidecar's address, or a folder in which processes publish."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from bpexporter.commands.requests import request_of, without_password
from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT

DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
PATIENCE_SECONDS = 5.0
STATE_VERSION = 1
# Rates over less than this tell little; whoever prints the state once waits for so much.
SETTLED_SECONDS = 3.0


class NoState(OSError):
    """There is no state to be had; the text says why."""


class Source(Protocol):
    """Gives the state, now and again."""

    name: str

    def state(self) -> dict[str, Any]:
        """The state now. Raises `NoState` where there is none."""


def settled(source: Source, *, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """The state with rates and a verdict, for which a source that nobody has looked at needs some seconds."""
    state = source.state()
    for _ in range(round(2 * SETTLED_SECONDS)):
        if state["interval_seconds"] >= SETTLED_SECONDS:
            break
        sleep(state["poll_seconds"])
        state = source.state()
    return state


# Over HTTP ------------------------------------------------------------------------------------------------


def addresses(url: str) -> tuple[str, ...]:
    """Addresses of the state for `url`, which is that of the page, of the metrics or of the state itself.

    Raises ``ValueError`` for what is no address.
    """
    full = url if "://" in url else f"http://{url}"
    parts = urlsplit(full)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of an exporter, such as {DEFAULT_URL}")
    given = full.split("?")[0].rstrip("/").removesuffix("/api/state")
    return tuple(dict.fromkeys(f"{base}/api/state" for base in (given.removesuffix("/metrics"), given)))


class UrlSource:
    """The state that an exporter, a sidecar or an application serves."""

    def __init__(self, url: str) -> None:
        self._addresses = addresses(url)
        self.name = without_password(self._addresses[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def state(self) -> dict[str, Any]:
        """The state now. Raises `NoState` where nobody answers, or not with one."""
        try:
            state = self._fetched()
        except (OSError, ValueError) as error:
            raise NoState(f"{self.name} gives no state: {getattr(error, 'reason', error)}") from None
        if not isinstance(state, dict) or state.get("version") != STATE_VERSION:
            raise NoState(f"{self.name} gives a state of another version than {STATE_VERSION}")
        return state

    def _fetched(self) -> Any:
        for address in self._addresses[:-1]:
            try:
                return _json(address)
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
        self._addresses = self._addresses[-1:]
        self.name = without_password(self._addresses[0])
        return _json(self._addresses[0])


def _json(address: str) -> Any:
    with urllib.request.urlopen(request_of(address), timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


# Of a folder ----------------------------------------------------------------------------------------------


class DirSource:
    """The state of the processes that publish in a folder. Raises `NoState` where there is no such folder."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise NoState(f"{path} is no folder")
        from bpexporter.publishing.folder import Folder
        from bpexporter.server.folder_state import keeper_of

        self.name = str(path)
        self._folder = Folder(path)
        self._keeper = keeper_of(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the folder's lock."""
        self._folder.close()

    def state(self) -> dict[str, Any]:
        """The state now."""
        try:
            state: dict[str, Any] = json.loads(self._keeper.state())
        except OSError as error:
            raise NoState(f"{self.name} gives no state: {error}") from None
        return state
