"""Names that are found by themselves: what is assigned where, read from the code that made the object."""

import asyncio
import dis
import socket
import sys
import textwrap
import types
from collections.abc import Iterator

import pytest

import bpexporter
from bpexporter.naming import places as auto_places

HEAD = "import asyncio, collections, dataclasses, functools\nfrom asyncio import Queue\n"


@pytest.fixture
def hub() -> Iterator[bpexporter.Hub]:
    """A hub in which everything that is made is watched, until the end of the test."""
    hub = bpexporter.Hub()
    bpexporter.install(hub=hub)
    yield hub
    bpexporter.uninstall()


def module_of(source: str, name: str = "app") -> types.ModuleType:
    """A module of this source, registered until its names are read."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(HEAD + textwrap.dedent(source), f"/srv/{name}.py", "exec"), module.__dict__)
    finally:
        del sys.modules[name]
    return module


def names(hub: bpexporter.Hub) -> list[str]:
    """The names of all queues, limiters and streams, in the order of their making."""
    kinds = hub.snapshot().kinds
    return [name for kind in ("queue", "stream", "limiter") for name in kinds[kind]]


def made_by(source: str, hub: bpexporter.Hub) -> list[str]:
    """The names of what the module makes, and its `main()`, where it has one."""
    main = getattr(module_of(source), "main", None)
    if main is not None:
        asyncio.run(main())
    return names(hub)


IN_A_MODULE = {
    "jobs = Queue()": "app:jobs",
    "jobs: Queue[int] = asyncio.queues.Queue(5)": "app:jobs",
    "jobs = more = asyncio.PriorityQueue()": "app:jobs",
    "jobs = [Queue() for _ in range(3)]": "app:jobs",
    "jobs = {name: Queue() for name in 'ab'}": "app:jobs",
    "jobs = tuple(Queue() for _ in range(3))": "app:jobs",
    "jobs = [[Queue() for _ in 'ab'] for _ in 'ab']": "app:jobs",
    "jobs = [Queue(), Queue()]": "app:jobs",
    "jobs = {'in': Queue()}": "app:jobs[in]",
    "jobs = {'a': 1, 'in': Queue(), 'b': 2}": "app:jobs[in]",
    "jobs = []\njobs.append(Queue())": "app:jobs",
    "jobs = collections.deque([Queue()])": "app:jobs",
    "jobs = {}\nfor name in 'ab': jobs[name] = Queue()": "app:jobs",
    "jobs = {}\njobs['in'] = Queue()": "app:jobs[in]",
    "jobs = {}\njobs['\\ud800'] = Queue()": "app:jobs[\\ud800]",
    "IN = 'in'\njobs = {}\njobs[IN] = Queue()": "app:jobs[IN]",
    "jobs = {}\nfor name in 'ab': jobs.setdefault(name, Queue())": "app:jobs",
    "jobs = collections.defaultdict(Queue)\njobs['a'].empty()": "app:jobs",
    "jobs = collections.defaultdict(lambda: Queue(3))\nit = jobs['a']": "app:jobs",
    "jobs = None or Queue()": "app:jobs",
    "jobs = Queue() if __name__ else None": "app:jobs",
    "jobs = None if not __name__ else Queue()": "app:jobs",
    "if (jobs := Queue()).empty(): pass": "app:jobs",
    "jobs = functools.partial(Queue, 3)()": "app:jobs",
    "class Jobs:\n    todo = Queue()": "app:Jobs.todo",
    "class Jobs:\n    class Inner:\n        todo = Queue()": "app:Jobs.Inner.todo",
    "class Mine(Queue): pass\njobs = Mine(3)": "app:jobs",
    "class Mine(Queue):\n    def __init__(self): super().__init__(3)\njobs = Mine()": "app:jobs",
    "def make(): return Queue()\njobs = make()": "app:jobs",
    "def make(): return Queue()\ndef again(): return make()\njobs = again()": "app:jobs",
    "def make():\n    made = Queue()\n    return made\njobs = make()": "app.make:made",
    "import types\nstate = types.SimpleNamespace()\nstate.jobs = Queue()": "app:state.jobs",
    "jobs = []\njobs.append(Queue(maxsize=3))": "app:jobs",
    "jobs = [None]\njobs[0] = Queue(maxsize=3)": "app:jobs[0]",
    "jobs = dict(a=1, b=Queue(maxsize=3))": "app:jobs[b]",
    "jobs = (lambda **all: Queue(**all))(maxsize=3)": "app:jobs",
    "class It(dict):\n    def __init__(self): super().__init__(jobs=Queue(3))\nIt()": "app.It.__init__:__init__(jobs)",
    "def take(queue): pass\ntake(queue=Queue())": "app:take(queue)",
    "def take(queue): pass\ntake(Queue(maxsize=3))": "app:4",
    "def take(queue): pass\ntake(Queue())": "app:4",
    "Queue()": "app:3",
}


@pytest.mark.parametrize(("source", "name"), IN_A_MODULE.items(), ids=lambda text: text.splitlines()[-1])
def test_what_a_module_assigns(source, name, hub):
    """An object has the name of the variable it is assigned to, and of the module; else module and line."""
    assert made_by(source, hub) == [name]


def test_two_on_one_line_have_a_name_each(hub):
    """Each of several objects made in one statement is called what it is assigned to."""
    assert made_by("a, b = Queue(), Queue()\nfirst, (second, third) = Queue(), (Queue(), 3)", hub)[:2] == [
        "app:a",
        "app:b",
    ]


def test_a_dictionary_of_two_origins(hub):
    """Each key of a dictionary names what is under it, whether it comes from another dictionary or from a keyword."""
    assert made_by("jobs = dict({'a': Queue()}, b=Queue())", hub) == ["app:jobs[a]", "app:jobs[b]"]


def test_a_pair_that_a_factory_returns(hub):
    """What a factory returns in a tuple is called what the caller makes of it."""
    assert made_by("def pair(): return Queue(), Queue()\nfirst, second = pair()", hub) == ["app:first", "app:second"]


IN_A_CLASS = {
    "self.todo = Queue()": "app:Crawler.todo",
    "self.todo: Queue[int] = Queue()": "app:Crawler.todo",
    "self.__todo = Queue()": "app:Crawler.__todo",
    "self.todo = given or Queue()": "app:Crawler.todo",
    "self.todo = given if given is not None else Queue()": "app:Crawler.todo",
    "self.todo = asyncio.LifoQueue(maxsize=given or 3)": "app:Crawler.todo",
    "self.todo, self.size = Queue(), 3": "app:Crawler.todo",
    "self.queues = {}; self.queues[given] = Queue()": "app:Crawler.queues",
    "self.queues = []; self.queues.append(Queue())": "app:Crawler.queues",
    "self.queues = [Queue() for _ in range(2)]": "app:Crawler.queues",
    "self.state = type(self); self.state.todo = Queue()": "app:Crawler.state.todo",
    "setattr(self, 'todo', Queue())": "app:Crawler.todo",
    "todo = Queue(); self.todo = todo": "app.Crawler.__init__:todo",
    "(lambda: setattr(self, 'todo', Queue()))()": "app:Crawler.todo",
}


@pytest.mark.parametrize(("line", "name"), IN_A_CLASS.items(), ids=list(IN_A_CLASS))
def test_what_a_method_assigns(line, name, hub):
    """An attribute has the name of the class in which it is assigned, whatever the subclass of the object."""
    source = (
        f"class Crawler:\n    def __init__(self, given=None):\n        {line}\nclass Sub(Crawler): pass\nit = Sub()"
    )
    assert made_by(source, hub) == [name]


def test_fields_of_a_dataclass(hub):
    """A field of a dataclass that is made by a factory is an attribute of that class."""
    source = """
        @dataclasses.dataclass
        class Stage:
            inbox: Queue = dataclasses.field(default_factory=Queue)
            outbox: Queue = dataclasses.field(default_factory=lambda: Queue(3))
        @dataclasses.dataclass(frozen=True)
        class Last:
            inbox: Queue = dataclasses.field(default_factory=Queue)
        Stage(), Stage(), Last()
    """
    assert made_by(source, hub) == ["app:Stage.inbox", "app:Stage.outbox", "app:Last.inbox"]


def test_a_cached_property(hub):
    """What a cached property computes is called what the property is."""
    source = """
        class Crawler:
            @functools.cached_property
            def todo(self):
                return Queue()
        it = Crawler().todo
    """
    assert made_by(source, hub) == ["app:Crawler.todo"]


def test_what_a_coroutine_assigns(hub):
    """Functions are part of the place; a coroutine that returns the object passes it on to who awaits it."""
    source = """
        async def make():
            await asyncio.sleep(0)
            return Queue()
        async def main():
            local = Queue()
            made = await make()
            global jobs
            jobs = Queue()
            def inner():
                closed = Queue()
                return lambda: closed
            inner()
    """
    assert made_by(source, hub) == ["app.main:local", "app.main:made", "app:jobs", "app.main.inner:closed"]


def test_what_is_entered_and_what_is_awaited_on_the_way(hub):
    """A manager is called what ``async with`` gives; what is awaited is called after the list to which it goes."""
    source = """
        class Managed(Queue):
            async def __aenter__(self):
                return self
            async def __aexit__(self, *error):
                pass
        async def make():
            await asyncio.sleep(0)
            return Queue()
        async def main():
            kept = []
            async with Managed() as jobs:
                kept.append(await make())
    """
    assert made_by(source, hub) == ["app.main:jobs", "app.main:kept"]


def test_one_name_for_one_place(hub):
    """A queue for each connection gives one series, with all of them as members."""
    module = module_of("def connect():\n    inbox = Queue()\n    return inbox, 1")
    held = [module.connect() for _ in range(50)]
    assert {name: reading.members for name, reading in hub.snapshot().queues.items()} == {"app.connect:inbox": 50}
    assert len(held) == 50


def test_inner_workings_are_left_out(hub):
    """A queue that the standard library makes for its own use has no series; limiters of the program have."""
    source = """
        async def main():
            for done in asyncio.as_completed([asyncio.sleep(0)]):
                await done
            jobs = Queue()
    """
    assert made_by(source, hub) == ["app.main:jobs"]


def test_limiters(hub):
    """Semaphores have names as queues have, bounded ones too."""
    source = """
        limit = asyncio.Semaphore(3)
        class Pool:
            def __init__(self):
                self.slots = asyncio.BoundedSemaphore(3)
        pool = Pool()
    """
    assert made_by(source, hub) == ["app:limit", "app:Pool.slots"]


def test_streams(hub):
    """A stream is called what who connects makes of it, and a server's what its handler calls it."""
    source = """
        async def echo(reader, back):
            back.write(await reader.readline())
            back.close()
        class Server:
            async def handle(self, reader, out):
                out.close()
        class Client:
            async def connect(self, port):
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
                self.writer.write(b"hello\\n")
                await self.reader.read()
                self.writer.close()
        async def once(port):
            async with asyncio.timeout(20):
                reader, _ = pair = await asyncio.open_connection("127.0.0.1", port)
            await reader.read()
            pair[1].close()
        async def main():
            for handler in (echo, functools.partial(Server().handle)):
                server = await asyncio.start_server(handler, "127.0.0.1", 0)
                port = server.sockets[0].getsockname()[1]
                await Client().connect(port) if handler is echo else await once(port)
                server.close()
    """
    expected = {"app:Client.writer", "app.echo:back", "app.once:_", "app.Server.handle:out"}
    assert set(made_by(source, hub)) == expected


PAIR = "reader, out = await"
OPENED = {
    f"{PAIR} asyncio.wait_for(open(), 20)": "app.main:out",
    f"{PAIR} asyncio.wait_for(asyncio.shield(open()), 20)": "app.main:out",
    f"task = asyncio.create_task(open())\n    {PAIR} task": "app.main:out",
    f"async with asyncio.timeout(20):\n        {PAIR} open()": "app.main:out",
    "async def up():\n        return await asyncio.wait_for(open(), 20)\n    reader, out = await up()": "app.main:out",
    "out = (await asyncio.wait_for(open(), 20))[1]": "app.main:out",
    "both = await asyncio.gather(open(), asyncio.sleep(0))\n    out = both[0][1]": "app.main:open_connection",
    "done, _ = await asyncio.wait([asyncio.create_task(open())])\n    out = done.pop().result()[1]":
        "app.main:open_connection",
    "async with asyncio.TaskGroup() as group:\n        task = group.create_task(open())\n    out = task.result()[1]":
        "app.main:open_connection",
}  # fmt: skip


@pytest.mark.parametrize(("lines", "name"), OPENED.items(), ids=list(OPENED))
def test_streams_that_are_opened_on_the_way(lines, name, hub):
    """A stream that a further task opens is called what who waits for it makes of it, else after his function."""
    source = "async def main(port):\n    open = functools.partial(asyncio.open_connection, '127.0.0.1', port)\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        main = module_of(f"{source}    {lines}\n    out.close()").main
        asyncio.run(main(server.getsockname()[1]))
    assert names(hub) == [name]


def test_a_stream_that_nobody_waits_for(hub):
    """Where nobody of the program waits, a stream is called after what has opened it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        loop = asyncio.new_event_loop()
        _, out = loop.run_until_complete(asyncio.open_connection(*server.getsockname()))
        assert names(hub) == ["asyncio:open_connection"]
        out.transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_streams_of_child_processes(hub):
    """The pipe to a child process is watched, whoever of the standard library makes it."""
    source = """
        async def main():
            child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            assert await child.communicate(b"there") == (b"there", None)
    """
    assert made_by(source, hub) == ["asyncio.subprocess:SubprocessStreamProtocol.stdin"]


def test_the_name_of_a_program(hub):
    """A program is called after its file, or after the module that `-m` was given."""
    by_file = {"__name__": "__main__", "__file__": "/srv/crawl.py", "__spec__": None}
    by_module = {"__name__": "__main__", "__spec__": types.SimpleNamespace(name="app.cli")}
    by_package = {"__name__": "__main__", "__spec__": types.SimpleNamespace(name="app.__main__")}
    notebook = {"__name__": "__main__"}
    found = [auto_places.module_name(one) for one in (by_file, by_module, by_package, notebook)]
    assert found == ["crawl", "app.cli", "app", "__main__"]


def test_code_is_read_once(hub, monkeypatch):
    """A long function that makes many objects is taken apart once, not for each of them."""
    read = []
    disassemble = dis.get_instructions
    monkeypatch.setattr(dis, "get_instructions", lambda code: read.append(code) or disassemble(code))
    module_of("\n".join(f"jobs{number} = Queue()" for number in range(20)))
    assert (len(names(hub)), len(read)) == (20, 1)


def test_places_are_bounded(hub, monkeypatch):
    """A program that makes its code as it goes leaves a bounded number of places behind."""
    monkeypatch.setattr(auto_places, "MOST_PLACES", 10)
    for number in range(40):
        module_of(f"jobs{number % 3} = Queue()")
    assert len(auto_places._steps) <= 10
    assert sorted(names(hub)) == ["app:jobs0", "app:jobs1", "app:jobs2"]
