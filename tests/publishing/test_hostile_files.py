"""Whatever lies in the folder: never a wrong number, never an end of the sidecar, and each is told once."""

import json
import os
import shutil
import struct
import zlib

import pytest
from processes import Process, copied, puts, states

from bpexporter.faults import faults
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.format import HEAD, HEADER, MAGIC

ID = "0123456789abcdef"


@pytest.fixture(autouse=True)
def nothing_told():
    """Each test is the first to meet its file."""
    faults.reset()


def slot(names, numbers, *, ident=ID, inode=None, version=1, magic=MAGIC, lengths=None, at=1.0, checksum=None):
    """A file with one publication, whatever it says; `inode` is filled in where it is not given."""
    data = names if isinstance(names, bytes) else json.dumps(names).encode()
    doubles = struct.pack(f"{len(numbers)}d", *numbers)
    counts = lengths or (len(data), len(numbers))

    def write(path):
        path.write_bytes(b"")
        own = path.stat().st_ino if inode is None else inode
        head = HEADER.pack(magic, version, 0, ident.encode(), own, 2, at, *counts, 0)[:-4]
        right = zlib.crc32(doubles, zlib.crc32(data, zlib.crc32(head)))
        body = head + struct.pack("<I", right if checksum is None else checksum)
        room = 1 << 16
        path.write_bytes((body + bytes(HEAD))[:HEAD] + (data + doubles + bytes(room))[:room] + bytes(room))

    return write


def said(rows=((0, "jobs"),), fields=(("puts", ("number",)),), kind="queue", about=None):
    """A table of names."""
    return {"about": about or {}, "layouts": [[kind, fields]], "rows": rows}


def truncated(path):
    """A file that ends within its first slot."""
    slot(said(), [7.0])(path)
    os.truncate(path, 300)


HOSTILE = {
    "nothing": lambda path: path.touch(),
    "garbage": lambda path: path.write_bytes(os.urandom(5_000)),
    "zeros": lambda path: path.write_bytes(bytes(100_000)),
    "truncated": truncated,
    "without an end": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "another version": slot(said(), [7.0], version=2),
    "another format": slot(said(), [7.0], magic=b"PNG\n"),
    "another's ID": slot(said(), [7.0], ident="f" * 16),
    "an ID that is none": slot(said(), [7.0], ident="../../etc/passwd"),
    "another's inode": slot(said(), [7.0], inode=1),
    "a wrong checksum": slot(said(), [7.0], checksum=1),
    "lengths beyond the file": slot(said(), [7.0], lengths=(2**63, 2**63)),
    "lengths that overlap": slot(said(), [7.0], lengths=(10, 1)),
    "a time that is none": slot(said(), [7.0], at=float("nan")),
    "no JSON": slot(b"pickle\x80\x04", [7.0]),
    "JSON that is deep": slot(b"[" * 60_000, []),
    "JSON of another kind": slot([1, 2, 3], [7.0]),
    "no UTF-8": slot(b'{"about": "\xff"}', [7.0]),
    "a lone surrogate": slot(said(rows=[[0, "\ud800"]]), [7.0]),
    "a name that is empty": slot(said(rows=[[0, ""]]), [7.0]),
    "a name that is long": slot(said(rows=[[0, "x" * 1_001]]), [7.0]),
    "a name twice": slot(said(rows=[[0, "jobs"], [0, "jobs"]]), [7.0, 7.0]),
    "a layout that is missing": slot(said(rows=[[3, "jobs"]]), [7.0]),
    "too few numbers": slot(said(), []),
    "too many numbers": slot(said(), [7.0, 8.0]),
    "a negative number": slot(said(), [-7.0]),
    "a number without end": slot(said(), [float("inf")]),
    "buckets that descend": slot(said(fields=[["put_wait_seconds", ["histogram", [2.0, 1.0]]]]), [1.0] * 4),
    "a negative width": slot(said(fields=[["refused_puts", ["parts", -3]]]), []),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_file_is_left_out_and_told_once(make, tmp_path, caplog):
    """It adds nothing, stops nothing, is shown by its reason, and makes one line in the log."""
    alive = Process(tmp_path).work(3)
    make(tmp_path / "p" / ID)
    folder = Folder(tmp_path)
    for _ in range(3):
        snapshot = folder.snapshot()
    assert (puts(snapshot), states(snapshot)) == (3, (1, 0, 0))
    assert sum(snapshot.kinds["itself"][""].files_left_out.values()) == 1
    assert len([record for record in caplog.records if ID in record.getMessage()]) == 1
    alive.kill()
    assert puts(folder.snapshot()) == 3


STRANGE = {
    "a kind that we do not know": slot(said(kind="teapot"), [7.0]),
    "a field that we do not know": slot(said(fields=[["brewed", ["number"]]]), [7.0]),
    "a histogram where a number should be": slot(said(fields=[["puts", ["histogram", [1.0]]]]), [7.0, 7.0, 7.0]),
    "a number where a histogram should be": slot(said(fields=[["put_wait_seconds", ["number"]]]), [7.0]),
    "parts of another number": slot(said(fields=[["refused_puts", ["parts", 5]]]), [7.0] * 5),
    "a table with other labels": slot(
        said(kind="itself", rows=[[0, ""]], fields=[["build_info", ["table", [["a", "b"]]]]]), [1.0]
    ),
    "what is not known": slot(said(), [float("nan")]),
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=list(STRANGE))
def test_what_we_do_not_know_is_passed_over(make, tmp_path):
    """A publication of another release adds what we know of it, and breaks no page."""
    from bpexporter.export.text import render

    alive = Process(tmp_path).work(3)
    make(tmp_path / "p" / ID)
    folder = Folder(tmp_path)
    assert puts(folder.snapshot()) == 3
    assert b'backpressure_queue_puts_total{queue="jobs"} 3.0' in render(folder)
    alive.kill()


def test_a_complete_copy_of_a_living_file_is_no_process(tmp_path):
    """Neither under another name, nor, once the process is gone, in its place."""
    alive, folder = Process(tmp_path).work(3), Folder(tmp_path)
    copied(alive.path, tmp_path / "p" / ID)
    os.link(alive.path, tmp_path / "p" / ("e" * 16))
    assert (puts(folder.snapshot()), states(folder.snapshot())) == (3, (1, 0, 0))
    spare = copied(alive.path, tmp_path / "spare")
    alive.kill()
    assert (puts(folder.snapshot()), states(folder.snapshot())) == (3, (0, 0, 1))
    shutil.copy2(spare, alive.path)
    assert (puts(folder.snapshot()), states(folder.snapshot())) == (3, (0, 0, 1))


@pytest.mark.parametrize("again", [False, True], ids=["the same sidecar", "another sidecar"])
def test_a_copy_of_a_folded_file_counts_no_second_time(again, tmp_path):
    """Also where it has got the inode of the first one, as a file system may give it."""
    dead, folder = Process(tmp_path).work(3), Folder(tmp_path)
    kept = copied(dead.path, tmp_path / "kept")
    os.link(dead.path, tmp_path / "linked")  # keeps the inode
    dead.end()
    folder.poll()
    assert not dead.path.exists()
    if again:
        folder.close()
        folder = Folder(tmp_path)
    (tmp_path / "linked").rename(dead.path)
    shutil.copyfile(kept, dead.path)
    for _ in range(3):
        assert puts(folder.snapshot()) == 3


def test_files_of_another_user_are_left_out(tmp_path, monkeypatch):
    """What somebody else has written is not ours to believe."""
    process, folder = Process(tmp_path).work(3), Folder(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert puts(folder.snapshot()) is None
    assert folder.snapshot().kinds["itself"][""].files_left_out == {("owner",): 1}
    process.kill()


def test_totals_that_cannot_be_read_are_set_aside(tmp_path, caplog):
    """Somebody may look at them; counting goes on."""
    Folder(tmp_path).close()
    (tmp_path / "totals").write_bytes(b"garbage" * 1000)
    Process(tmp_path).work(3).end()
    folder = Folder(tmp_path)
    assert puts(folder.snapshot()) == 3
    assert (tmp_path / "totals.unreadable").read_bytes().startswith(b"garbage")
    assert [record for record in caplog.records if "cannot read the totals" in record.getMessage()]


def test_everything_is_removed_while_it_runs(tmp_path):
    """Processes and sidecar go on, and what was counted stays."""
    gone, alive, folder = Process(tmp_path).work(2), Process(tmp_path).work(3), Folder(tmp_path)
    gone.end()
    assert puts(folder.snapshot()) == 5
    shutil.rmtree(tmp_path)
    assert puts(folder.snapshot()) == 5
    alive.work(1)
    assert puts(folder.snapshot()) == 6
    folder.close()
    assert puts(Folder(tmp_path).snapshot()) == 6
    alive.kill()
