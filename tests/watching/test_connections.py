"""One line watches what a server accepts, and what a client opens; what is wrong is refused at that line."""

import asyncio
import contextlib
import functools
import inspect
import socket
import sys

import pytest

import bpexporter
from bpexporter.faults import faults
from bpexporter.hub.hub import registry_of


@pytest.fixture
def hub():
    """A hub of its own, empty again at the end."""
    hub = bpexporter.Hub()
    yield hub
    for ledger in registry_of(hub).members("stream"):
        bpexporter.unwatch(ledger.owner())


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What it says of itself."""
    writer.write(b"well\n")
    await writer.drain()
    writer.close()


def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What it says of itself."""
    writer.write(b"hello\n")
    writer.close()


def prefixed(prefix: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes an argument more."""
    writer.write(prefix + b"\n")
    writer.close()


class Server:
    def __init__(self) -> None:
        self.__name__, self.served = "mine", 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What it says of itself."""
        self.served += 1
        await answer(reader, writer)

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> object:
        return self.handle(reader, writer)


class Awaitable:
    """Like a coroutine in that it can be awaited, and in nothing else."""

    def __init__(self, what: object) -> None:
        self.what = what

    def __await__(self):
        return self.what.__await__()


async def asked(handler: object, *, unix: str | None = None) -> bytes:
    """What a server with this `handler` answers."""
    if unix is None:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        connecting = asyncio.open_connection(*server.sockets[0].getsockname())
    else:
        server = await asyncio.start_unix_server(handler, unix)
        connecting = asyncio.open_unix_connection(unix)
    async with server:
        reader, writer = await connecting
        said = await reader.read()
        await closed(writer)
    return said


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close both ends, so that nothing is left to warn of."""
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0)


HANDLERS = {
    "coroutine function": (answer, b"well\n"),
    "plain function": (greet, b"hello\n"),
    "method": (Server().handle, b"well\n"),
    "object": (Server(), b"well\n"),
    "partial": (functools.partial(prefixed, b"part"), b"part\n"),
    "partial of a coroutine function": (functools.partial(answer), b"well\n"),
    "lambda": (lambda *streams: answer(*streams), b"well\n"),  # noqa: PLW0108
}


@pytest.mark.parametrize(("handler", "said"), HANDLERS.values(), ids=HANDLERS)
async def test_each_kind_of_handler(hub, handler, said):
    """Whatever `start_server()` takes is wrapped, and the bytes of each connection are counted under the name."""
    watched = bpexporter.watched_handler(handler, "echo", hub=hub)
    assert [await asked(watched) for _ in range(2)] == [said, said]
    assert hub.snapshot().streams["echo"].written_bytes == 2 * len(said)


async def test_unix_server(hub, tmp_path):
    """A Unix server's handler is wrapped as well."""
    watched = bpexporter.watched_handler(answer, "echo", hub=hub)
    assert await asked(watched, unix=str(tmp_path / "socket")) == b"well\n"
    assert sum(hub.snapshot().streams["echo"].drain_seconds.counts) == 1


async def test_watched_before_the_handler_begins(hub):
    """The handler finds its writer watched, and gets the writer that the server made."""
    seen = []

    def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((type(writer), hub.snapshot().streams["echo"].open_writers))
        writer.close()

    assert await asked(bpexporter.watched_handler(handler, "echo", hub=hub)) == b""
    assert seen == [(asyncio.StreamWriter, 1)]


async def test_result_is_the_handler_s(hub):
    """What the handler returns comes back as it is: a task's coroutine is the application's own."""
    made = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(asyncio.current_task().get_coro().__qualname__)
        writer.close()

    await asked(bpexporter.watched_handler(handler, "echo", hub=hub))
    assert made == [handler.__qualname__]


async def test_handler_s_error_is_its_own(hub):
    """An error of the handler comes out as it does without; its traceback names the handler."""
    told: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        raise LookupError("mine")

    await asked(bpexporter.watched_handler(handler, "echo", hub=hub))
    await asyncio.sleep(0)
    assert [repr(context["exception"]) for context in told] == ["LookupError('mine')"]


@pytest.mark.parametrize("handler", [answer, Server().handle, greet])
def test_looks_like_the_handler(handler):
    """Name, docstring and signature are the handler's, and so is the answer whether it is a coroutine function."""
    watched = bpexporter.watched_handler(handler, "echo")
    assert (watched.__name__, watched.__qualname__) == (handler.__name__, handler.__qualname__)
    assert (watched.__doc__, watched.__module__) == (handler.__doc__, handler.__module__)
    assert inspect.signature(watched) == inspect.signature(handler)
    assert watched.__wrapped__ == handler
    if sys.version_info >= (3, 12):
        assert inspect.iscoroutinefunction(watched) is inspect.iscoroutinefunction(handler)


def test_state_of_an_object_stays_its_own():
    """The attributes of an object that is called are not copied into the function around it."""
    server = Server()
    watched = bpexporter.watched_handler(server, "echo")
    assert "served" not in vars(watched)
    assert watched.__wrapped__ is server


@pytest.mark.parametrize("handler", [None, "echo", object()])
def test_what_cannot_be_called_is_refused(handler):
    """What is no function is refused at the call, not at the first connection."""
    with pytest.raises(TypeError, match=r"handler must be a function .* not"):
        bpexporter.watched_handler(handler, "echo")


WRONG = [(None, TypeError), (3, TypeError), ("", ValueError), ("x" * 1_001, ValueError), ("\ud800", ValueError)]


@pytest.mark.parametrize(("name", "error"), WRONG)
async def test_bad_names_are_refused_at_the_call(name, error):
    """A bad name is refused at the call, by both, and a connection not yet awaited leaves no warning behind."""
    with pytest.raises(error, match="a name must"):
        bpexporter.watched_handler(answer, name)
    with pytest.raises(error, match="a name must"):
        bpexporter.watched_connection(asyncio.open_connection("127.0.0.1", 9), name)


async def test_wrong_hub_is_refused_at_the_call():
    """So is a hub that is none."""
    with pytest.raises(TypeError, match=r"hub must be a bpexporter\.Hub, not str"):
        bpexporter.watched_handler(answer, "echo", hub="mine")
    with pytest.raises(TypeError, match=r"hub must be a bpexporter\.Hub, not str"):
        bpexporter.watched_connection(asyncio.open_connection("127.0.0.1", 9), "up", hub="mine")


@pytest.mark.parametrize("connecting", [asyncio.open_connection, ("reader", "writer"), None])
def test_what_cannot_be_awaited_is_refused(connecting):
    """The function itself in place of its call is refused at once."""
    with pytest.raises(TypeError, match=r"connecting must be awaitable, as asyncio\.open_connection\(\) is"):
        bpexporter.watched_connection(connecting, "up")


@pytest.mark.parametrize("around", [lambda it: it, asyncio.ensure_future, Awaitable], ids=["coroutine", "task", "own"])
async def test_connection_is_watched(hub, around):
    """Reader and writer come back as they are, and what is written is counted, in whatever they were awaited."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        connecting = around(asyncio.open_connection(*server.sockets[0].getsockname()))
        reader, writer = await bpexporter.watched_connection(connecting, "up", hub=hub)
        assert (type(reader), await reader.read()) == (asyncio.StreamReader, b"well\n")
        writer.write(b"thanks\n")
        assert hub.snapshot().streams["up"].written_bytes == 7
        await closed(writer)


async def test_unix_connection(hub, tmp_path):
    """A Unix connection is watched the same way."""
    path = str(tmp_path / "socket")
    async with await asyncio.start_unix_server(greet, path):
        connecting = asyncio.open_unix_connection(path)
        _, writer = await bpexporter.watched_connection(connecting, "up", hub=hub)
        assert hub.snapshot().streams["up"].open_writers == 1
        await closed(writer)


async def test_connection_that_fails(hub):
    """What the connecting raises comes out as it is, and no name appears."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
    with pytest.raises(ConnectionRefusedError):
        await bpexporter.watched_connection(asyncio.open_connection(*address), "up", hub=hub)
    assert hub.snapshot().streams == {}


async def test_connection_that_is_cancelled(hub):
    """A time-out reaches what connects."""
    ended = []

    async def never() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(bpexporter.watched_connection(never(), "up", hub=hub), 0.01)
    assert ended == [True]


@pytest.mark.parametrize("streams", [None, ("reader", "no writer"), ()])
async def test_errors_of_ours_stay_ours(hub, monkeypatch, streams):
    """What cannot be watched is handed on as it is; the error is counted and not raised."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    before = faults.count

    async def connect() -> object:
        return streams

    assert await bpexporter.watched_connection(connect(), "up", hub=hub) is streams
    assert faults.count == before + 1


def test_error_of_ours_lets_the_handler_begin(hub, monkeypatch):
    """A writer that cannot be watched is served all the same."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    before = faults.count
    served = bpexporter.watched_handler(lambda reader, writer: (reader, writer), "echo", hub=hub)
    assert served("reader", "no writer") == ("reader", "no writer")
    assert faults.count == before + 1


async def test_name_takes_the_place_of_one_found(hub):
    """Where everything is watched already, what is asked for is the only name, and nothing is counted twice."""
    bpexporter.install(hub=hub)
    try:
        async with await asyncio.start_server(
            bpexporter.watched_handler(answer, "echo", hub=hub), "127.0.0.1", 0
        ) as it:
            connecting = asyncio.open_connection(*it.sockets[0].getsockname())
            reader, writer = await bpexporter.watched_connection(connecting, "up", hub=hub)
            assert await reader.read() == b"well\n"
            await closed(writer)
        assert {name: stream.written_bytes for name, stream in hub.snapshot().streams.items()} == {"echo": 5, "up": 0}
    finally:
        bpexporter.uninstall()
