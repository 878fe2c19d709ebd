"""Adapters are loaded with their library, for the versions that were tried, ours and those of other packages."""

import dataclasses
import logging
import subprocess
import sys
import textwrap

import pytest

from bpexporter.adapters import choosing, installed, known
from bpexporter.adapters.anyio import ADAPTER

POINTS = "[console_scripts]\na = b:c\n\n[bpexporter.adapters]\ntheir = their_adapter:GATES\n"
ADAPTERS = sorted(set(known.OURS.values()))


def run(program: str, *path: str) -> list[str]:
    """The lines that a program of its own writes."""
    code = f"import sys; sys.path[:0] = {list(path)!r}\n{textwrap.dedent(program)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


def test_an_adapter_is_loaded_with_its_library():
    """`install()` loads no adapter and no library; the import of a library loads its adapter, and no other one."""
    lines = run("""
        import sys, bpexporter
        bpexporter.install()
        def loaded(): print(*sorted(n for n in sys.modules if n in %r or n.rpartition(".")[0] == "bpexporter.adapters"))
        loaded()
        import aiolimiter
        loaded()
    """ % (tuple(known.OURS),))  # fmt: skip  # noqa: UP031
    assert not {f"bpexporter.adapters.{name}" for name in ADAPTERS} & set(lines[0].split())
    assert not set(known.OURS) & set(lines[0].split())
    assert {f"bpexporter.adapters.{name}" for name in ADAPTERS} & set(lines[1].split()) == {
        "bpexporter.adapters.aiolimiter"
    }


@pytest.mark.parametrize(
    ("version", "tried"),
    [
        ("4.4.0", True), ("4.9.1", True), ("4.16.9", True), ("4.16.0rc1", True),
        ("4.3.9", False), ("4.17.0", False), ("5.0", False), ("", False),
    ],
)  # fmt: skip
def test_an_unknown_version_is_left_alone(version, tried, monkeypatch, caplog):
    """What is older than the first version that was tried, or newer than the last, is not touched, and told once."""
    monkeypatch.setattr(choosing, "version_of", lambda name: version)
    monkeypatch.setattr(choosing, "left_alone", {})
    adapter = dataclasses.replace(ADAPTER, tried=("4.4.0", "4.16"))
    with caplog.at_level(logging.WARNING, "bpexporter"):
        assert [choosing.is_tried(adapter), choosing.is_tried(adapter)] == [tried, tried]
    assert len(caplog.records) == (not tried)
    assert all("anyio" in record.getMessage() and "4.4.0 to 4.16" in record.getMessage() for record in caplog.records)


def test_what_cannot_be_referred_to_weakly_is_left_alone(monkeypatch, caplog):
    """A class that has no room for weak references, as some have from Python 3.13 on, is not touched, and told once."""
    rigid = type("Semaphore", (), {"__slots__": ()})
    monkeypatch.setattr(choosing, "left_alone", {})
    sort = next(one for one in ADAPTER.sorts if one.name == "Semaphore")
    assert choosing.can_be_kept(sort)
    monkeypatch.setattr(sys.modules[sort.module], "Semaphore", rigid)
    with caplog.at_level(logging.WARNING, "bpexporter"):
        assert not any(one.name == "Semaphore" for one in [*choosing.sorts_of(sort.module)] * 2)
        assert choosing.fitting(rigid) is None
    told = [record.getMessage() for record in caplog.records]
    assert told.count("bpexporter: Semaphore cannot be referred to weakly on this Python: it is not watched") == 1


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_is_installed_here_was_tried(name):
    """The versions with which these tests run are among those that each adapter says were tried."""
    module = next(module for module, ours in known.OURS.items() if ours == name)
    assert __import__(f"bpexporter.adapters.{name}", fromlist=["ADAPTER"]).ADAPTER is choosing.adapter_for(module)


def test_another_package_brings_an_adapter(tmp_path):
    """An entry point of the group `bpexporter.adapters`, named after a module, brings an adapter for that."""
    (tmp_path / "their.py").write_text(
        textwrap.dedent("""
        import asyncio
        class Gate:
            def __init__(self): self.inside, self.opens = 0, asyncio.Event()
            async def enter(self):
                if self.inside >= 1: await self.opens.wait()
                self.inside += 1
    """)
    )
    (tmp_path / "their_adapter.py").write_text(
        textwrap.dedent("""
        from bpexporter.adapters.shape import Acquiring, Adapter, Limiter
        from bpexporter.resources.limiter.reading import Level
        GATES = Adapter(library="their", tried=("1.0", "1.2"), sorts=(Limiter(
            module="their", name="Gate", level=lambda gate: Level(1, gate.inside),
            methods=(Acquiring(method="enter", has_to_wait=lambda gate: gate.inside >= 1),),
        ),))
    """)
    )
    for name, file, text in (
        ("their-1.1", "METADATA", "Name: their\nVersion: 1.1\n"),
        ("their_adapter-3", "entry_points.txt", POINTS),
    ):
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / file).write_text(text)
    lines = run(
        """
        import asyncio, bpexporter
        bpexporter.install()
        import their
        async def main():
            gate = their.Gate()
            tasks = [asyncio.create_task(gate.enter()) for _ in range(2)]
            await asyncio.sleep(0.01)
            ((name, reading),) = bpexporter.snapshot().limiters.items()
            print(name, reading.in_use_permits, reading.waiting_tasks)
        asyncio.run(main())
        """,
        str(tmp_path),
    )
    assert lines == ["__main__.main:gate 1 1"]


def test_a_broken_adapter_is_swallowed(monkeypatch):
    """An adapter of another package that cannot be loaded costs its own library, and is counted."""
    monkeypatch.delenv("BPEXPORTER_RAISE")
    monkeypatch.setattr(choosing, "targets", lambda: {"nothing": "no_such_module:ADAPTER"})
    assert choosing.adapter_for.__wrapped__("nothing") is None


def test_versions_are_read_from_the_folders_of_distributions():
    """The version is found whatever way a name is written; of what is not installed there is none."""
    assert installed.version_of("Psycopg.Pool") == installed.version_of("psycopg_pool") != ""
    assert installed.version_of("no-such-distribution") == ""
