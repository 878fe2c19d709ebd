"""Pipelines drawn at random whose culprit follows from their figures, and how often the verdict names it.

``python tests/support/random_pipelines.py 400 7`` draws so many with this seed and prints the rates.
"""

import asyncio
import random
import sys
from dataclasses import dataclass, field
from typing import Any

from scenes import Scene, play, short

import bpexporter

# A stage is guilty where it could do less than this share of what is offered to it, and innocent where so much of its
# time would do. Between the two it is full at times: who is held up then is held up by it.
GUILTY, INNOCENT = 0.8, 0.6


@dataclass
class Step:
    """A stage: so many tasks, each taking so long for an item on average."""

    tasks: int
    work: float
    room: int
    limiter: int = 0
    dies: bool = False

    @property
    def capacity(self) -> float:
        """Items a second."""
        if self.dies:
            return 0.0
        return (min(self.tasks, self.limiter) if self.limiter else self.tasks) / self.work


@dataclass
class Pipeline:
    """A source, stages one after the other, and two branches at the end where there is a `branch`."""

    rate: float
    sources: int
    steps: list[Step]
    branch: Step | None = None
    even: bool = True
    seed: int = 0
    names: list[str] = field(default_factory=list)

    def guilty(self) -> str:
        """The bottleneck; empty where there is none, and ``?`` where it is a near thing."""
        every = [*self.steps, *([self.branch] if self.branch else [])]
        slowest = min(every, key=lambda step: step.capacity)
        if not slowest.capacity:
            return self.name(every.index(slowest))
        others = [step.capacity for step in every if step is not slowest]
        ratio = slowest.capacity / min([self.rate, *others])
        if slowest.capacity > self.rate:
            return "" if self.rate / slowest.capacity < INNOCENT else "?"
        return self.name(every.index(slowest)) if ratio < GUILTY else "?"

    def innocent(self) -> set[str]:
        """Stages and limiters that would keep up with all that the source could offer."""
        every = [*self.steps, *([self.branch] if self.branch else [])]
        return {self.name(at) for at, step in enumerate(every) if step.capacity * INNOCENT > self.rate}

    def name(self, at: int) -> str:
        """What is named where the step at `at` is guilty."""
        step = [*self.steps, *([self.branch] if self.branch else [])][at]
        if step.dies:
            return f"queue{at}"
        return f"limiter{at}" if step.limiter and step.limiter < step.tasks else f"stage{at}"

    def build(self, scene: Scene) -> None:
        """Its queues and tasks."""
        chance = random.Random(self.seed)
        every = [*self.steps, *([self.branch] if self.branch else [])]
        queues = [scene.queue(f"queue{at}", step.room) for at, step in enumerate(every)]
        for _ in range(self.sources):
            scene.run(self.source(queues[0], self.rate / self.sources, chance))
        for at, step in enumerate(every):
            last = len(self.steps) - 1
            sinks = [] if at >= last else [queues[at + 1]]
            if self.branch and at == last - 1:
                sinks = queues[last:]
            limiter = scene.limiter(f"limiter{at}", step.limiter) if step.limiter else None
            for _ in range(step.tasks):
                scene.run(self.stage(f"stage{at}", step, queues[at], sinks, limiter, chance))

    def seconds(self, mean: float, chance: random.Random) -> float:
        """How long one thing takes."""
        return mean if self.even else chance.expovariate(1 / mean)

    async def source(self, sink: Any, rate: float, chance: random.Random) -> None:
        """Offers items at a rate."""
        with bpexporter.stage("source"):
            while True:
                await asyncio.sleep(self.seconds(1 / rate, chance))
                await sink.put(0)

    async def stage(
        self, name: str, step: Step, queue: Any, sinks: list[Any], limiter: Any, chance: random.Random
    ) -> None:
        """Takes, works, hands on."""
        with bpexporter.stage(name):
            while True:
                await queue.get()
                if step.dies:
                    return
                if limiter is None:
                    await asyncio.sleep(self.seconds(step.work, chance))
                else:
                    async with limiter:
                        await asyncio.sleep(self.seconds(step.work, chance))
                for sink in sinks:
                    await sink.put(0)


def judged(pipeline: Pipeline) -> tuple[str, bool, set[str]]:
    """What is guilty, whether it was named, and which innocents were."""
    scene = play(pipeline.build, warm=20, seconds=30)
    named = {short(finding.name) for finding in scene.findings if finding.cause != "unknown"}
    guilty = pipeline.guilty()
    return guilty, (guilty in named) if guilty else not named, named & (pipeline.innocent() | {"source"})


def drawn(chance: random.Random) -> Pipeline:
    """Any pipeline."""

    def step() -> Step:
        tasks = chance.randint(1, 4)
        limiter = chance.choice([0, 0, 0, 1, 2])
        return Step(tasks, 10 ** chance.uniform(-3, -0.5), chance.randint(1, 30), limiter, chance.random() < 0.04)

    steps = [step() for _ in range(chance.randint(1, 5))]
    branch = step() if len(steps) > 1 and chance.random() < 0.3 else None
    return Pipeline(
        10 ** chance.uniform(0.5, 2), chance.randint(1, 3), steps, branch, chance.random() < 0.5, chance.random()
    )  # type: ignore[arg-type]


def measure(draws: int, seed: int = 7) -> None:
    """Print how often the verdict was right, and how often an innocent was named."""
    chance = random.Random(seed)
    right = clear = named = healthy = 0
    for _ in range(draws):
        pipeline = drawn(chance)
        guilty, found, innocents = judged(pipeline)
        named += bool(innocents)
        if guilty != "?":
            clear += 1
            right += found
            healthy += not guilty
        if innocents or (guilty != "?" and not found):
            print("innocent" if innocents else "missed", guilty, innocents, pipeline)
    rates = f"right {right / clear:.1%}; innocents {named / draws:.1%}"
    print(f"{draws} drawn, {clear} clear ({healthy} of them healthy): {rates}")


if __name__ == "__main__":
    measure(*map(int, sys.argv[1:]))
