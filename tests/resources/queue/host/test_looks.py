"""A host that looks at its queue, by whatever way, sees the same before, while and after it is watched."""

import asyncio
import gc
import inspect
from typing import Any

import pytest
from hosts import KINDS, LOOKS, Registering
from watched_hosts import ATTRIBUTE, PHASES, Phase, filled

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.queue import instrument as queues
from bpexporter.resources.queue.originals import ORIGINALS


def looks(kind: type[asyncio.Queue], phase: Phase, hub: Hub) -> dict[str, Any]:
    """All that can be seen of queues of a class that were brought to a phase, a new one for each look."""
    seen = {}
    for name, look in LOOKS.items():
        queue = filled(kind)
        assert phase(queue, hub) is queue
        seen[name] = look(queue)
    return seen


def untouched(queue: asyncio.Queue, hub: Hub) -> asyncio.Queue:
    """Nobody watches it."""
    return queue


@pytest.mark.parametrize("kind", KINDS)
def test_every_look_shows_the_same(hub, kind):
    """Whatever a host looks at is, in each phase, as it was under the standard library's own methods."""
    gc.collect()  # subclasses that other tests have dropped
    looks(kind, untouched, hub)  # mock and inspect leave traces of their own in a class
    before = looks(kind, untouched, hub)
    for phase in PHASES.values():
        assert looks(kind, phase, hub) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_beside_a_watched_one_shows_the_same(hub, kind):
    """A queue that nobody watches is as it was, while the methods are replaced for another."""
    looks(kind, untouched, hub)
    before = looks(kind, untouched, hub)
    other = watch(asyncio.Queue(), "other", hub=hub)
    assert vars(asyncio.Queue)["put"] is queues.REPLACEMENTS["put"]
    assert looks(kind, untouched, hub) == before
    unwatch(other)


@pytest.mark.parametrize("kind", KINDS)
def test_one_private_attribute_is_all_that_is_added(hub, kind):
    """The object has one attribute more while it is watched, and none after."""
    queue = filled(kind)
    before, names = dict(vars(queue)), dir(queue)
    watch(queue, "q", hub=hub)
    assert vars(queue).keys() - before.keys() == {ATTRIBUTE}
    unwatch(queue)
    assert vars(queue) == before
    assert dir(queue) == names


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_as_before(hub, kind):
    """No class and no module has an entry more, less, other or elsewhere after the last unwatch()."""
    holders = [*dict.fromkeys((*KINDS, *asyncio.Queue.__mro__)), asyncio, asyncio.queues]
    before = [list(vars(one).items()) for one in holders]
    queue = watch(filled(kind), "q", hub=hub)
    changed = {name for name, value in before[0] if vars(asyncio.Queue)[name] is not value}
    assert changed == set(queues.REPLACEMENTS)
    unwatch(queue)
    assert [list(vars(one).items()) for one in holders] == before


def test_no_subclass_is_made(hub):
    """Nothing is told to `__init_subclass__`, and no class appears below `asyncio.Queue`."""
    before = asyncio.Queue.__subclasses__(), Registering.registered.copy()
    queue = watch(Registering(), "q", hub=hub)
    assert (asyncio.Queue.__subclasses__(), Registering.registered) == before
    unwatch(queue)


def test_the_replacing_methods_have_the_same_parameters():
    """Each method that is put in has the signature and the kind of the one that it stands in for."""
    for name, function in queues.REPLACEMENTS.items():
        original = ORIGINALS[name]
        assert inspect.signature(function) == inspect.signature(original)
        assert inspect.iscoroutinefunction(function) is inspect.iscoroutinefunction(original)
        assert inspect.getdoc(function) == inspect.getdoc(original)
