"""Records of tasks while they work for a stage, and the ledgers of stages, which add them up."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bpexporter.primitives.limits import INFINITY
from bpexporter.resources.stage.metrics import BLOCKED, GET, IDLE, WORKING, Link, StageReading

# A stage has so many crews at most, and a crew's name so many resources; further ones share a crew.
MOST_CREWS, MOST_LINKS = 16, 8
MOST_KNOWN = 256
# A stage whose tasks wait for more kinds of things than this is not told apart any further.
MOST_AWAITED = 20
OTHER = "__other__"

Links = frozenset[Link]
Side = tuple[Any, str]
"""A name of a hub, by its entry there, and the side: quicker to look up than a link."""
NO_LINKS: Links = frozenset()


class TaskRecord:
    """The record of one task while it works for one stage.

    The thread of its loop adds to `waits` and dates `until`; whoever reads settles what is new with the stage.
    """

    __slots__ = (
        "task",  # weak reference
        "stage",  # the ledger of the stage
        "lasting",  # it works for this stage until another name is given by hand
        "given",  # the name of the stage where it was given by hand, else None
        "links",  # the resources that it was seen to use
        "waits",  # seconds waited so far, by the name in its hub and the side; present waits are not in it
        "until",  # when it last ended a wait, or was seen not to wait: no wait is counted from before
        "last",  # when it was last seen alive
        "settled",  # up to when its time is with the stage
        "shown",  # seconds waited that are with the stage, by link
        "owed",  # seconds by which it has waited longer than it has lived: clocks are read one after the other
        "helpers",  # tasks that run nothing but our get or put for it
        "share",  # of the last look: seconds lived and seconds worked
    )

    def __init__(
        self, task: weakref.ref[Any], stage: StageLedger, since: float, *, lasting: bool, given: str | None
    ) -> None:
        self.task = task
        self.stage = stage
        self.lasting = lasting
        self.given = given
        self.links: Links = NO_LINKS
        self.waits: dict[Side, float] = {}
        self.until = -INFINITY
        self.last = self.settled = since
        self.shown: dict[Link, float] = {}
        self.owed = 0.0
        self.helpers: tuple[weakref.ref[Any], ...] = ()
        self.share = 0.0, 0.0

    def used(self, link: Link, now: float) -> None:
        """It was seen to use a resource."""
        if link not in self.links:
            self.links |= {link}
        self.last = max(self.last, now)

    def settle(self, now: float, names: Mapping[Side, Link], present: tuple[Link, float] | None = None) -> None:
        """Let its stage have what is new until `now`; it waits at present for a link since some seconds."""
        shown, new, waited = self.shown, {}, 0.0
        for link, total in self._waits(names, present).items():
            seconds = total - shown[link] if link in shown else total
            if seconds > 0:
                new[link], shown[link] = seconds, total
                waited += seconds
        lived = now - self.settled if now > self.settled else 0.0
        self.settled += lived
        worked = lived - waited - self.owed
        self.owed, worked = (0.0, worked) if worked > 0 else (-worked, 0.0)
        self.share = self.share[0] + lived, self.share[1] + worked
        self.stage.settle(self.links, new, worked)

    def _waits(self, names: Mapping[Side, Link], present: tuple[Link, float] | None) -> dict[Link, float]:
        """Seconds waited by link, the present wait included."""
        waits: dict[Link, float] = {}
        for side, seconds in self.waits.copy().items():
            link = names[side]
            waits[link] = waits[link] + seconds if link in waits else seconds
        if present is not None:
            link, seconds = present
            waits[link] = waits.get(link, 0.0) + seconds
        return waits


class Totals:
    """Task-seconds by state, and those waited by link. Whoever reads holds the lock of all readings, and alone adds."""

    __slots__ = ("seconds", "tasks", "unshown_seconds", "waits")

    def __init__(self) -> None:
        self.tasks = 0
        self.seconds = dict.fromkeys((IDLE, BLOCKED, WORKING), 0.0)
        self.waits: dict[Link, float] = {}
        self.unshown_seconds = 0.0  # seconds worked that nobody has been shown yet

    def add(self, waits: dict[Link, float], worked: float) -> None:
        """Seconds of one of its tasks."""
        self.seconds[WORKING] += worked
        self.unshown_seconds += worked
        for link, seconds in waits.items():
            self._waited(link, seconds)

    def waited_briefly(self, link: Link, seconds: float) -> float:
        """Of what has passed for work, so many seconds were waits too brief to be told; how many there were."""
        seconds = min(seconds, self.unshown_seconds)
        self.unshown_seconds -= seconds
        self.seconds[WORKING] -= seconds
        self._waited(link, seconds)
        return seconds

    def _waited(self, link: Link, seconds: float) -> None:
        self.seconds[IDLE if link[2] == GET else BLOCKED] += seconds
        self.waits[link] = self.waits.get(link, 0.0) + seconds


class Crew(Totals):
    """The tasks of a stage that use the same resources."""

    __slots__ = ("busiest",)

    def __init__(self) -> None:
        super().__init__()
        self.busiest = 0.0


class StageLedger(Totals):
    """The ledger of one stage."""

    __slots__ = ("awaits", "belongs", "crews", "links", "looks", "name", "widest")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.links: Links = NO_LINKS  # all that its tasks were seen to use
        self.crews: dict[Links, Crew] = {}
        self.belongs: dict[Links, Crew | None] = {}  # the crew of those that were seen to use so much of it
        self.widest: tuple[Links, ...] = ()  # the crews that no other crew includes
        self.looks: dict[Link, int] = {}  # operations looked at since the last reading
        self.awaits: dict[str, int] = {}

    def seen(self, link: Link) -> None:
        """A task of it was seen to use a resource."""
        if link not in self.links:
            self.links |= {link}
        looks = self.looks
        looks[link] = looks.get(link, 0) + 1

    def settle(self, links: Links, waits: dict[Link, float], worked: float) -> None:
        """Seconds of a task that uses `links`."""
        self.add(waits, worked)
        crew = self.crew_of(links)
        if crew is not None:
            crew.add(waits, worked)

    def crew_of(self, links: Links) -> Crew | None:
        """The crew to which a task belongs that was seen to use `links` so far; ``None`` where that is not known.

        What it has not been seen to use yet is known of its colleagues where they all use the same.
        """
        if links in self.belongs:
            return self.belongs[links]
        wider = [one for one in self.widest if links <= one]
        chosen = wider[0] if len(wider) == 1 else links
        if chosen and chosen not in self.crews:
            self._enlist(chosen)
        found = self.crews.get(chosen)
        if len(self.belongs) < MOST_KNOWN:
            self.belongs[links] = found
        return found

    def _enlist(self, links: Links) -> None:
        if len(self.crews) >= MOST_CREWS:
            return
        self.crews[links] = Crew()
        self.belongs.clear()
        every = [*self.crews]
        self.widest = tuple(one for one in every if not any(one < other for other in every))

    def share_out(self, link: Link, seconds: float) -> float:
        """Brief waits of its tasks for a resource, added to the crews that use it; how many seconds found room."""
        crews = [crew for links, crew in self.crews.items() if link in links]
        unshown = sum(crew.unshown_seconds for crew in crews) or 1.0
        for crew in crews:
            crew.waited_briefly(link, seconds * crew.unshown_seconds / unshown)
        return self.waited_briefly(link, seconds)

    def awaited(self, what: str) -> None:
        """A working task of it was seen to wait for something that is not watched."""
        if what not in self.awaits and len(self.awaits) >= MOST_AWAITED:
            what = OTHER
        self.awaits[what] = self.awaits.get(what, 0) + 1

    def reading(self) -> StageReading:
        """A reading; all tasks are settled."""
        named = [(crew_name(links), links, crew) for links, crew in self.crews.items()]
        return StageReading(
            tasks=self.tasks,
            seconds=(self.seconds[IDLE], self.seconds[BLOCKED], self.seconds[WORKING]),
            link_info=dict.fromkeys(ordered(self.links), 1),
            crew_tasks={(name,): crew.tasks for name, _, crew in named},
            crew_seconds={(name, state): value for name, _, crew in named for state, value in crew.seconds.items()},
            crew_wait_seconds={
                (name, *link): crew.waits.get(link, 0.0) for name, links, crew in named for link in ordered(links)
            },
            crew_busiest_ratio={(name,): crew.busiest for name, _, crew in named},
            awaits={(what,): looks for what, looks in self.awaits.items()},
        )


@lru_cache(maxsize=MOST_KNOWN)
def ordered(links: Links) -> tuple[Link, ...]:
    """Returns the links in the order of their names."""
    return tuple(sorted(links))


@lru_cache(maxsize=MOST_KNOWN)
def crew_name(links: Links) -> str:
    """Returns the name of a crew: ``orders -> parsed, db``."""
    sources, sinks = (
        sorted({name for name, _kind, direction in links if (direction == GET) == taking}) for taking in (True, False)
    )
    return f"{_listed(sources)} -> {_listed(sinks)}".strip()


def _listed(names: list[str]) -> str:
    more = [f"and {len(names) - MOST_LINKS} more"] if len(names) > MOST_LINKS else []
    return ", ".join([*names[:MOST_LINKS], *more])
