"""Wishes: options of `bpexporter run`."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """The options that the words of the call, and the environment, give."""

    host: str
    port: int
    strict_port: bool
    in_process: bool
    children: bool
    allow: str | None
    deny: str | None
    web_config: str | None = None
