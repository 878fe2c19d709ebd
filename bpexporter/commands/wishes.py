"""What is asked of `bpexporter run`."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """What the words of the call, and the environment, say."""

    host: str
    port: int
    strict_port: bool
    in_process: bool
    children: bool
    allow: str | None
    deny: str | None
    web_config: str | None = None
