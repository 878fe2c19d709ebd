"""`bpexporter run`: a program runs as it does alone, and is seen."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipapp
from pathlib import Path

import pytest

from bpexporter.commands.run import split

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parents[1] / "programs"
END = re.compile(r"bpexporter: seen: .*\n")
SAID = re.compile(r"bpexporter: .*the metrics of this program are at (\S+)\n")


def run(folder: Path, *words: str, watched: bool, given: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Python with these words in `folder`, alone or under `bpexporter run`."""
    ours = ["-m", "bpexporter", "run", "--port", "0"] if watched else []
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_RAISE": "1", **environment}
    return subprocess.run(
        [sys.executable, *ours, *words],
        cwd=folder, env=env, input=given, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def ours(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """`bpexporter run` with these words in `folder`."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "bpexporter", "run", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def what_came(done: subprocess.CompletedProcess) -> tuple[int, str, str]:
    """Exit code, output and errors, without the two lines of ours."""
    return done.returncode, done.stdout, END.sub("", SAID.sub("", done.stderr, count=1), count=1)


WORDS = "import sys, os, asyncio\n"
SCRIPTS = {
    "what is known of the main module": """
        import __main__, inspect
        print(__name__, __file__, __spec__, __package__, __doc__, __builtins__.__name__, type(__loader__).__name__)
        print(sys.argv, sys.path[0], sys.modules["__main__"] is __main__, vars(__main__) is globals())
        print(sorted(name for name in globals() if name.startswith("__")), inspect.getsource(asyncio.run)[:9])
    """,
    "annotations of the main module": """
        import __main__, typing
        number: int = 3
        print(typing.get_type_hints(__main__))
    """,
    "arguments that look like ours": "print(sys.argv)",
    "standard input": "print(sys.stdin.read().upper(), input.__name__)",
    "an exception that nobody catches": "def fail():\n    raise ValueError('no')\nfail()",
    "an exception in a coroutine": "async def main():\n    await asyncio.sleep(0)\n    1 / 0\nasyncio.run(main())",
    "one exception from another": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise OSError from error",
    "a group of exceptions": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
    "a wrong word": "def f(:",
    "an excepthook of its own": "sys.excepthook = lambda *error: print('mine', error[0], error[2].tb_lineno)\n1 / 0",
    "an excepthook that fails": "def hook(*error):\n    raise ValueError('mine')\nsys.excepthook = hook\n1 / 0",
    "the last traceback": """
        import atexit, traceback
        atexit.register(lambda: traceback.print_tb(sys.last_traceback, file=sys.stdout))
        1 / 0
    """,
    "an exit code": "sys.exit(7)",
    "an exit message": "sys.exit('bye')",
    "an exit of None": "sys.exit()",
    "exit at once": "print('here', flush=True)\nos._exit(9)",
    "the end of the interpreter": "import atexit\natexit.register(print, 'over')",
    "threads that go on": """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()
    """,
    "Ctrl-C": "import signal\nsignal.raise_signal(signal.SIGINT)",
    "Ctrl-C in a loop": """
        import signal
        async def main():
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.sleep(30)
        asyncio.run(main())
    """,
    "Ctrl-C that is caught": """
        import signal
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print('caught')
    """,
    "the end by a signal": "import signal\nos.kill(os.getpid(), signal.SIGTERM)\nimport time\ntime.sleep(30)",
    "a warning": "import warnings\nwarnings.warn('old', DeprecationWarning)",
    "a debugging loop": """
        async def main():
            jobs = asyncio.Queue(1)
            await jobs.put(1)
            print(await jobs.get(), jobs)
        asyncio.run(main(), debug=True)
    """,
    "children by spawn and by fork": """
        import multiprocessing
        def double(number):
            return 2 * number
        if __name__ == '__main__':
            for method in ('spawn', 'fork', 'forkserver'):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(method, pool.map(double, [1, 2]))
    """,
    "a child by fork in the main module": """
        child = os.fork()
        if not child:
            os._exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """,
    "a task that is forgotten where it waits": """
        class Held:
            def __del__(self):
                print('let go', flush=True)
        held, queue = Held(), asyncio.Queue()
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *error: None)
        task = loop.create_task(queue.get())
        loop.run_until_complete(asyncio.sleep(0))
        sys.unraisablehook = lambda error: None
    """,
    "pickling what the program defines": """
        import pickle
        class Own: pass
        print(type(pickle.loads(pickle.dumps(Own()))) is Own)
    """,
    "the whole of asyncio": """
        async def work(queue, limit):
            async with limit:
                queue.task_done() if await queue.get() else None
        async def echo(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
        async def main():
            jobs, limit = asyncio.Queue(2), asyncio.BoundedSemaphore(2)
            tasks = [asyncio.create_task(work(jobs, limit)) for _ in range(5)]
            for _ in tasks:
                await jobs.put(1)
            await asyncio.gather(*tasks)
            server = await asyncio.start_server(echo, '127.0.0.1', 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b'hello\\n')
            await writer.drain()
            print(await reader.readline(), jobs.qsize())
            writer.close()
            server.close()
            child = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
            print(await child.communicate(b'there'))
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=list(SCRIPTS))
def test_a_script_runs_as_it_does_alone(text, tmp_path):
    """Exit code, output and errors of a script are those of a run alone, but for one line."""
    import textwrap

    (tmp_path / "program.py").write_text(WORDS + textwrap.dedent(text))
    words = ["program.py", "-m", "--port", "x"]
    alone = run(tmp_path, *words, watched=False, given="some words")
    watched = run(tmp_path, *words, watched=True, given="some words")
    assert what_came(watched) == what_came(alone)
    assert ("SyntaxError" in alone.stderr) or SAID.search(watched.stderr)


MODULES = [
    ["-m", "package"],
    ["-m", "package.inner", "-x"],
    ["-mpackage"],
    ["package"],
    ["./p.py"],
    ["package/../p.py"],
]


@pytest.mark.parametrize("words", MODULES, ids=" ".join)
def test_a_module_runs_as_it_does_alone(words, tmp_path):
    """So do modules, packages and folders with a `__main__`."""
    (tmp_path / "package").mkdir()
    tell = "import sys\nprint(__name__, __file__, __package__, __spec__ and __spec__.name, sys.argv, sys.path[0])\n"
    for name in ("package/__init__.py", "package/__main__.py", "package/inner.py", "p.py"):
        (tmp_path / name).write_text(tell + ("" if "init" in name else "1 / 0\n"))
    alone, watched = (run(tmp_path, *words, watched=watched) for watched in (False, True))
    assert what_came(watched) == what_came(alone)
    assert "ZeroDivisionError" in alone.stderr


def test_modules_of_the_program_that_are_called_like_others(tmp_path):
    """A program gets its own modules, also where the standard library, or we, have loaded one of that name before."""
    names = ["calendar", "platform", "email", "secrets", "idna", "aiohttp", "server"]
    for name in names:
        (tmp_path / f"{name}.py").write_text("mine = True")
    (tmp_path / "p.py").write_text(f"import sys, {', '.join(names)}\nprint([{'.mine, '.join(names)}.mine])")
    alone, watched = (run(tmp_path, "p.py", watched=watched) for watched in (False, True))
    assert what_came(watched) == what_came(alone) == (0, f"{[True] * len(names)}\n", "")


@pytest.mark.parametrize("name", ["app.pyz", "app", "./app.bin"])
def test_an_archive_runs_as_it_does_alone(name, tmp_path):
    """So does an archive, whatever it is called."""
    (tmp_path / "source").mkdir()
    tell = "import sys\nprint(__name__, __file__, __package__, __spec__.name, sys.argv, sys.path[0])\n1 / 0"
    (tmp_path / "source" / "__main__.py").write_text(tell)
    zipapp.create_archive(tmp_path / "source", tmp_path / name, interpreter="/usr/bin/env python3")
    alone, watched = (run(tmp_path, name, "x", watched=watched) for watched in (False, True))
    assert what_came(watched) == what_came(alone)
    assert "ZeroDivisionError" in alone.stderr


def test_a_program_from_stdin_runs_as_it_does_alone(tmp_path):
    """So does a program that stdin says."""
    tell = "import sys, other\nprint(__name__, __file__, __loader__, __spec__, sys.argv, sys.path[0])\nprint(1, 1 / 0)"
    (tmp_path / "other.py").write_text("")
    alone, watched = (run(tmp_path, "-", "x", watched=watched, given=tell) for watched in (False, True))
    assert what_came(watched) == what_came(alone)
    assert "ZeroDivisionError" in alone.stderr


def test_a_module_that_there_is_not(tmp_path):
    """A module that cannot be found is told as Python tells it."""
    alone, watched = (run(tmp_path, "-m", "nowhere", watched=watched) for watched in (False, True))
    assert what_came(watched) == what_came(alone)


def test_a_script_that_there_is_not(tmp_path):
    """A script that cannot be opened ends with exit code 2, as Python does."""
    done = run(tmp_path, "nowhere.py", watched=True)
    assert done.returncode == 2
    assert f"can't open file '{tmp_path}/nowhere.py': [Errno 2]" in done.stderr


def test_our_words_end_where_the_program_begins():
    """Options of ours come before the program, and what follows is its own."""
    assert split(["run", "--port", "1", "a.py", "--port", "2"]) == (["run", "--port", "1"], ["a.py", "--port", "2"])
    assert split(["run", "--host=::", "-m", "a", "-h"]) == (["run", "--host=::"], ["-m", "a", "-h"])
    assert split(["run", "--", "-odd.py", "x"]) == (["run"], ["-odd.py", "x"])
    assert split(["run", "--port", "1", "-", "-h"]) == (["run", "--port", "1"], ["-", "-h"])
    assert split(["run", "-h"]) == (["run", "-h"], [])
    assert split(["demo", "--port", "1"]) == (["demo", "--port", "1"], [])


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        ([], {}, "a script, or -m and a module, is needed"),
        (["-m"], {}, "a script, or -m and a module, is needed"),
        (["--port", "70000", "a.py"], {}, "--port: must be from 0 to 65535, not 70000"),
        (["--fast", "1", "a.py"], {}, "unrecognized arguments: --fast"),
        (["a.py"], {"BPEXPORTER_PORT": "http"}, "BPEXPORTER_PORT: invalid port value: 'http'"),
        (["a.py"], {"BPEXPORTER_PORT": "-1"}, "BPEXPORTER_PORT: must be from 0 to 65535, not -1"),
        (["--port", "0", "a.py"], {"BPEXPORTER_HOST": "no such host"}, "no such host"),
    ],
)
def test_bad_words_and_settings_exit_2(words, environment, told, tmp_path):
    """Words and settings that make no sense are told before the program runs, with exit code 2."""
    (tmp_path / "a.py").write_text("print('it runs')")
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "bpexporter", "run", *words]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_nothing_of_ours_comes_on_stdout(tmp_path):
    """Where stderr is closed, as a daemon's may be, our line is not said at all."""
    (tmp_path / "p.py").write_text("print('here')")
    words = [sys.executable, "-m", "bpexporter", "run", "--port", "0", "p.py"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *words], cwd=tmp_path, env=env, stdout=-1, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"here\n")


def test_flags_before_environment(tmp_path):
    """What a flag says holds, else what the environment says."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = str(probe.getsockname()[1])
    (tmp_path / "a.py").write_text("import asyncio\njobs = asyncio.Queue()\nimport bpexporter\n"
                                   "print(list(bpexporter.snapshot().queues))")  # fmt: skip
    settings = {"BPEXPORTER_PORT": free, "BPEXPORTER_HOST": "localhost", "BPEXPORTER_DENY": "a"}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    for words, url, seen in (
        ([], f"http://localhost:{free}/metrics", "[]\n"),
        (["--host", "127.0.0.1", "--deny", "b"], f"http://127.0.0.1:{free}/metrics", "['a:jobs']\n"),
        (["--deny", "b", "--allow", "c,d", "--allow", "e"], f"http://localhost:{free}/metrics", "[]\n"),
    ):
        command = [sys.executable, "-m", "bpexporter", "run", *words, "a.py"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (SAID.findall(done.stderr), done.stdout) == ([url], seen)


def test_a_port_in_use_is_another_port(tmp_path):
    """Where the port is taken the program runs, and one line says at which address its metrics are instead."""
    (tmp_path / "a.py").write_text("print('it runs')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ours(tmp_path, "--port", port, "a.py")
    assert (done.returncode, done.stdout) == (0, "it runs\n")
    (line,) = [line for line in done.stderr.splitlines() if "/metrics" in line]
    assert f"port {port} is taken" in line
    assert SAID.fullmatch(f"{line}\n")[1] != f"http://127.0.0.1:{port}/metrics"


def test_a_port_in_use_and_strict(tmp_path):
    """With --strict-port it is one line on stderr and exit code 1, and the program does not run."""
    (tmp_path / "a.py").write_text("print('it runs')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ours(tmp_path, "--port", port, "--strict-port", "a.py")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


NAMES = {
    "fast_and_slow.py": "fast_and_slow.main:queue",
    "flow.py": "flow:Flow.buffer",
    "timed.py": "timed:TimedQueue.queue",
}


@pytest.mark.parametrize(("program", "name"), NAMES.items())
def test_programs_show_their_queues_by_name(program, name):
    """A program that knows nothing of bpexporter shows its queue, its stall and its loop while it runs."""
    command = [sys.executable, "-u", "-m", "bpexporter", "run", "--port", "0", str(PROGRAMS / program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        url = SAID.fullmatch(process.stderr.readline())[1]
        blocked = rf'backpressure_queue_blocked_puts_total{{queue="{re.escape(name)}"}} [1-9]'
        wanted = [blocked, 'backpressure_loop_tasks{loop="main"}']
        page, until = "", time.monotonic() + 30
        while not all(re.search(line, page) for line in wanted) and time.monotonic() < until:
            page = urllib.request.urlopen(url, timeout=10).read().decode()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert [line for line in wanted if not re.search(line, page)] == []
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in said
