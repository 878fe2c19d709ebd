"""Queues as hosts write them, and everything about one that a host could look at, as a table.

Each look returns something that can be compared. It is taken of a queue under the standard library's own
methods first, and must be the same in every phase of being watched.
"""

import asyncio
import copy
import inspect
import pickle
import re
import sys
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

METHODS = [name for name, value in vars(asyncio.Queue).items() if inspect.isfunction(value)]
FEATURES = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__defaults__", "__kwdefaults__")


class Hooked(asyncio.Queue):
    """A subclass with hooks of its own: a set that forgets what it has already."""

    def _init(self, maxsize: int) -> None:
        self._queue = set()

    def _put(self, item: Any) -> None:
        self._queue.add(item)

    def _get(self) -> Any:
        item = min(self._queue)
        self._queue.remove(item)
        return item


class Counting(asyncio.Queue):
    """A subclass whose put() and get() call those of the base."""

    asked = 0

    async def put(self, item: Any) -> None:
        self.asked += 1
        await super().put(item)

    async def get(self) -> Any:
        self.asked += 1
        return await super().get()


class Slotted(asyncio.LifoQueue):
    """A subclass with slots."""

    __slots__ = ("label",)


class Meta(type):
    """A metaclass that allows no change of its classes."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise TypeError(f"{cls.__name__}.{name} is fixed")

    def __delattr__(cls, name: str) -> None:
        raise TypeError(f"{cls.__name__}.{name} is fixed")


class OfMeta(asyncio.Queue, metaclass=Meta):
    """A subclass whose class cannot be changed, and which has a `__getattr__` to shield."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Registering(asyncio.Queue):
    """A subclass that notes each of its own subclasses."""

    registered: list[type] = []

    def __init_subclass__(cls) -> None:
        cls.registered.append(cls)


class Registered(Registering):
    """The one subclass that there is."""


class Frozen(asyncio.Queue):
    """A subclass that takes no attribute but those of the standard library."""

    OWN = frozenset(vars(asyncio.Queue())) | {"_loop"}

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.OWN:
            raise AttributeError(f"{name} is frozen")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} is frozen")


class Unhashable(asyncio.PriorityQueue):
    """A subclass with equality and no hash."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, asyncio.Queue)


class Mocking(asyncio.Queue):
    """A subclass that has every attribute, by way of a mock."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return mock.Mock(name=name)


class Raising(asyncio.Queue):
    """A subclass that complains of unknown attributes in its own way."""

    def __getattr__(self, name: str) -> Any:
        raise (AttributeError if name.startswith("__") else LookupError)(name)


class Guarded(asyncio.Queue):
    """A subclass that looks at each access."""

    def __getattribute__(self, name: str) -> Any:
        if name == "secret":
            raise PermissionError(name)
        return super().__getattribute__(name)


class Empty(asyncio.Queue):
    """A subclass that is false while it has no items, and has a length."""

    def __len__(self) -> int:
        return self.qsize()


PLAIN = [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue]
SUBCLASSES = [
    *(Hooked, Counting, Slotted, OfMeta, Registering, Registered, Frozen, Unhashable, Mocking, Raising, Guarded),
    Empty,
]
KINDS = [*PLAIN, *SUBCLASSES]


# What a host could look at ----------------------------------------------------------------------


def without_address(text: str) -> str:
    """A repr that can be compared with that of another object."""
    return re.sub("0x[0-9a-f]+", "0x", text)


def drained(queue: asyncio.Queue) -> list[Any]:
    """What is in the queue, taken out."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def refused(call: Callable[..., Any], *arguments: Any) -> tuple[type, str]:
    """How a call is refused."""
    try:
        call(*arguments)
    except Exception as error:
        return type(error), str(error)
    return type(None), ""


def copied(queue: asyncio.Queue) -> Any:
    """A pickled and loaded, or deeply copied, queue: class, content, and whether it works."""
    copies = [pickle.loads(pickle.dumps(queue, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    copies.append(copy.deepcopy(queue))
    for one in copies:
        one.put_nowait(9)
    return [(type(one), sorted(drained(one)), one.maxsize, one._unfinished_tasks) for one in copies]


def described(kind: type) -> Any:
    """Names, docstrings, signatures and natures of the methods of a class."""
    natures = (
        inspect.iscoroutinefunction,
        asyncio.iscoroutinefunction,
        inspect.isfunction,
        inspect.isgeneratorfunction,
    )
    return [
        (
            name,
            str(inspect.signature(method)),
            *(getattr(method, one) for one in FEATURES),
            *(is_(method) for is_ in natures),
        )
        for name, method in ((name, getattr(kind, name)) for name in METHODS)
    ]


def bound(queue: asyncio.Queue) -> Any:
    """The same of the bound methods."""
    methods = [(name, getattr(queue, name)) for name in METHODS]
    return [
        (name, str(inspect.signature(one)), inspect.ismethod(one), one.__self__ is queue, one == getattr(queue, name))
        for name, one in methods
    ]


def by_reference(queue: asyncio.Queue) -> Any:
    """Whether methods of the class can be pickled, as a pool does that is sent one."""
    return [pickle.loads(pickle.dumps(getattr(asyncio.Queue, one))) is getattr(asyncio.Queue, one) for one in METHODS]


def specified(queue: asyncio.Queue) -> Any:
    """What mocks make of the queue and of its class."""
    if type(queue) is Raising:
        return None  # mocks look for what it raises at
    mocks = mock.create_autospec(type(queue)), mock.Mock(spec=queue), mock.create_autospec(queue, instance=True)
    return [type(getattr(one, name)).__name__ for one in mocks for name in ("put", "get", "put_nowait", "qsize")]


LOOKS: dict[str, Callable[[asyncio.Queue], Any]] = {
    "class": lambda queue: (type(queue), queue.__class__, type(queue).__mro__, type(queue).__bases__),
    "isinstance": lambda queue: [isinstance(queue, kind) for kind in KINDS],
    "repr": lambda queue: (without_address(repr(queue)), without_address(str(queue)), f"{queue.qsize()}"),
    "truth": lambda queue: (bool(queue), refused(hash, queue), queue == queue, queue == object()),
    "levels": lambda queue: (queue.qsize(), queue.empty(), queue.full(), queue.maxsize, queue._unfinished_tasks),
    "class attributes": lambda queue: sorted(set(dir(asyncio.Queue)) | set(vars(asyncio.Queue))),
    "annotations": lambda queue: [vars(one).get("__annotations__") for one in (type(queue), asyncio.Queue)],
    "subclasses": lambda queue: (sorted(map(repr, type(queue).__subclasses__())), Registering.registered),
    "methods": lambda queue: described(type(queue)),
    "bound methods": bound,
    "methods by reference": by_reference,
    "mocks": specified,
    "copies": copied,
    "references": sys.getrefcount,
    "weak references": lambda queue: weakref.ref(queue)() is queue,
    "size": sys.getsizeof,
    "items": lambda queue: (drained(copy.deepcopy(queue)), sorted(drained(queue)), queue.qsize()),
    "refusals": lambda queue: [refused(call, *given) for call, given in (
        (queue.get_nowait, ()), (queue.put_nowait, ()), (queue.get_nowait, (1,)), (queue.put, ()), (queue.get, (1,)),
        (queue.task_done, (1,)), (setattr, (queue, "maxsize", 1)), (getattr, (queue, "secret")),
        (getattr, (queue, "unheard_of")) if type(queue) is not Mocking else (len, (1,)),
    ) if not (call == queue.get_nowait and not given and queue.qsize())],
    "generics": lambda queue: (asyncio.Queue[int], asyncio.Queue[int].__origin__, type(asyncio.Queue[int](3))),
    "modules": lambda queue: (asyncio.Queue is asyncio.queues.Queue, sorted(vars(asyncio.queues))),
}  # fmt: skip
