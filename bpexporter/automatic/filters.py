"""Options of `install` and ``bpexporter run``: arguments before environment before defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from bpexporter.automatic.quiet import reason_to_be_quiet
from bpexporter.hub.hub import Hub, checked_hub
from bpexporter.naming.places import Place
from bpexporter.primitives.callables import fitted
from bpexporter.settings import from_environment

Patterns = str | Iterable[str] | None


class Settings(NamedTuple):
    """The options under which new objects are watched."""

    hub: Hub
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    naming: Callable[..., str | None] | None

    def wants(self, place: Place) -> bool:
        """Returns whether what is made at `place` is to be watched."""
        if any(matches(pattern, place) for pattern in self.deny):
            return False
        if self.allow:
            return any(matches(pattern, place) for pattern in self.allow)
        return reason_to_be_quiet(place) is None


def matches(pattern: str, place: Place) -> bool:
    """Returns whether `pattern` is one of the modules of `place`, a package above it, or fits a module or the name."""
    names = place.name, place.name.partition(":")[2]  # Crawler.todo of app.main:Crawler.todo
    return any(fnmatchcase(name, pattern) for name in names) or any(
        fnmatchcase(module, pattern) or module.startswith(f"{pattern}.") for module in place.modules
    )


def patterns(given: Patterns, setting: str) -> tuple[str, ...]:
    """`given`, else what the environment says; a string is a list with commas.

    Raises ``TypeError`` for what is neither a string nor several.
    """
    chosen: Any = from_environment(setting) if given is None else given
    if isinstance(chosen, str):
        chosen = chosen.split(",")
    if not isinstance(chosen, Iterable):
        raise TypeError(f"{setting} must be a string or several, not {type(chosen).__name__}")
    found = tuple(chosen)
    for pattern in found:
        if not isinstance(pattern, str):
            raise TypeError(f"{setting} must hold strings, not {type(pattern).__name__}")
    return tuple(pattern.strip() for pattern in found if pattern.strip())


def settings(hub: Hub | None, allow: Patterns, deny: Patterns, naming: Any) -> Settings:
    """The settings, checked; what is not given comes from the environment."""
    if naming is not None and not callable(naming):
        raise TypeError(f"naming must be a function, not {type(naming).__name__}")
    return Settings(
        hub=checked_hub(hub),
        allow=patterns(allow, "allow"),
        deny=patterns(deny, "deny"),
        naming=None if naming is None else fitted(naming, 2),
    )
