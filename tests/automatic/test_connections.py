"""Under `install()` each connection is known of by itself, and recorded from its first pause on."""

import asyncio
import contextlib
import gc
import socket
import ssl
import subprocess
import sys

import pytest
from sockets import MB, certificates, listening, run, turns, until

import bpexporter
from bpexporter.automatic.connections import place_of_connections
from bpexporter.hub.hub import registry_of
from bpexporter.resources.stream import opening, pauses
from bpexporter.resources.stream.connections import NOTHING

# Protocols are named with the top package of their module.
PACKAGE = __name__.partition(".")[0]

CHUNK = b"." * 65_536
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
OPENING = {name: vars(asyncio.BaseEventLoop).get(name) for name in opening.OPENING}


class Flood(asyncio.Protocol):
    """Writes more than anybody takes, once it is asked to."""

    paused = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(256):
            self.transport.write(CHUNK)

    def pause_writing(self) -> None:
        self.paused = True


class Quiet(asyncio.Protocol):
    """Has slots and no weak references, as aiohttp's protocols."""

    __slots__ = ("transport",)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport


@pytest.fixture
def hub():
    """A hub of this test alone, in which all is watched."""
    hub = bpexporter.Hub()
    bpexporter.install(hub=hub)
    yield hub
    bpexporter.uninstall()
    assert (pauses._followers, opening._expected) == ({}, {})


def streams(hub: bpexporter.Hub) -> dict[str, bpexporter.StreamReading]:
    """The readings of all streams."""
    return dict(hub.snapshot().streams)


def stream(hub: bpexporter.Hub, name: str) -> bpexporter.StreamReading:
    """The reading of one stream, of nothing where there is none yet."""
    return streams(hub).get(name, NOTHING)


@contextlib.asynccontextmanager
async def flooding(kind: str, tmp_path):
    """Address and TLS context for clients of a server that floods them, and what its connections are called."""
    loop = asyncio.get_running_loop()
    ours, theirs = certificates()
    if kind == "unix":
        server = await loop.create_unix_server(Flood, str(tmp_path / "s"))
        where = "unix"
    else:
        server = await loop.create_server(Flood, sock=listening(), ssl=ours if kind == "tls" else None)
        where = server.sockets[0].getsockname()[1]
    try:
        yield server, theirs if kind == "tls" else None, f"{PACKAGE}.Flood:{where}"
    finally:
        server.close()


def deaf(server: asyncio.Server, context: ssl.SSLContext | None) -> socket.socket:
    """A client that asks for the flood, and reads nothing of it."""
    address = server.sockets[0].getsockname()
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.connect(address)
    if context is not None:
        client = context.wrap_socket(client, server_hostname="localhost")
    client.sendall(b"please")
    return client


@both_loops
@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_a_slow_client_of_a_server(loop, kind, hub, tmp_path):
    """A server's connections are there from the first on; one that pauses is recorded, with what TCP says, and goes."""

    async def main() -> None:
        async with flooding(kind, tmp_path) as (server, context, name):
            client = await asyncio.to_thread(deaf, server, context)
            await until(lambda: stream(hub, name).paused_writers, "paused")
            await until(lambda: stream(hub, name).paused_seconds > 0.1, "for a while")
            slow = stream(hub, name)
            assert (slow.open_writers, slow.paused_writers) == (1, 1)
            assert slow.utilization_ratio > 1
            assert slow.buffered_bytes > MB
            assert (slow.tcp_busy_seconds is None) == (kind == "unix")
            client.close()
            await until(lambda: not stream(hub, name).open_writers, "gone")
            gone = stream(hub, name)
            assert (gone.paused_writers, gone.buffered_bytes) == (0, 0)
            assert gone.paused_seconds >= slow.paused_seconds
            await turns()
        assert [one for one in registry_of(hub).members("stream") if hasattr(one, "written")] == []

    run(loop, main)


@both_loops
def test_clients_are_known_by_their_protocol(loop, hub):
    """A client's connection has the name of its protocol's class, one that nobody can refer to weakly as well."""

    async def main() -> None:
        running = asyncio.get_running_loop()
        with listening() as sock:
            sock.listen()
            made = [await running.create_connection(Quiet, *sock.getsockname()) for _ in range(3)]
            name = f"{PACKAGE}.Quiet"
            assert stream(hub, name).open_writers == 3
            assert stream(hub, name).paused_seconds == 0
            made[0][0].write(b"." * 16 * MB)
            paused = stream(hub, name)
            assert (paused.open_writers, paused.paused_writers) == (3, 1)
            for transport, _ in made:
                transport.abort()
            del made, transport, _
            await until(lambda: not stream(hub, name).open_writers, "gone")

    run(loop, main)


@both_loops
def test_counted_once(loop, hub):
    """A connection with a stream writer, or one that the program watches, is known by that alone."""

    class Watching(Flood):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            bpexporter.watch(transport, "mine", hub=hub)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        running = asyncio.get_running_loop()
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        watching = await running.create_server(Watching, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(*address)
        transport, _ = await running.create_connection(Flood, *address)
        with socket.create_connection(watching.sockets[0].getsockname()):
            await until(lambda: stream(hub, "mine").open_writers, "watched")
            later = asyncio.StreamWriter(transport, asyncio.StreamReaderProtocol(asyncio.StreamReader()), None, running)
            counts = {name: one.open_writers for name, one in streams(hub).items()}
            assert sum(counts.values()) == 5
            bpexporter.watch(later, "later", hub=hub)
            assert stream(hub, "later").open_writers == 1
            assert sum(one.open_writers for one in streams(hub).values()) == 5
        for one in (writer.transport, transport):
            one.abort()
        server.close()
        watching.close()
        await turns()

    run(loop, main)


@both_loops
def test_a_connection_that_is_handed_over(loop, hub):
    """One whose transport gets another protocol, as a WebSocket's, is followed there and keeps its name."""

    async def main() -> None:
        running = asyncio.get_running_loop()
        with listening() as sock:
            sock.listen()
            transport, _ = await running.create_connection(Quiet, *sock.getsockname())
            other = Flood()
            transport.set_protocol(other)
            if loop == "uvloop":
                hub.snapshot()  # of uvloop's transports a new protocol is found at a reading
            transport.write(b"." * 16 * MB)
            assert other.paused
            assert stream(hub, f"{PACKAGE}.Quiet").paused_writers == 1
            transport.abort()
            await until(lambda: not stream(hub, f"{PACKAGE}.Quiet").open_writers, "gone")

    run(loop, main)


@both_loops
def test_nothing_is_held(loop, hub):
    """Connections that come and go leave their name, and nothing else."""

    async def main() -> None:
        running = asyncio.get_running_loop()
        server = await running.create_server(Quiet, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(20):
            clients = [await running.create_connection(Flood, *address) for _ in range(10)]
            for transport, _ in clients:
                transport.abort()
            await turns()
        del clients, transport, _
        await until(lambda: not sum(one.open_writers for one in streams(hub).values()), "gone")
        gc.collect()
        server.close()
        assert [len(group.connections) for group in registry_of(hub).members("stream")] == [0, 0]
        assert pauses._followers == {}

    run(loop, main)


def test_filters(hub):
    """What is denied is not known, by module or by name; a naming function has the last word."""
    bpexporter.install(hub=hub, deny="*Quiet*", naming=lambda kind, name: name.upper())

    async def main() -> None:
        running = asyncio.get_running_loop()
        with listening() as sock:
            sock.listen()
            made = [await running.create_connection(kind, *sock.getsockname()) for kind in (Quiet, Flood)]
            assert list(streams(hub)) == [f"{PACKAGE}.Flood".upper()]
            for transport, _ in made:
                transport.abort()
            await turns()

    run("asyncio", main)


def test_everything_is_put_back(hub):
    """`uninstall()` puts back what loops, protocols and transports had, and knows nothing any more."""
    import uvloop

    assert vars(asyncio.BaseEventLoop)["create_server"] is not OPENING["create_server"]
    assert "create_server" in vars(uvloop.Loop)

    async def main() -> None:
        with listening() as sock:
            sock.listen()
            transport, _ = await asyncio.get_running_loop().create_connection(Flood, *sock.getsockname())
            hooked = Flood.connection_made
            bpexporter.uninstall()
            assert Flood.connection_made is not hooked
            assert stream(hub, f"{PACKAGE}.Flood").open_writers == 0
            transport.abort()
            await turns()

    run("asyncio", main)
    assert {name: vars(asyncio.BaseEventLoop).get(name) for name in opening.OPENING} == OPENING
    assert not {name for name in opening.OPENING if name in vars(uvloop.Loop)}


def test_names():
    """The name is the class with the package that it comes from, and where it is accepted."""
    from aiohttp.web_protocol import RequestHandler

    assert place_of_connections(RequestHandler, "8080").name == "aiohttp.RequestHandler:8080"
    assert place_of_connections(RequestHandler, "").modules == ("aiohttp.web_protocol",)


def test_uvloop_that_is_imported_later():
    """A program under `install()` that imports uvloop later has its connections known; one that does not, no uvloop."""
    program = (
        "import asyncio, socket, sys, bpexporter\n"
        "bpexporter.install()\n"
        "assert 'uvloop' not in sys.modules\n"
        "import uvloop\n"
        "class Proto(asyncio.Protocol): pass\n"
        "async def main():\n"
        "    server = await asyncio.get_running_loop().create_server(Proto, '127.0.0.1', 0)\n"
        "    with socket.create_connection(server.sockets[0].getsockname()):\n"
        "        await asyncio.sleep(0.2)\n"
        "        streams = bpexporter.snapshot().streams\n"
        "        print({name.partition(':')[0]: one.open_writers for name, one in streams.items()})\n"
        "uvloop.run(main())\n"
        "print(uvloop.__spec__.loader.exec_module.__qualname__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["{'__main__.Proto': 1}", "_LoaderBasics.exec_module"]
