"""Pipelines on simulated time, and the verdict over some seconds of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from virtual_time import VirtualLoop

from bpexporter import Hub, watch
from bpexporter.analysis.findings import Verdict
from bpexporter.analysis.judging import concluded

WARM, SECONDS = 3.0, 10.0


class Scene:
    """A program of tasks around watched resources, and what was read of it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.tasks: list[asyncio.Task[Any]] = []
        self.verdict = Verdict(())
        self.snapshots: list[Any] = []

    def queue(self, name: str, room: int = 10, kind: type[asyncio.Queue[Any]] = asyncio.Queue) -> Any:
        """A watched queue."""
        return watch(kind(room), name, hub=self.hub)

    def limiter(self, name: str, permits: int) -> Any:
        """A watched semaphore."""
        return watch(asyncio.Semaphore(permits), name, hub=self.hub)

    def run(self, *coroutines: Any) -> list[asyncio.Task[Any]]:
        """A task for each."""
        made = [asyncio.get_running_loop().create_task(one) for one in coroutines]
        self.tasks += made
        return made

    @property
    def accused(self) -> list[tuple[str, str]]:
        """Cause and name of each finding, without the module."""
        return [(one.cause, " ".join(map(short, one.name.split()))) for one in self.findings]

    @property
    def findings(self) -> tuple[Any, ...]:
        """The findings."""
        return self.verdict.findings


def short(name: str) -> str:
    """A function's name without where it is."""
    return name.rpartition(":")[2].rpartition(".")[2]


def play(build: Callable[[Scene], Awaitable[None] | None], *, warm: float = WARM, seconds: float = SECONDS) -> Scene:
    """Let what `build` makes run for `warm` seconds, and judge the `seconds` after them; time is simulated."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        scene = Scene(Hub(clock=runner.get_loop().time))
        runner.run(_played(scene, build, warm, seconds))
    return scene


async def _played(scene: Scene, build: Any, warm: float, seconds: float) -> None:
    made = build(scene)
    if made is not None:
        await made
    await asyncio.sleep(warm)
    scene.snapshots.append(scene.hub.snapshot())
    await asyncio.sleep(seconds)
    scene.snapshots.append(scene.hub.snapshot())
    first, second = scene.snapshots
    scene.verdict = concluded(first.kinds, second.kinds, seconds)
    for task in scene.tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*scene.tasks, return_exceptions=True)
