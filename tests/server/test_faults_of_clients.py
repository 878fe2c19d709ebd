"""Clients that are slow, silent, broken or hostile: what becomes of them, and that nobody else notices."""

import asyncio
import http.client
import logging
import socket
import struct
import threading
from contextlib import suppress

import pytest

from bpexporter.hub.hub import Hub
from bpexporter.server import answers as server_answers
from bpexporter.server.connections import DEFAULT_LIMITS, Connections, Limits
from bpexporter.server.endpoint import start

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
# More than the kernel takes for a reader that never reads.
LARGE = b"# a comment that fills the page\n" * 500_000


@pytest.fixture
def serve(caplog):
    """Start exporters; afterwards stop them, and see that nothing was logged but by our own logger."""
    caplog.set_level(logging.INFO)
    running = []

    def serving(**limits):
        running.append(start(port=0, hub=Hub(), _limits=DEFAULT_LIMITS._replace(**limits)))
        return running[-1]

    yield serving
    for exporter in running:
        exporter.stop()
    assert {record.name for record in caplog.records} <= {"bpexporter.server"}
    assert not any(record.exc_info for record in caplog.records)


@pytest.fixture
def large(monkeypatch):
    """A page of 16 MB."""
    monkeypatch.setattr(server_answers, "render", lambda hub, **options: LARGE)


def connect(exporter, data=b"", *, buffer=None):
    """A connection on which `data` was sent."""
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", exporter.port))
    sock.sendall(data)
    return sock


def rest(sock):
    """All that comes until the connection ends, in whichever way."""
    found = []
    with sock:
        try:
            while data := sock.recv(1 << 16):
                found.append(data)
        except ConnectionResetError:
            pass
    return b"".join(found)


def scrape(exporter):
    """Status of a well-behaved scrape."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    assert int(answer.headers["content-length"]) == size
    return answer.status


def connected(exporter):
    """The connections that the exporter has."""
    return tuple(exporter.connections.open)


def wait_for(condition):
    """Wait until `condition()` holds, 10 s at most."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("it did not come to that")


# Deadlines --------------------------------------------------------------------------------------


def test_the_deadlines_keep_their_promise():
    """Nobody holds a connection for 15 s without a request, or without taking the answer."""
    limits = DEFAULT_LIMITS
    assert limits.idle + limits.tick < 15
    assert limits.unsent + 2 * limits.tick < 15
    assert limits.keepalive == 5


HALF = [
    b"", b"G", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: b\r\n",
    GET + b"GET /met",
]  # fmt: skip


@pytest.mark.parametrize("data", HALF, ids=range(len(HALF)))
def test_half_a_request_is_closed(serve, data):
    """Silent, or with a request that does not end: closed at the deadline, without an answer to that."""
    exporter = serve(idle=0.1)
    answer = rest(connect(exporter, data))
    assert answer.count(b"HTTP/1.1 ") == data.count(b"\r\n\r\n")


def test_half_a_request_is_closed_by_our_own_deadline_too(serve):
    """The watchdog does not depend on aiohttp's keep-alive timer."""
    exporter = serve(idle=0.1)
    with connect(exporter) as sock:
        wait_for(lambda: connected(exporter))
        (connection,) = connected(exporter)
        connection._keepalive_timeout = 100
        connection._next_keepalive_close_time += 100
        assert sock.recv(1) == b""


def drip(sock):
    """Send one more header; what came back, nothing when the connection is closed."""
    try:
        sock.sendall(b"A: b\r\n")
        return sock.recv(1)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""


def test_dripping_bytes_buys_no_time(serve):
    """The deadline counts from the connection, not from the last byte."""
    exporter = serve(idle=0.2)
    with connect(exporter, b"GET /metrics HTTP/1.1\r\n") as sock:
        sock.settimeout(0.01)
        wait_for(lambda: drip(sock) == b"")
    assert scrape(exporter) == 200


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_half_a_body_is_refused_and_closed(serve, method, framing):
    """Nobody waits for a body that does not come."""
    exporter = serve(idle=0.1)
    answer = rest(connect(exporter, method + b" /metrics HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n5\r\nab"))
    assert answer.split()[1] == {b"GET": b"413", b"POST": b"405"}[method]


def endless(sock):
    """Send until that fails."""
    while True:
        sock.sendall(bytes(1 << 16))


def test_an_endless_body_is_not_swallowed(serve):
    """Who goes on sending is cut off."""
    exporter = serve()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n"
    with connect(exporter, head) as sock, pytest.raises(ConnectionError):
        endless(sock)


def test_a_reader_that_does_not_read_is_aborted(serve, large):
    """The answer ends early, at the deadline, and the connection is gone."""
    exporter = serve(unsent=0.2)
    sock = connect(exporter, GET, buffer=4096)
    wait_for(lambda: connected(exporter))
    wait_for(lambda: not connected(exporter))
    assert len(rest(sock)) < len(LARGE)


def test_what_was_left_behind_by_a_reader_is_aborted_too(serve, monkeypatch):
    """A rest small enough that aiohttp does not wait for it does not linger after keep-alive."""
    exporter = serve(idle=0.1, unsent=0.3)
    sock = connect(exporter, buffer=4096)
    wait_for(lambda: connected(exporter))
    (connection,) = connected(exporter)
    connection.link.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    monkeypatch.setattr(server_answers, "render", lambda hub, **options: bytes(60_000))
    sock.sendall(GET)
    wait_for(connection.unsent)
    wait_for(lambda: not connected(exporter))
    assert len(rest(sock)) < 60_000


def test_a_slow_reader_costs_two_pieces_of_memory(serve, large):
    """However large the page, what is buffered for one that does not read it stays small."""
    exporter = serve()
    with connect(exporter, GET, buffer=4096):
        wait_for(lambda: any(connection.writing_paused for connection in connected(exporter)))
        (connection,) = connected(exporter)
        assert 0 < connection.unsent() <= 2 * server_answers.PIECE_BYTES


def test_a_steady_reader_gets_everything(serve, large):
    """A large page arrives whole."""
    exporter = serve()
    assert scrape(exporter) == 200


# Many -------------------------------------------------------------------------------------------


def test_readers_that_never_read_hold_nobody_up(serve, large):
    """With twenty of them in the middle of their answer a scrape is served."""
    exporter = serve()
    readers = [connect(exporter, GET, buffer=4096) for _ in range(20)]
    wait_for(lambda: sum(connection.writing_paused for connection in connected(exporter)) == 20)
    assert scrape(exporter) == 200
    assert len(connected(exporter)) >= 20
    for sock in readers:
        sock.close()


def test_silent_connections_make_room_for_a_scrape(serve):
    """Two hundred of them: at most 64 stay, the scrape gets through, and it is the oldest that go."""
    exporter = serve()
    crowd = [connect(exporter) for _ in range(200)]
    assert scrape(exporter) == 200
    assert len(connected(exporter)) <= 64
    assert all(sock.recv(1) == b"" for sock in crowd[:136])
    for sock in crowd:
        sock.close()


def test_half_requests_make_room_for_a_scrape(serve):
    """Bytes that are no request yet do not count as a request in flight."""
    exporter = serve(connections=4)
    crowd = [connect(exporter, GET[:-2]) for _ in range(8)]
    assert scrape(exporter) == 200
    for sock in crowd:
        sock.close()


def test_a_request_in_flight_is_not_given_up(serve, large):
    """When all are being answered, the new one is refused; the others go on."""
    exporter = serve(connections=2)
    readers = [connect(exporter, LAST, buffer=1 << 16) for _ in range(2)]
    wait_for(lambda: sum(connection.writing_paused for connection in connected(exporter)) == 2)
    assert rest(connect(exporter)) == b""
    assert all(len(rest(sock)) > len(LARGE) for sock in readers)
    wait_for(lambda: not connected(exporter))
    assert scrape(exporter) == 200


def test_churn_leaves_nothing(serve):
    """After many short connections the table is empty and its timer stands still."""
    exporter = serve(idle=0.1)
    for _ in range(100):
        connect(exporter, GET).close()
    wait_for(lambda: not connected(exporter) and exporter.connections._timer is None)
    assert scrape(exporter) == 200


# Broken -----------------------------------------------------------------------------------------

LONG = b"x" * 100_000
BROKEN = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 4,
    "empty lines and garbage": b"\r\n\r\n\r\nhello\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version": b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n",
    "method": b"BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "long path": b"GET /" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + LONG + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "broken header": b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "NUL in header": b"GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "broken chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
    "not gzip": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "expectation": b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: the unexpected\r\n\r\n",
    "connect": b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "other host": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_request_costs_a_status_and_a_line(serve, caplog, data):
    """It is answered with 4xx or closed, logged once at most, and the next scrape works."""
    exporter = serve(idle=0.3)
    sock = connect(exporter)
    with suppress(ConnectionError):
        sock.sendall(data)
    answer = rest(sock)
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert len(caplog.records) <= 1
    assert "\n" not in caplog.text.strip("\n")
    assert scrape(exporter) == 200


def test_a_request_of_http_0_9_is_answered_and_closed(serve, caplog):
    """It names no version, and may not keep the connection."""
    exporter = serve()
    assert b" 200 OK" in rest(connect(exporter, b"GET /healthz\r\n\r\n"))
    assert caplog.records == []


def test_an_upgrade_is_not_made(serve):
    """Who asks for a WebSocket gets the page."""
    exporter = serve(idle=0.1)
    upgrade = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert b" 200 OK" in rest(connect(exporter, upgrade + b"\x81\x85garbage"))


def test_pipelined_requests_are_answered_in_order(serve):
    """Each gets its answer, however many come at once."""
    exporter = serve()
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = rest(connect(exporter, health * 100 + LAST))
    assert answer.count(b"HTTP/1.1 200 OK") == 101
    assert answer.count(b"ok\n") == 100


def test_a_reset_in_the_middle_of_an_answer_is_nothing(serve, large, caplog):
    """RST while the page is being sent: nobody logs it, and the next scrape works."""
    exporter = serve()
    for _ in range(10):
        with connect(exporter, GET, buffer=4096) as sock:
            sock.recv(100)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: not connected(exporter))
    assert scrape(exporter) == 200
    assert caplog.records == []


def test_a_reset_before_the_answer_is_nothing(serve, caplog):
    """RST right after the request."""
    exporter = serve()
    for _ in range(50):
        with connect(exporter, GET) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: not connected(exporter))
    assert scrape(exporter) == 200
    assert caplog.records == []


def test_who_closes_the_sending_side_has_gone(serve, caplog):
    """A scraper that gives up cannot be told from one that only stops sending: both are let go."""
    exporter = serve()
    sock = connect(exporter, GET[:20])
    sock.shutdown(socket.SHUT_WR)
    assert rest(sock) == b""
    assert caplog.records == []


def test_what_asyncio_has_to_report_is_one_line(serve, caplog):
    """An exception in a callback of the exporter's loop goes to our logger, without its traceback."""
    exporter = serve()

    def fail():
        raise RuntimeError("two\nlines")

    exporter._loop.call_soon_threadsafe(fail)
    wait_for(lambda: caplog.records)
    assert scrape(exporter) == 200
    (record,) = caplog.records
    assert "\n" not in record.getMessage()


async def test_the_longest_idle_goes_first():
    """Of those without a request, the one that has waited longest makes room; a busy one never does."""

    class Fake:
        def __init__(self, *, busy=False, since=0.0):
            self.busy, self.idle_since, self.aborted = busy, since, False

        def unsent(self):
            return 0

        def abort(self):
            self.aborted = True

    table = Connections(asyncio.get_running_loop(), Limits(connections=3))
    busy, old, young = fakes = [Fake(busy=True, since=1), Fake(since=2), Fake(since=3)]
    table.open.update(fakes)
    table.admit(new := Fake())
    assert [fake.aborted for fake in (busy, old, young, new)] == [False, True, False, False]
    for fake in (young, new):
        fake.busy = True
    table.admit(refused := Fake())
    assert refused.aborted
    assert refused not in table.open
    await table.end()
