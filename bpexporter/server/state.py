"""The state: readings, stages, links, verdict and history in one JSON, which the page, `top` and scripts share.

Whoever asks within a second gets the same bytes: many viewers cost one reading. `docs/state.md` says what each field
means, and `docs/state.schema.json` what form it has.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

from bpexporter.hub.snapshot import Snapshot
from bpexporter.server import composing
from bpexporter.server.composing import Interval, Sample
from bpexporter.server.history import POINTS, STEP_SECONDS, History
from bpexporter.settings import VERSION

STATE_VERSION = 1
# A reading is shared for so long; longer where it would take more than this share of a core, but not over the last.
POLL_SECONDS, SHARE, MOST_SECONDS = 1.0, 0.006, 5.0
# Rates and the verdict are those of the last readings that are at least so far apart.
INTERVAL_SECONDS = 5.0
# A loop that was late for so much of each reading since is stuck.
STUCK = 0.9
# Answers to different questions about one reading that are kept; viewers who poll ask two or three.
MOST_KEPT = 8


class Question(NamedTuple):
    """A question about the state: which part of it somebody asks for."""

    since: int | None = None
    """Only the history after this step; ``None`` asks for all of it."""
    readings: frozenset[str] | None = None
    """Only the readings of these resources, each ``kind:name``; ``None`` asks for all of them."""

    def wants(self, kind: str, name: str) -> bool:
        """Returns whether the reading of a resource is asked for."""
        return self.readings is None or f"{kind}:{name}" in self.readings


ALL = Question()


class StateKeeper:
    """Reads no more than once a second, remembers ten minutes, and says it all as JSON.

    `read` gives a snapshot; `judge` a verdict over two of them and the seconds between; `processes` the rows of the
    processes that are shown; `unseen` what is not seen, and why. `cpu` is the clock of what all this costs.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        *,
        judge: Callable[[Snapshot, Snapshot, float], Any],
        processes: Callable[[], list[dict[str, Any]]] = list,
        unseen: Callable[[], list[dict[str, str]]] = list,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._read, self._judge, self._processes, self._unseen = read, judge, processes, unseen
        self._clock, self._cpu = clock, cpu
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque()
        # Numbers of another process, which was here before and is still asked for, are none of ours.
        self._born = int(time.time())
        self._history = History(self._born)
        self._stepped_at = -STEP_SECONDS
        self._stuck_since: dict[str, float] = {}
        self._common: dict[str, Any] | None = None
        self._answers: dict[tuple[Question, bool], bytes] = {}
        self._cost = 0.0
        self.poll_seconds = POLL_SECONDS
        """A reading is shared for so long."""
        self.readings = 0
        """The number of times that all was read."""

    def keep(self) -> None:
        """Remember the present, where a step is due; called now and then, whoever looks."""
        with self._lock:
            if self._clock() - self._stepped_at >= STEP_SECONDS:
                self._sample()

    def tag(self, asked: Question = ALL) -> str:
        """The tag of the present state, for conditional requests; the same with any step that is known already."""
        with self._lock:
            self._refresh()
            chosen = "all" if asked.readings is None else f"{crc32(repr(sorted(asked.readings)).encode()):x}"
            return f'"{self._born:x}-{self.readings}-{chosen}"'

    def state(self, asked: Question = ALL, *, compressed: bool = False) -> bytes:
        """The state as JSON; whoever asks the same of the same reading gets the same bytes."""
        with self._lock:
            self._refresh()
            found = self._answers.get((asked, compressed))
            if found is None:
                begun = self._cpu()
                if len(self._answers) >= MOST_KEPT:
                    self._answers.clear()
                found = json.dumps(self._composed(asked), separators=(",", ":"), default=_plain).encode()
                if compressed:
                    found = gzip.compress(found, 1, mtime=0)
                self._answers[asked, compressed] = found
                self._cost += self._cpu() - begun
            return found

    # Reading ------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        if not self._samples or self._clock() - self._samples[-1].at >= self.poll_seconds:
            self._sample()

    def _sample(self) -> None:
        self.poll_seconds = min(MOST_SECONDS, max(POLL_SECONDS, round(self._cost / SHARE, 1)))
        begun = self._cpu()
        now = Sample(self._clock(), round(time.time(), 3), self._read())
        self._samples.append(now)
        self._common, self._answers = None, {}
        self.readings += 1
        while len(self._samples) > 2 and now.at - self._samples[1].at >= INTERVAL_SECONDS:
            self._samples.popleft()
        self._note_stuck_loops(now)
        if now.at - self._stepped_at >= STEP_SECONDS:
            self._remember(now)
        self._cost = self._cpu() - begun

    def _remember(self, now: Sample) -> None:
        self._stepped_at, interval = now.at, self._interval()
        self._history.add(
            {
                (kind, name): composing.point(interval, kind, name, reading)
                for kind, name, reading in composing.named(now.snapshot)
            }
        )

    def _note_stuck_loops(self, now: Sample) -> None:
        last = Interval(self._samples[-2] if len(self._samples) > 1 else now, now)
        for name in now.snapshot.kinds["loop"]:
            if (last.per_second("loop", name, "stalled_seconds") or 0.0) < STUCK:
                self._stuck_since[name] = now.at

    # Composing ----------------------------------------------------------------------------------

    def _interval(self) -> Interval:
        return Interval(self._samples[0], self._samples[-1])

    def _composed(self, asked: Question) -> dict[str, Any]:
        if self._common is None:
            self._common = self._composed_for_all()
        begins = self._history.begins_at(asked.since)
        resources = [
            self._resource(figures, reading, asked, begins)
            for figures, (_, _, reading) in zip(
                self._common["resources"], composing.named(self._samples[-1].snapshot), strict=True
            )
        ]
        history = {
            "step_seconds": STEP_SECONDS, "points": POINTS, "sequence": self._history.sequence, "since": begins,
        }  # fmt: skip
        return {**self._common, "resources": resources, "history": history}

    def _composed_for_all(self) -> dict[str, Any]:
        """The part that is the same whatever is asked; the verdict is judged where somebody asks alone."""
        interval = self._interval()
        kinds = interval.now.snapshot.kinds
        before, now, seconds = interval.before.snapshot, interval.now.snapshot, interval.seconds
        return {
            "version": STATE_VERSION,
            "bpexporter": VERSION,
            "at": interval.now.wall,
            "poll_seconds": self.poll_seconds,
            "interval_seconds": round(seconds, 3),
            "verdict": self._judge(before, now, seconds) if seconds > 0 else None,
            "resources": [composing.resource(interval, *one) for one in composing.named(now)],
            "stages": composing.stages(interval),
            "links": composing.links(kinds.get("stage", {})),
            "processes": self._processes(),
            "unseen": self._unseen(),
            "exporter": composing.fields("itself", kinds["itself"][""]),
        }

    def _resource(self, figures: dict[str, Any], reading: Any, asked: Question, begins: int | None) -> dict[str, Any]:
        kind, name = figures["kind"], figures["name"]
        shown = {**figures, "history": self._history.of((kind, name), begins)}
        if asked.wants(kind, name):
            shown["reading"] = composing.fields(kind, reading)
        if kind == "loop":
            now = self._samples[-1].at
            shown["stuck_seconds"] = round(now - self._stuck_since.get(name, now), 3)
        return shown


def _plain(value: Any) -> float:
    """A number of the host's that JSON does not know, such as numpy's or a fraction."""
    return float(value)
