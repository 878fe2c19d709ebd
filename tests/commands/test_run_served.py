"""`bpexporter run` and the process that serves it: nothing of ours in the program but a thread."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from needs import missing

ROOT = Path(__file__).parents[2]
SAID = re.compile(r"bpexporter: .*the metrics of this program are at (\S+)\n")
WORK = """
import asyncio, os, sys, time
async def main():
    jobs = asyncio.Queue()
    for _ in range(7):
        await jobs.put(1)
    print("ready", flush=True)
    await asyncio.sleep(float(sys.argv[1]))
asyncio.run(main())
"""


def command(*words: str) -> list[str]:
    """The words that run these under `bpexporter run`."""
    return [sys.executable, "-u", "-m", "bpexporter", "run", *words]


def environment(**more: str) -> dict[str, str]:
    """The environment of a program under `run`."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_RAISE": "1", **more}


def finished(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """These words, when they have ended."""
    env = env or environment()
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def fetched(url: str, good: Callable[[str], bool], *, seconds: float = 20) -> str:
    """The page at `url` as soon as it is good, else what there is in the end."""
    page, until = "", time.monotonic() + seconds
    while not good(page) and time.monotonic() < until:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            page = urllib.request.urlopen(url, timeout=5).read().decode()
        time.sleep(0.05)
    return page


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(
    folder: Path, *words: str, program: str = WORK, **options: object
) -> Iterator[tuple[subprocess.Popen, str]]:
    """A program under `run`, and the address of its metrics."""
    (folder / "p.py").write_text(program)
    with subprocess.Popen(
        command(*words), cwd=folder, env=environment(), stdout=-1, stderr=-1, text=True, **options
    ) as process:
        try:
            yield process, SAID.fullmatch(process.stderr.readline())[1]
        finally:
            process.kill()


PUTS = 'backpressure_queue_puts_total{queue="p.main:jobs"} 7.0'


def test_the_program_loads_neither_library(tmp_path):
    """Neither aiohttp nor prometheus_client is in the program, and its own threads are alone but for one."""
    tell = (
        "import sys, threading\nprint({'aiohttp', 'prometheus_client'} & sys.modules.keys(), threading.active_count())"
    )
    (tmp_path / "p.py").write_text(tell)
    done = finished(tmp_path, *command("--port", "0", "p.py"))
    assert done.stdout == "set() 1\n"


def test_the_metrics_outlive_a_crash_and_say_what_was_full(tmp_path):
    """After SIGKILL the counters stay, the levels go, and the state says which queue was how deep."""
    with running(tmp_path, "--port", "0", "p.py", "60") as (process, url):
        page = fetched(url, lambda page: PUTS in page)
        assert 'backpressure_queue_depth_items{queue="p.main:jobs"} 7.0' in page
        process.kill()
        process.wait()
        page = fetched(url, lambda page: 'bpexporter_processes{state="killed"} 1.0' in page)
        assert PUTS in page
        assert "backpressure_queue_depth_items{" not in page
        state = json.loads(urllib.request.urlopen(url.replace("metrics", "api/state"), timeout=5).read())
        (killed,) = [one for one in state["processes"] if one["state"] == "killed"]
        assert "p.py" in killed["name"]
        assert "queue p.main:jobs: 7 items" in killed["name"]


def test_the_server_ends_after_the_last_process(tmp_path):
    """Some seconds later nothing of ours is left: neither the port, nor a file, nor a process."""
    with running(tmp_path, "--port", "0", "p.py", "0.3") as (process, url):
        process.wait()
    address = re.search(r"//(.*):(\d+)/", url).groups()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            break
        time.sleep(0.1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)


def test_a_restart_keeps_the_address(tmp_path):
    """Who starts again, after an end or a crash, finds the port free, though the server has not gone yet."""
    port = str(free_port())
    for _ in range(3):
        with running(tmp_path, "--port", port, "p.py", "60") as (process, url):
            assert url == f"http://127.0.0.1:{port}/metrics"
            assert PUTS in fetched(url, lambda page: PUTS in page)
            process.kill()


def test_a_server_with_somebody_alive_keeps_its_port(tmp_path):
    """A second program does not take the address of the first one."""
    port = str(free_port())
    with running(tmp_path, "--port", port, "p.py", "60") as (_first, one), running(
        tmp_path, "--port", port, "p.py", "60"
    ) as (_second, other):  # fmt: skip
        assert one == f"http://127.0.0.1:{port}/metrics" != other
        for url in (one, other):
            assert 'bpexporter_processes{state="alive"} 1.0' in fetched(url, lambda page: PUTS in page)


def test_the_endpoint_answers_while_the_interpreter_is_stuck(tmp_path):
    """With the GIL held, and with the process stopped, the page comes, and says how old the publication is."""
    with running(tmp_path, "--port", "0", "p.py", "60") as (process, url):
        fetched(url, lambda page: PUTS in page)
        process.send_signal(signal.SIGSTOP)
        page = fetched(url, lambda page: re.search(r"bpexporter_process_age_seconds [2-9]", page) is not None)
        assert PUTS in page
        assert re.search(r"bpexporter_process_age_seconds [2-9]", page)


STUCK = """
import asyncio, ctypes, sys, time
async def main():
    jobs = asyncio.Queue()
    for _ in range(7):
        await jobs.put(1)
    await asyncio.sleep(2.5)  # until that is published
    print("stuck", time.monotonic(), flush=True)
    ctypes.PyDLL(None).sleep(9)  # holds the GIL, unlike CDLL
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_the_endpoint_says_since_when_a_program_that_holds_the_gil_does_not_answer(tmp_path):
    """A C call that never lets go of the GIL stops all of a program: page and state say for how long that has been."""
    with running(tmp_path, "--port", "0", "p.py", program=STUCK) as (process, url):
        since = float(process.stdout.readline().split()[1])
        state = url.replace("/metrics", "/api/state")
        asked = time.monotonic()
        page = fetched(url, lambda page: re.search(r"bpexporter_process_age_seconds [67]", page) is not None)
        found = json.loads(fetched(state, lambda text: "processes" in text))["processes"]
        stuck_for = time.monotonic() - since
        age = float(re.search(r"bpexporter_process_age_seconds (\d\S*)", page)[1])
    assert PUTS in page
    assert asked - since < 5
    assert found[0]["state"] == "alive"
    assert stuck_for - 1 <= found[0]["age_seconds"] <= stuck_for + 1.5  # it was told at most a second before
    assert abs(age - found[0]["age_seconds"]) < 1.5


def test_who_reads_the_output_does_not_wait_for_the_server(tmp_path):
    """The server holds none of the program's descriptors: `capture_output` comes back when the program ends."""
    (tmp_path / "p.py").write_text("print('over')")
    read, write = os.pipe()
    os.set_inheritable(write, True)
    done = subprocess.run(
        command("--port", "0", "p.py"), cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60,
        pass_fds=(write,), check=False,
    )  # fmt: skip
    os.close(write)
    assert done.stdout == "over\n"
    assert os.read(read, 1) == b""  # nobody holds the other end
    os.close(read)


def test_signals_of_the_group_do_not_reach_the_server(tmp_path):
    """Ctrl-C at a terminal ends the program; the server is in a session of its own."""
    with running(tmp_path, "--port", "0", "p.py", "60", start_new_session=True) as (process, url):
        fetched(url, lambda page: PUTS in page)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == -signal.SIGINT
        assert PUTS in fetched(url, lambda page: 'state="ended"} 1.0' in page)


def test_children_have_the_same_address(tmp_path):
    """What is forked, and what is started as a command, is shown under the one address."""
    program = (
        "import asyncio, os, subprocess, sys\n"
        "if len(sys.argv) == 1:\n"
        "    pid = os.fork()\n"
        "    if pid:\n"
        "        child = subprocess.Popen([sys.executable, 'p.py', 'child'])\n"
        "async def main():\n"
        "    jobs = asyncio.Queue()\n"
        "    await jobs.put(1)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    wanted = ('backpressure_queue_puts_total{queue="p.main:jobs"} 2.0', 'queue="__main__:', 'state="alive"} 3.0')
    with running(tmp_path, "--port", "0", "p.py", program=program, start_new_session=True) as (process, url):
        page = fetched(url, lambda page: 'state="alive"} 3.0' in page and "queue_puts_total{" in page)
        assert 'bpexporter_processes{state="alive"} 3.0' in page, wanted
        assert sum(float(line.split()[-1]) for line in page.splitlines() if "queue_puts_total{" in line) == 3
        os.killpg(process.pid, signal.SIGKILL)


def test_no_children(tmp_path):
    """With --no-children what is started is left alone."""
    program = "import os, subprocess, sys\nprint(os.environ.get('BPEXPORTER_DIR'), flush=True)"
    with running(tmp_path, "--port", "0", "--no-children", "p.py", program=program) as (process, _url):
        assert process.stdout.readline() == "None\n"


def test_in_process(tmp_path):
    """With --in-process the exporter is a thread of the program, as where no process can be detached."""
    tell = WORK.replace("print(", "print('aiohttp' in sys.modules, ")
    with running(tmp_path, "--port", "0", "--in-process", "p.py", "60", program=tell) as (process, url):
        assert process.stdout.readline() == "True ready\n"
        assert PUTS in fetched(url, lambda page: PUTS in page)
        process.kill()
        process.wait()
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=5)


def test_pid_1_has_no_child_of_ours(tmp_path):
    """At pid 1 the server would be a child that `os.wait()` meets: the exporter serves in the process."""
    program = (
        "import os, sys\n"
        "try:\n    os.wait()\nexcept ChildProcessError:\n    print(os.getpid(), 'aiohttp' in sys.modules)\n"
    )
    (tmp_path / "p.py").write_text(program)
    words = ["unshare", "-pf", "--kill-child", *command("--port", "0", "p.py")]
    done = finished(tmp_path, *words)
    if "unshare" in done.stderr:
        missing(f"unshare cannot be used here: {done.stderr.splitlines()[0]}")
    assert done.stdout == "1 True\n"


def test_a_subreaper_has_no_child_of_ours(tmp_path):
    """So it is where the process takes in orphans."""
    program = "import os\ntry:\n    os.wait()\nexcept ChildProcessError:\n    print('none')\n"
    (tmp_path / "p.py").write_text(program)
    code = (
        "import ctypes, os, sys\nctypes.CDLL(None).prctl(36, 1)\n"
        "sys.argv[1:] = ['run', '--port', '0', 'p.py']\n"
        "from bpexporter.commands.main import main\nsys.exit(main())"
    )
    done = finished(tmp_path, sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (0, "none\n"), done.stderr


def test_with_a_folder_given_it_publishes_and_serves_nothing(tmp_path):
    """With BPEXPORTER_DIR a sidecar serves, and the program only says where it publishes."""
    (tmp_path / "p.py").write_text(WORK)
    done = subprocess.run(
        command("p.py", "0"), cwd=tmp_path, env=environment(BPEXPORTER_DIR=str(tmp_path / "dir")),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert f"published in {tmp_path / 'dir'}" in done.stderr
    assert "http://" not in done.stderr
    from bpexporter.publishing.folder import Folder

    assert Folder(tmp_path / "dir").snapshot().queues["p.main:jobs"].puts == 7


def test_one_line_at_the_start_and_one_at_the_end(tmp_path):
    """They say what is watched and where, and what was seen."""
    (tmp_path / "p.py").write_text(WORK)
    done = finished(tmp_path, *command("--port", "0", "p.py", "0"))
    start, end = done.stderr.splitlines()
    assert start.startswith("bpexporter: watching queues, streams, limiters and loops")
    assert end == "bpexporter: seen: 1 queue, 1 loop"


def test_an_empty_program_says_what_was_looked_for(tmp_path):
    """The page of a program in which nothing is watched says so, and why; the line at the end too."""
    with running(tmp_path, "--port", "0", "p.py", program="import time\ntime.sleep(3)") as (process, url):
        state = json.loads(fetched(url.replace("metrics", "api/state"), bool))
        assert [one["what"] for one in state["unseen"]] == ["nothing is watched"]
        assert "looked for" in state["unseen"][0]["why"]
        process.wait()
        assert "seen: nothing" in process.stderr.read()


def test_commands_of_the_environment(tmp_path):
    """A word that is no file is a command: a script of this Python runs here, another program is executed."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "mine").write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv, 'bpexporter' in sys.modules)")
    (scripts / "long").write_text(
        f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\nimport sys\nprint('bpexporter' in sys.modules)"
    )
    (scripts / "other").write_text("#!/bin/sh\necho other $1 $$")
    for path in scripts.iterdir():
        path.chmod(0o755)
    env = environment(PATH=f"{scripts}:{os.environ['PATH']}")
    (tmp_path / "p.py").write_text("print('script')")

    def said(*words: str) -> str:
        process: Any = subprocess.Popen(
            command("--port", "0", *words), cwd=tmp_path, env=env, stdout=-1, stderr=-1, text=True
        )
        return process.communicate(timeout=60)[0].replace(str(process.pid), "PID")

    assert said("mine", "--x") == f"['{scripts / 'mine'}', '--x'] True\n"
    assert said("long") == "True\n"
    assert said("other", "-y") == "other -y PID\n"
    assert said("python", "p.py") == "script\n"
    assert said("p.py") == "script\n"


def test_a_web_configuration(tmp_path):
    """The detached server keeps to what the file says; a file that makes no sense ends the call."""
    (tmp_path / "web.yml").write_text("http_server_config: {headers: {X-Frame-Options: deny}}")
    with running(tmp_path, "--port", "0", "--web-config", "web.yml", "p.py", "60") as (_process, url):
        fetched(url, lambda page: PUTS in page)
        assert urllib.request.urlopen(url, timeout=5).headers["X-Frame-Options"] == "deny"
    (tmp_path / "web.yml").write_text("users: {}")
    done = finished(tmp_path, *command("--port", "0", "--web-config", "web.yml", "p.py", "0"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the file has users" in done.stderr


def test_help_and_usage(tmp_path):
    """Wrong options get the usage of `run`; its help has examples and the form of patterns."""
    helped = finished(tmp_path, *command("--help"))
    for word in ("examples:", "uvicorn app:app", "--strict-port", "--in-process", "--no-children", "PATTERN is"):
        assert word in helped.stdout
    wrong = finished(tmp_path, *command("--fast", "1", "p.py"))
    assert wrong.returncode == 2
    assert "usage: bpexporter run" in wrong.stderr
