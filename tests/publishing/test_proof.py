"""Proof under force: processes and sidecars killed at random, thousands that came and went, a full disk."""

import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from needs import missing, needs
from processes import Process, files, puts, states

from bpexporter.publishing.folder import Folder

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.soak

WORKER = """
import asyncio, os, struct, sys, time
import bpexporter
told = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
async def main():
    jobs = bpexporter.watch(asyncio.Queue(20), "jobs")
    async def take():
        while True:
            await jobs.get()
            await asyncio.sleep(0.002)
    taking = asyncio.create_task(take())
    count = 0
    while True:
        await jobs.put(1)
        count += 1
        os.pwrite(told, struct.pack("qd", count, time.monotonic()), 0)
asyncio.run(main())
"""
# Items a second that a worker may put, with room to spare.
FASTEST = 1_000
SECONDS = float(os.environ.get("BPEXPORTER_PROOF_SECONDS", "12"))


def environment(folder: Path) -> dict[str, str]:
    """The environment of what publishes in, or serves, the folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_DIR": str(folder)}


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def process(*words: str, **options: Any) -> Iterator[subprocess.Popen]:
    """A process that is gone in the end."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, **quiet | options) as started:
        try:
            yield started
        finally:
            started.kill()


def asked(prometheus: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it is not ready."""
    url = f"http://{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with suppress(OSError):
        return json.loads(urllib.request.urlopen(url, timeout=10).read())["data"]["result"]
    return []


def last_scraped(prometheus: str) -> float | None:
    """The most puts that Prometheus has seen."""
    found = asked(prometheus, 'max_over_time(backpressure_queue_puts_total{queue="jobs"}[10m])')
    return float(found[0]["value"][1]) if found else None


class Workers:
    """Workers that publish; each says in a file of its own how much it has done."""

    def __init__(self, folder: Path, shared: Path) -> None:
        self.folder, self.shared = folder, shared
        self.living: list[subprocess.Popen] = []
        self.number = self.killed = 0

    def start(self) -> None:
        """One more."""
        self.number += 1
        words = [sys.executable, "-c", WORKER, str(self.folder / f"told-{self.number}")]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.living.append(subprocess.Popen(words, env=environment(self.shared), **quiet))

    def kill(self, one: subprocess.Popen) -> None:
        """One less, without a word."""
        one.kill()
        one.wait()
        self.living.remove(one)
        self.killed += 1

    def done(self) -> int:
        """How many items all of them have put."""
        told = (path.read_bytes() for path in self.folder.glob("told-*"))
        return sum(int.from_bytes(text[:8], "little") for text in told)


@pytest.mark.timeout(SECONDS + 120)
def test_killing_workers_at_will_never_makes_a_graph_lie(tmp_path):
    """While a Prometheus scrapes no counter falls; in the end but the last second of the killed is missing."""
    needs("prometheus")
    shared, port, prometheus = tmp_path / "dir", free_port(), f"127.0.0.1:{free_port()}"
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        f"scrape_configs: [{{job_name: jobs, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    )
    chance, workers = random.Random(1), Workers(tmp_path, shared)
    flags = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    serve = [sys.executable, "-m", "bpexporter", "sidecar", "--dir", str(shared), "--port", str(port)]
    with ExitStack() as stack:
        stack.enter_context(process("prometheus", *flags, f"--web.listen-address={prometheus}"))
        sidecar = stack.enter_context(process(*serve, env=environment(shared)))
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            while len(workers.living) < 4:
                workers.start()
            time.sleep(chance.uniform(0.1, 0.8))
            workers.kill(chance.choice(workers.living))
            if chance.random() < 0.1:
                sidecar.kill()
                sidecar = stack.enter_context(process(*serve, env=environment(shared)))
        while workers.living:
            workers.kill(workers.living[0])
        counted, done = puts(Folder(shared).snapshot()), workers.done()
        until = time.monotonic() + 20
        while (scraped := last_scraped(prometheus)) != counted and time.monotonic() < until:
            time.sleep(0.1)
        while (left := files(shared)) and time.monotonic() < until:  # the sidecar folds them at its next look
            time.sleep(0.1)
        names = '{__name__=~"backpressure_.*(_total|_bucket|_count|_sum)"}'
        fell = asked(prometheus, f"resets({names}[10m]) > 0")
    assert fell == []
    assert scraped == counted <= done
    assert done - counted <= workers.killed * 1.5 * FASTEST
    assert counted > 0.2 * done
    assert left == []


LOOKER = """
import sys
from pathlib import Path
from bpexporter.publishing.folder import Folder
folder = Folder(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    folder.snapshot()
"""


def test_sidecars_that_are_killed_at_random_count_each_process_once(tmp_path):
    """Two at once, fifty of them killed while processes end and are killed: the sum is what was published."""
    chance, done, processes, lookers = random.Random(2), 0, [], []
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(50):
        while len(lookers) < 2:
            words = [sys.executable, "-c", LOOKER, str(tmp_path)]
            lookers.append(subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            assert lookers[-1].stdout.readline() == b"ready\n"
        for _ in range(5):
            processes.append(Process(tmp_path).work(1))
            done += 1
            (chance.choice((Process.end, Process.kill)))(processes.pop(chance.randrange(len(processes))))
            time.sleep(chance.uniform(0, 0.004))
        victim = lookers.pop(chance.randrange(2))
        victim.kill()
        victim.communicate()
    for looker in lookers:
        looker.kill()
        looker.communicate()
    for one in processes:
        one.end()
    for _ in range(2):
        snapshot = Folder(tmp_path).snapshot()
        assert (puts(snapshot), sum(states(snapshot)), files(tmp_path)) == (done, done, [])


def test_ten_thousand_workers_leave_a_bounded_folder(tmp_path):
    """However many came and went, what is left is the sum, and a few files."""
    folder, number = Folder(tmp_path), 10_000
    for turn in range(number):
        one = Process(tmp_path).work(1)
        one.kill() if turn % 2 else one.end()
        if turn % 20 == 0:
            folder.poll()
    snapshot = folder.snapshot()
    assert (puts(snapshot), states(snapshot)) == (number, (0, number // 2, number // 2))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) <= 16 + 2
    assert sum(path.stat().st_size for path in left) < 16 * 200_000 + 100_000


FULL = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
os.environ["BPEXPORTER_RAISE"] = "0"
sys.path.insert(0, sys.argv[1] + "/tests/support")
from processes import Process, puts
from bpexporter.publishing.folder import Folder
folder = Path(sys.argv[2])
alive = [Process(folder).work(1)]
folder_seen = Folder(folder)
for _ in range(20):
    alive.append(Process(folder).work(1))
fitting = puts(folder_seen.snapshot())
assert 1 <= fitting < 21, fitting
for one in alive:
    one.work(1)
assert puts(folder_seen.snapshot()) == 2 * fitting, (puts(folder_seen.snapshot()), fitting)
for one in alive[:fitting]:
    one.end()
for _ in range(2):
    assert puts(folder_seen.snapshot()) == 2 * fitting
    folder_seen.poll()
for one in alive[fitting:]:
    one.work(1)
print("well", puts(folder_seen.snapshot()) > 2 * fitting)
"""


def test_a_full_disk_is_never_a_wrong_number(tmp_path):
    """What does not fit is not shown, what is shown is right, and when there is room again all goes on."""
    mount = f'mount -t tmpfs -o size=600k none {tmp_path} && exec "$@"'
    words = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", FULL, str(ROOT), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        missing(f"no file system can be mounted here: {done.stderr.splitlines()[0]}")
    assert done.stdout == "well True\n", done.stderr


def test_the_server_of_run_does_not_outlive_a_program_that_is_killed(tmp_path, monkeypatch):
    """Started and killed at random, programs leave no servers behind, and no folders when the next one begins."""
    from bpexporter.publishing.run_folders import home, tidy

    (tmp_path / "p.py").write_text("import time\ntime.sleep(60)")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # others may run programs too
    words = [sys.executable, "-m", "bpexporter", "run", "--port", "0", "p.py"]
    chance = random.Random(3)
    for _ in range(5):
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(process(*words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}))
            time.sleep(chance.uniform(0.2, 1.0))
    until = time.monotonic() + 30
    while any(home().iterdir()) and time.monotonic() < until:
        for folder in home().iterdir():
            os.utime(folder, (0, 0))  # one that was killed before its server had begun is tidied a minute later
        tidy(home())
        time.sleep(0.2)
    assert list(home().iterdir()) == []
