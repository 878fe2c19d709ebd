"""The exporter's life: start, stop, start again; forks; every way in which a process ends."""

import asyncio
import errno
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bpexporter.hub.hub import Hub
from bpexporter.server import answers as server_answers
from bpexporter.server.endpoint import AddressError, Exporter, start

ROOT = Path(__file__).parents[2]


def scrape(port, host="127.0.0.1"):
    """Status of one scrape."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def descriptors():
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def ours():
    """The exporter's threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("bpexporter-")]


# Start ------------------------------------------------------------------------------------------


def test_a_port_in_use_is_an_error_in_the_caller():
    """At once, with its number, the address in the message, and nothing left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, before = taken.getsockname()[1], descriptors()
        with pytest.raises(OSError, match=f"'127.0.0.1' port {port}") as caught:
            start(port=port)
        assert caught.value.errno == errno.EADDRINUSE
        assert (descriptors(), ours()) == (before, [])


def test_an_address_of_another_machine_is_an_error():
    """192.0.2.1 is nobody's (RFC 5737)."""
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as caught:
        start("192.0.2.1", 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("host", ["", "  ", "a\0b", "x" * 300, "..", "300.300.300.300.300", "http://127.0.0.1"])
def test_what_is_no_host_is_refused(host):
    """An error that is both an OSError and a ValueError."""
    with pytest.raises(AddressError) as caught:
        start(host, 0)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.errno is not None


@pytest.mark.parametrize("port", [-1, 65536, 10**20])
def test_a_port_out_of_range_is_refused(port):
    """0 to 65535."""
    with pytest.raises(ValueError, match="0 to 65535"):
        start(port=port)


WRONG = [
    {"host": None}, {"host": b"127.0.0.1"}, {"host": 1}, {"port": "9877"}, {"port": 1.0}, {"port": None},
    {"port": True}, {"hub": "hub"}, {"hub": Hub}, {"registries": None}, {"registries": "x"},
    {"registries": [1]},
]  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG, ids=str)
def test_arguments_of_a_wrong_type_are_refused(arguments):
    """`start` says what it wanted, and starts nothing."""
    with pytest.raises(TypeError, match=r"must be|has a method"):
        start(**{"port": 0} | arguments)
    assert ours() == []


def test_another_port_is_another_exporter():
    """Port 0 always makes a new one; an exporter says where it is."""
    with start(port=0) as one, start(port=0) as other:
        assert one is not other
        assert one.port != other.port
        assert (one.host, one.url) == ("127.0.0.1", f"http://127.0.0.1:{one.port}/metrics")
        assert repr(one) == f"<bpexporter.Exporter {one.url} running>"
    assert repr(one) == f"<bpexporter.Exporter {one.url} stopped>"


def test_the_same_address_is_the_same_exporter():
    """As long as it runs, and shows the same; afterwards a new one gets the port."""
    hub = Hub()
    first = start(port=0, hub=hub)
    assert start(port=first.port, hub=hub) is first
    with pytest.raises(ValueError, match="another hub"):
        start(port=first.port, hub=Hub())
    first.stop()
    with start(port=first.port) as second:
        assert second is not first
        assert scrape(second.port) == 200


def test_many_threads_that_start_the_same_get_the_same():
    """One exporter, one pair of threads."""
    with start(port=0) as first, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: start(port=first.port), range(32))) == {first}
        assert len(ours()) == 2


@pytest.mark.parametrize(("host", "seen"), [("localhost", "localhost"), ("0.0.0.0", "127.0.0.1")])
def test_the_url_can_be_opened(host, seen):
    """A name stays a name; every interface is reached by loopback."""
    with start(host, 0) as exporter:
        assert exporter.url == f"http://{seen}:{exporter.port}/metrics"
        assert scrape(exporter.port, seen) == 200


def test_ipv6_has_brackets():
    """Where the machine has IPv6."""
    try:
        exporter = start("::1", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    with exporter:
        assert exporter.url == f"http://[::1]:{exporter.port}/metrics"
        assert scrape(exporter.port, "::1") == 200


# Stop -------------------------------------------------------------------------------------------


def test_thirty_starts_and_stops_leave_nothing():
    """No thread and no descriptor, with connections open at each stop, on the same port."""
    with start(port=0) as exporter:
        scrape(exporter.port)
    port, before = exporter.port, descriptors()
    for _ in range(30):
        with start(port=port), socket.create_connection(("127.0.0.1", port)) as silent:
            assert scrape(port) == 200
        silent.close()
    assert (descriptors(), ours()) == (before, [])


def test_stop_is_idempotent_and_may_come_from_several_threads():
    """The second does nothing, at the same time or later."""
    exporter = start(port=0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: exporter.stop(), range(16)))
    exporter.stop()
    assert ours() == []
    with pytest.raises(ConnectionError):
        scrape(exporter.port)


async def test_stop_may_be_called_from_a_coroutine():
    """Of the application: it need not be awaited."""
    exporter = start(port=0)
    assert scrape(exporter.port) == 200
    exporter.stop()
    assert ours() == []


def test_stop_does_not_wait_for_a_reader_that_does_not_read(monkeypatch):
    """An answer half taken is cut off."""
    monkeypatch.setattr(server_answers, "render", lambda hub, **options: bytes(16_000_000))
    exporter, before = start(port=0), descriptors()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", exporter.port))
        reader.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.recv(1)
        exporter.stop()
    assert ours() == []
    assert descriptors() < before


def test_a_collector_may_stop_the_exporter(monkeypatch):
    """Called from within a rendering, `stop` does not wait for itself."""
    exporter, stopped = start(port=0), threading.Event()

    def render(hub, **options):
        exporter.stop()
        stopped.set()
        return b""

    monkeypatch.setattr(server_answers, "render", render)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        scrape(exporter.port)
    assert stopped.wait(10)
    for thread in ours():
        thread.join(10)
    assert ours() == []


def test_nothing_is_logged_by_a_life_without_trouble(caplog):
    """Start, scrape, stop: not a line in any log."""
    caplog.set_level(logging.INFO)
    with start(port=0) as exporter:
        assert scrape(exporter.port) == 200
    assert caplog.records == []


def test_a_loop_policy_of_the_host_is_left_alone():
    """Neither the exporter's thread nor the caller's gets or sets a loop through the policy."""
    done = run("""
        import asyncio, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self): raise SystemExit("asked for a loop")
            def set_event_loop(self, loop): raise SystemExit("was given a loop")
        asyncio.set_event_loop_policy(Policy())
        exporter = start(port=0)
        scrape(exporter.port)
        exporter.stop()
        print("fine")
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


# Ends of a process ------------------------------------------------------------------------------

PRELUDE = """
import asyncio, atexit, http.client, os, signal, socket, sys, threading, time
from bpexporter.server import answers as server_answers
from bpexporter.server.endpoint import start, Exporter

def scrape(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    status = connection.getresponse().status
    connection.close()
    return status

def scraped(exporter):
    '''Threads that scrape until the end.'''
    def forever():
        try:
            while True: scrape(exporter.port)
        except (OSError, http.client.HTTPException):
            pass
    for _ in range(3): threading.Thread(target=forever, daemon=True).start()
    scrape(exporter.port)
"""


def run(program, *options):
    """Run a program of its own; what it wrote and how it ended."""
    lines = program.strip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    text = PRELUDE + "\n".join(line[margin:] for line in lines)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, *options, "-c", text]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


ENDS = {
    "end of main": ("pass", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "os._exit": ("os._exit(4)", 4),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(10)", -signal.SIGTERM),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL); time.sleep(10)", -signal.SIGKILL),
    "atexit stop": ("atexit.register(exporter.stop)", 0),
    "atexit scrape": ("atexit.register(scrape, exporter.port)", 0),
    "asyncio": ("asyncio.run(asyncio.sleep(0))", 0),
    "stop": ("exporter.stop()", 0),
    "exec": ("os.execv(sys.executable, [sys.executable, '-c', ''])", 0),
    "silent client": ("client = socket.create_connection(('127.0.0.1', exporter.port))", 0),
}


@pytest.mark.parametrize(("end", "code"), ENDS.values(), ids=ENDS.keys())
def test_every_end_is_clean_while_being_scraped(end, code):
    """The process ends as it would without us, and says nothing."""
    done = run(f"exporter = start(port=0)\nscraped(exporter)\n{end}")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", code)


def test_an_exception_ends_the_process_with_its_own_traceback_alone():
    """Nothing of ours is added to it."""
    done = run("exporter = start(port=0)\nscraped(exporter)\nraise ValueError('the end')")
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.endswith("ValueError: the end\n")
    assert done.returncode == 1


def test_ctrl_c_reaches_the_application():
    """SIGINT raises in the main thread, as always."""
    done = run("""
        exporter = start(port=0)
        scraped(exporter)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


def test_a_rendering_that_hangs_does_not_hang_the_end():
    """A collector of the host's that never returns is left behind."""
    done = run("""
        entered = threading.Event()
        def hang(hub, **options):
            entered.set()
            threading.Event().wait()
        server_answers.render = hang
        exporter = start(port=0)
        threading.Thread(target=scrape, args=(exporter.port,), daemon=True).start()
        entered.wait()
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_nothing_is_unclosed_in_development_mode():
    """Start, scrape and stop without a ResourceWarning."""
    done = run("with start(port=0) as exporter:\n    scrape(exporter.port)", "-X", "dev")
    assert (done.stderr, done.returncode) == ("", 0)


def test_starting_at_the_very_end_is_an_error_and_no_hang():
    """Where threads can no longer be started, `start` raises in the caller; else it works."""
    done = run("atexit.register(lambda: start(port=0))")
    assert "Traceback" not in done.stderr or "new thread" in done.stderr
    assert done.returncode == 0


# Forks ------------------------------------------------------------------------------------------


FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

def in_child(action):
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        try:
            action()
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def sockets():
    paths = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    links = [os.readlink(path) for path in paths if os.path.islink(path)]
    return [link for link in links if "socket" in link or "eventpoll" in link]
"""


def forked(program, *options):
    """Run a program that forks; all that it wrote, and its code."""
    done = run(FORK + program, *options)
    return done.stdout, done.stderr, done.returncode


def test_a_child_keeps_nothing_of_the_exporter():
    """No socket, no selector, also of connections that are open; `stop` there is harmless."""
    program = """
exporter = start(port=0)
client = socket.create_connection(("127.0.0.1", exporter.port))
client.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
while not client.recv(1000).endswith(b"ok\\n"): pass
mine = os.readlink(f"/proc/self/fd/{client.fileno()}")
def child():
    exporter.stop()
    assert sockets() == [mine], sockets()
    assert "stopped" in repr(exporter)
    assert threading.active_count() == 1
print(in_child(child), scrape(exporter.port))
client.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
while not client.recv(1000).endswith(b"ok\\n"): pass
"""
    assert forked(program) == ("0 200\n", "", 0)


def test_a_child_may_start_its_own():
    """On the port of the parent when that has stopped, on another one before."""
    program = """
exporter = start(port=0)
def own():
    with start(port=0) as mine:
        assert scrape(mine.port) == 200
    try:
        start(port=exporter.port)
    except OSError as error:
        assert error.errno == 98, error
def successor():
    with start(port=exporter.port) as mine:
        assert scrape(mine.port) == 200
print(in_child(own), scrape(exporter.port))
exporter.stop()
print(in_child(successor))
"""
    assert forked(program) == ("0 200\n0\n", "", 0)


def test_the_port_is_free_when_the_parent_has_stopped_and_the_child_lives():
    """A child that goes on for long does not keep the parent's port."""
    program = """
exporter = start(port=0)
read, write = os.pipe()
told, tell = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(tell, b"x")
    os.read(read, 1)
    os._exit(0)
os.read(told, 1)
exporter.stop()
with start(port=exporter.port) as again:
    print(scrape(again.port))
os.write(write, b"x")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert forked(program) == ("200\n0\n", "", 0)


def test_forks_while_being_scraped_hurt_neither():
    """Children come and end, by `os._exit` and by the normal way, while scrapes go on in the parent."""
    program = """
exporter = start(port=0)
scraped(exporter)
def child():
    with start(port=0) as mine:
        assert scrape(mine.port) == 200
print([in_child(child) for _ in range(10)], scrape(exporter.port))
pid = os.fork()
if pid:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), scrape(exporter.port))
"""
    assert forked(program) == (f"{[0] * 10} 200\n0 200\n", "", 0)


def test_a_child_ends_without_a_word_in_development_mode():
    """Finalizers in the child neither warn nor touch what the parent uses."""
    program = """
exporter = start(port=0)
silent = socket.create_connection(("127.0.0.1", exporter.port))
scrape(exporter.port)
def child():
    import gc
    del globals()["exporter"]
    gc.collect()
pid = os.fork()
if pid == 0:
    child()
else:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), scrape(exporter.port))
    exporter.stop()
silent.close()
"""
    assert forked(program, "-X", "dev") == ("0 200\n", "", 0)


def test_multiprocessing_works():
    """A pool that forks, made while the exporter runs."""
    program = """
import multiprocessing
exporter = start(port=0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]), scrape(exporter.port))
"""
    assert forked(program) == ("[1, 2] 200\n", "", 0)


def test_importing_the_server_is_what_loads_aiohttp():
    """`bpexporter` alone does not; asking it for `start` does."""
    done = run("""
        import bpexporter
        print(bpexporter.start is start, bpexporter.Exporter is Exporter, "aiohttp" in sys.modules)
    """)
    assert done.stdout == "True True True\n"
    assert asyncio.iscoroutinefunction(Exporter.stop) is False
