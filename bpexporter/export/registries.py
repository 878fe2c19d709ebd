"""Registries of the application's: their lines, without the families that are ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from prometheus_client import exposition
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from bpexporter.catalogue.metrics import METRICS
from bpexporter.export.collector import Collector
from bpexporter.hub.hub import Hub

OUR_FAMILIES = frozenset(metric.family for metric in METRICS)
# Names of ours for which `name[]` may ask.
OUR_SAMPLES = frozenset(
    metric.name + suffix
    for metric in METRICS
    for suffix in (("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",))
)


class OtherFamilies:
    """Returns the families of `registry` without those that are ours: a page that repeats one is refused whole."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        """Its families."""
        return (family for family in self._registry.collect() if family.name not in OUR_FAMILIES)


def render_registry(registry: Any, *, openmetrics: bool = False, names: Collection[str] = frozenset()) -> bytes:
    """The lines of `registry`, without the closing ``# EOF``; raises what its collectors raise."""
    chosen: Any = registry.restricted_registry(names) if names else registry
    generate: Callable[[Any], bytes] = (
        openmetrics_exposition.generate_latest if openmetrics else exposition.generate_latest
    )
    return generate(OtherFamilies(chosen)).removesuffix(b"# EOF\n")


def checked_registries(registries: Iterable[Any], hub: Hub) -> tuple[Any, ...]:
    """`registries`, each once.

    Raises ``TypeError`` for what has no `collect()`, and ``ValueError`` for one that holds a `Collector` of another
    hub than `hub`: its families have the names of ours.
    """
    if isinstance(registries, (str, bytes)) or not isinstance(registries, Iterable):
        raise TypeError(f"registries must be an iterable of registries, not {type(registries).__name__}")
    found = {id(registry): registry for registry in registries}
    for registry in found.values():
        if not callable(getattr(registry, "collect", None)):
            raise TypeError(f"a registry has a method collect(), {type(registry).__name__} has none")
        if any(collector.hub is not hub for collector in collectors_of_ours(registry)):
            raise ValueError(
                f"{registry!r} holds a Collector of another hub: its families are named as those of this one"
            )
    return tuple(found.values())


def collectors_of_ours(registry: Any) -> list[Collector]:
    """The collectors in `registry` that are ours, as far as it tells."""
    held = getattr(registry, "_collector_to_names", {})
    return [collector for collector in [registry, *held] if isinstance(collector, Collector)]
