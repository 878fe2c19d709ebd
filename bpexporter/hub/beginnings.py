"""Beginnings: functions to call when something is watched for the first time in this process."""

from __future__ import annotations

from collections.abc import Callable

from bpexporter.faults import faults

waiting: list[Callable[[], None]] = []
begun = False


def on_first_watched(call: Callable[[], None]) -> None:
    """Call `call` when something is watched for the first time; at once where something was."""
    waiting.append(call)
    if begun:
        begin()


def begin() -> None:
    """Something is watched: call what waits for that."""
    global begun
    begun = True
    while waiting:
        try:
            waiting.pop(0)()
        except Exception as error:
            faults.swallow(error, "a beginning")
