"""What the endpoint answers: formats, compression, filters, errors; on its own thread and mounted."""

import asyncio
import gzip
import http.client
import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import bpexporter
from bpexporter.export.text import render
from bpexporter.faults import faults
from bpexporter.hub.hub import Hub
from bpexporter.server import answers as server_answers
from bpexporter.server.connections import Limits
from bpexporter.server.endpoint import mount, start
from bpexporter.server.negotiating import accepts_gzip, negotiate
from bpexporter.server.rendering import Worker

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PUTS = "backpressure_queue_puts_total"


@pytest.fixture
def hub():
    """A hub of the test's own."""
    return Hub()


@pytest.fixture
def exporter(hub):
    """An exporter on a free port of loopback."""
    with start(port=0, hub=hub) as running:
        yield running


def ask(exporter, path="/metrics", *, method="GET", body=None, **headers):
    """Status, headers and body of one request; ``accept_encoding`` becomes ``accept-encoding``."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers={"accept-encoding": "identity"} | named)
        answer = connection.getresponse()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
    finally:
        connection.close()


def watched(hub, name="ingest", maxsize=4):
    """A queue with one item, watched in `hub`."""
    queue = bpexporter.watch(asyncio.Queue(maxsize), name, hub=hub)
    queue.put_nowait(1)
    return queue


class Gate:
    """Stands in for `render`: holds every rendering until it is opened, and remembers who rendered."""

    def __init__(self):
        self.opened, self.entered = threading.Event(), threading.Event()
        self.threads, self.inside, self.most = [], 0, 0

    def __call__(self, hub, *, openmetrics=False, names=frozenset(), others=()):
        """Render a page that says how often there was rendered before."""
        self.threads.append(threading.current_thread())
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.set()
        assert self.opened.wait(10)
        self.inside -= 1
        return b"page %d\n" % len(self.threads)


@pytest.fixture
def gate(monkeypatch):
    """A gate in front of every rendering."""
    gate = Gate()
    monkeypatch.setattr(server_answers, "render", gate)
    yield gate
    gate.opened.set()


def waiters(exporter):
    """How many requests wait for the renderer."""
    return sum(len(job.waiters) for job in tuple(exporter._answers.worker._jobs.values()))


def wait_for(condition):
    """Wait until `condition()` holds, 10 s at most."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("it did not come to that")


# Formats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", OPENMETRICS])
def test_the_format_is_the_one_that_accept_asks_for(hub, exporter, accept):
    """The content type is what `negotiate` says, and the page is in that format."""
    queue = watched(hub)
    openmetrics, content_type = negotiate(accept)
    answer = ask(exporter, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert f'{PUTS}{{queue="ingest"}} 1.0'.encode() in answer.body
    assert answer.body.endswith(b"# EOF\n") == openmetrics
    assert queue.qsize() == 1


def test_nothing_may_keep_or_confuse_an_answer(exporter):
    """A cache is told not to store the page, and what it depends on."""
    headers = ask(exporter).headers
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "Accept, Accept-Encoding"
    assert "Python" not in headers["server"]


@pytest.mark.parametrize(
    ("accept_encoding", "zipped"),
    [
        ("gzip", True), ("gzip, deflate, br", True), ("GZIP;q=0.5", True), ("*", True), ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True), ("gzip;q=0.5, identity;q=0.5", True), ("br, *;q=0.1", True),
        ("", False), ("identity", False), ("gzip;q=0", False), ("gzip; q=0.000, *", False), ("br", False),
        ("*;q=0", False), ("gzip;q=0.1, identity;q=0.9", False), ("gzip;q=x", False), (";;,,;q=,", False),
    ],
)  # fmt: skip
def test_gzip_is_used_where_it_is_allowed_and_not_worse_than_plain(accept_encoding, zipped):
    """Quality values are honoured, those of `*` and `identity` too; nonsense means no compression."""
    assert accepts_gzip(accept_encoding) is zipped


def test_a_compressed_page_is_the_same_page(hub, exporter):
    """What gzip unpacks is what a client without gzip gets."""
    queue = watched(hub)
    plain = ask(exporter, f"/metrics?name[]={PUTS}")
    packed = ask(exporter, f"/metrics?name[]={PUTS}", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.headers["content-encoding"] is None
    assert gzip.decompress(packed.body) == plain.body
    assert queue.qsize() == 1


def test_the_filter_leaves_only_what_is_named(hub, exporter):
    """`name[]` gives the families that it names, and an empty page for names that nobody knows."""
    queue = watched(hub)
    assert ask(exporter, f"/metrics?name[]={PUTS}").body == render(hub, names=frozenset({PUTS}))
    assert ask(exporter, "/metrics?name[]=nobody").body == b""
    assert len(ask(exporter, "/metrics?name[]=").body) > 0
    assert queue.qsize() == 1


QUERIES = [
    "name[]=%ff%fe", "name[]=%00", "name[]=%ED%A0%80", "name[]=" + "x" * 5000, "name=1", "x=1&x=2", "&&&=&",
    "%", "name[]=" + "&name[]=".join("abcdef"), "name%5B%5D=up", "name[]=<script>", "name[]=a%0D%0Ab",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_no_query_is_an_error(exporter, query):
    """Whatever the query says, the answer is a page."""
    assert ask(exporter, f"/metrics?{query}").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/"])
def test_head_says_what_get_would_send(exporter, path):
    """HEAD has the status and type of GET, and no body."""
    whole, head = ask(exporter, path), ask(exporter, path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


def test_health_says_ok(exporter):
    """`/healthz` is for probes."""
    answer = ask(exporter, "/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/metrics/", "/nothing", "//", "/metrics/../x", "/%2e%2e/etc/passwd", "/%ff"])
def test_other_paths_are_not_found(exporter, path):
    """There are the paths that the docs name, and no more."""
    assert ask(exporter, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods_are_told_which_are_allowed(exporter, method):
    """405, with the methods that there are."""
    answer = ask(exporter, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET,HEAD")


def test_a_request_with_a_body_is_refused(exporter):
    """No request here needs a body."""
    assert ask(exporter, body=b"x" * 100).status == 413


# The page for people ----------------------------------------------------------------------------


def test_the_page_is_served_with_its_files(exporter):
    """The page links nothing but files of its own, which are there with their types, and the metrics."""
    answer = ask(exporter, "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    linked = re.findall(rb'(?:href|src)="(page/[^"]+)"', answer.body)
    types = {ask(exporter, f"/{path.decode()}").headers["content-type"].partition(";")[0] for path in linked}
    assert types == {"text/css", "text/javascript"}
    assert b'href="metrics"' in answer.body


def test_the_page_may_load_nothing_from_elsewhere(exporter):
    """Its policy allows no script, style or request but those of its own origin, and nobody may frame it."""
    policy = ask(exporter, "/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", ["nothing.js", "..%2fassets.py", "page.html%00", ""])
def test_only_files_of_the_page_are_served(exporter, name):
    """No other name is a file."""
    assert ask(exporter, f"/page/{name}").status == 404


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a&b", "Привет 🙂", "a\nb\0c"])
def test_the_state_has_names_as_they_are(hub, exporter, name):
    """A name travels as JSON; the page, which holds none, makes it text."""
    queue = watched(hub, name)
    answer = ask(exporter, "/api/state")
    assert answer.headers["content-type"] == "application/json"
    assert name in {one["name"] for one in json.loads(answer.body)["resources"]}
    assert queue.qsize() == 1


def test_who_has_the_state_already_gets_none(hub, exporter):
    """A conditional request is answered with 304 as long as the reading is the same."""
    tag = ask(exporter, "/api/state").headers["etag"]
    answer = ask(exporter, "/api/state", if_none_match=tag)
    assert (answer.status, answer.body) == (304, b"")


def test_the_state_is_compressed_for_who_takes_it(hub, exporter):
    """With gzip the same state is smaller."""
    queues = [watched(hub, f"queue {number}") for number in range(50)]
    answer = ask(exporter, "/api/state", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(answer.body))["resources"]) >= len(queues)


@pytest.mark.parametrize("since", ["", "x", "-1", "1e3", "9" * 30])
def test_a_wrong_step_is_no_step(exporter, since):
    """Whatever `since` is, there is a state; what is no step asks for all of the history."""
    state = json.loads(ask(exporter, f"/api/state?since={since}").body)
    assert state["history"]["since"] is None


def test_the_catalogue_says_what_fields_mean(exporter):
    """Each metric is told with its field, help and meaning."""
    metrics = json.loads(ask(exporter, "/api/catalogue").body)["metrics"]
    assert {"name", "field", "help", "meaning", "unit"} <= metrics[0].keys()
    assert len(metrics) > 50


# Errors of ours ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("two\nlines"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_is_a_status_a_line_and_a_count(exporter, monkeypatch, caplog, error):
    """What goes wrong in rendering is answered with 500, once logged, counted, and the next scrape works."""

    def fail(hub, **options):
        raise error

    before = faults.count
    with monkeypatch.context() as patch:
        patch.setattr(server_answers, "render", fail)
        assert ask(exporter).status == 500
    (record,) = caplog.records
    assert (record.name, record.levelname, record.exc_info) == ("bpexporter.server", "WARNING", None)
    assert "\n" not in record.getMessage()
    assert faults.count == before + 1
    assert ask(exporter).status == 200


def test_an_error_without_words_is_an_error_like_others(exporter, monkeypatch):
    """A host's exception whose text cannot be had still ends as 500."""

    class MuteError(Exception):
        def __str__(self):
            raise ValueError

    def fail(hub, **options):
        raise MuteError

    monkeypatch.setattr(server_answers, "render", fail)
    assert ask(exporter).status == 500


def test_a_rendering_that_hangs_is_answered_and_health_goes_on(hub, gate, caplog):
    """A collector of the host's that never returns costs 503, not the connection for ever."""
    with start(port=0, hub=hub, _limits=Limits(render=0.05)) as exporter:
        assert ask(exporter).status == 503
        assert ask(exporter, "/healthz").status == 200
        gate.opened.set()
    assert [record.name for record in caplog.records] == ["bpexporter.server"]


# One at a time ----------------------------------------------------------------------------------


def test_scrapes_at_the_same_time_share_one_rendering(exporter, gate):
    """Who asks while the page is being rendered gets the same bytes; the next one gets new ones."""
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, exporter) for _ in range(8)]
        wait_for(lambda: waiters(exporter) == 8)
        gate.opened.set()
        assert {answer.result().body for answer in asked} == {b"page 1\n"}
    assert ask(exporter).body == b"page 2\n"


def test_different_pages_are_rendered_one_after_another_on_one_thread(exporter, gate):
    """Format, filter and compression make a page of its own; never two are rendered at a time."""
    kinds = [{}, {"accept": OPENMETRICS}, {"accept_encoding": "gzip"}, {"path": "/metrics?name[]=a"}]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, exporter, **kind) for kind in kinds]
        wait_for(lambda: waiters(exporter) == 4)
        gate.opened.set()
        assert [answer.result().status for answer in asked] == [200] * 4
    assert (len(gate.threads), gate.most) == (4, 1)
    assert {thread.name for thread in gate.threads} == {"bpexporter-render"}
    assert all(thread.daemon for thread in gate.threads)


def test_nobody_waits_for_what_nobody_wants_any_more(exporter, gate):
    """A client that hangs up while it waits leaves no rendering behind."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, exporter)
        assert gate.entered.wait(10)
        gone = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
        gone.request("GET", "/metrics?name[]=gone")
        wait_for(lambda: waiters(exporter) == 2)
        gone.close()
        wait_for(lambda: waiters(exporter) == 1)
        gate.opened.set()
        assert first.result().status == 200
    assert ask(exporter).body == b"page 2\n"


async def test_nothing_is_queued_before_somebody_waits_for_it():
    """The thread skips what nobody waits for, so it must never see a new job without its first waiter."""
    worker, seen = Worker(), []
    worker.thread = threading.current_thread()  # it runs already, as far as the worker knows
    worker._queue = SimpleNamespace(put=lambda job: seen.append(len(job.waiters)))
    asked = [asyncio.ensure_future(worker.ask("page", bytes)) for _ in range(2)]
    await asyncio.sleep(0)
    assert seen == [1]
    for each in asked:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert worker._jobs == {}


async def test_a_stuck_loop_of_the_application_does_not_stop_the_scrape(hub):
    """The exporter answers while the application's loop runs no callback."""
    with start(port=0, hub=hub) as exporter:
        assert ask(exporter).status == 200  # this blocks the loop of the test


# Mounted ----------------------------------------------------------------------------------------


async def test_mounted_it_answers_like_the_exporter(hub):
    """Format, compression, HEAD, filter and 405 are the same in an application of the host's."""
    queue, app = watched(hub), web.Application()
    mount(app, "/internal/metrics", hub=hub)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        text = await client.get("/internal/metrics", headers={"Accept-Encoding": "identity"})
        assert f'{PUTS}{{queue="ingest"}} 1.0' in await text.text()
        asking = {"Accept-Encoding": "gzip", "Accept": OPENMETRICS}
        packed = await client.get("/internal/metrics", headers=asking)
        assert packed.headers["content-type"] == negotiate(OPENMETRICS)[1]
        assert gzip.decompress(await packed.read()).endswith(b"# EOF\n")
        assert (await client.head("/internal/metrics")).status == 200
        assert (await client.post("/internal/metrics")).status == 405
    assert queue.qsize() == 1


async def test_mounted_it_renders_off_the_loop_and_gives_its_thread_back(hub, gate):
    """The application's loop goes on while a page is rendered; cleanup ends the thread."""
    app = web.Application()
    mount(app, hub=hub)
    async with TestClient(TestServer(app)) as client:
        asked = asyncio.ensure_future(client.get("/metrics"))
        for _ in range(2000):  # the loop goes on, so this comes to an end
            if gate.entered.is_set():
                break
            await asyncio.sleep(0.005)
        gate.opened.set()
        assert (await asked).status == 200
    (thread,) = gate.threads
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


async def test_mounted_an_error_is_a_500(hub, monkeypatch, caplog):
    """The host's application sees no exception of ours."""

    def fail(hub, **options):
        raise RuntimeError

    monkeypatch.setattr(server_answers, "render", fail)
    app = web.Application()
    mount(app, hub=hub)
    with caplog.at_level(logging.WARNING):
        async with TestClient(TestServer(app)) as client:
            assert (await client.get("/metrics")).status == 500
    assert [record.name for record in caplog.records] == ["bpexporter.server"]


@pytest.mark.parametrize("path", ["", "metrics", "/{x}", "/a?b", "/a#b", "/a b", "/a\n", "/a\0", "//x{"])
def test_a_path_that_is_no_plain_path_is_refused(path):
    """At once, and with the path in the message."""
    with pytest.raises(ValueError, match="path"):
        mount(web.Application(), path)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("app",), {}), ((None,), {}), ((web.Application(), None), {}),
        ((web.Application(), b"/metrics"), {}),
        ((web.Application(),), {"hub": "hub"}), ((web.Application(),), {"registries": 3}),
        ((web.Application(),), {"registries": "ab"}), ((web.Application(),), {"registries": [object()]}),
    ],
)  # fmt: skip
def test_arguments_of_a_wrong_type_are_refused(arguments, options):
    """`mount` says what it wanted, and adds no route."""
    with pytest.raises(TypeError, match=r"must be|has a method"):
        mount(*arguments, **options)


def test_a_path_is_mounted_once():
    """A second endpoint on the same path would never be reached: it is an error. Another path is none."""
    app = web.Application()
    mount(app)
    mount(app, "/other")
    with pytest.raises(ValueError, match="/metrics already"):
        mount(app)


async def test_a_running_application_cannot_be_mounted_on():
    """aiohttp's own error comes through."""
    app = web.Application()
    app.freeze()
    with pytest.raises(RuntimeError):
        mount(app)
