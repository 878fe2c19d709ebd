"""The file of one process: whole before it is seen, locked for life, and left when it is lost."""

import errno
import fcntl
import os
import struct

import pytest

from bpexporter.publishing import own_file
from bpexporter.publishing.format import SMALLEST, Unreadable
from bpexporter.publishing.own_file import Lost, OwnFile, made_folder
from bpexporter.publishing.reading import is_locked, opened, read_file

NAMES = b'{"about":{},"layouts":[["loop",[["tasks",["number"]]]]],"rows":[[0,"main"]]}'


def doubles(number):
    """The one number of a publication."""
    return struct.pack("d", number)


def tasks(path):
    """What the file at `path` says."""
    ((_layout, numbers),) = read_file(path).rows.values()
    return numbers


def locked(path):
    """Whether somebody holds the lock on this file."""
    fd = opened(path)
    try:
        return is_locked(fd)
    finally:
        os.close(fd)


@pytest.fixture
def file(tmp_path):
    """A file that has published once."""
    file = OwnFile(tmp_path)
    file.write(NAMES, doubles(1), at=1.0)
    yield file
    file.close()


def test_what_was_written_last_is_read(file):
    """Each publication takes the place of the one before the last."""
    for number in (2.0, 3.0, 4.0):
        file.write(NAMES, doubles(number), at=number)
        assert tasks(file.path) == [number]
    assert read_file(file.path).sequence == 4


@pytest.mark.parametrize("offset", [0, 20, 60, 100])
def test_a_slot_that_is_being_written_is_passed_over(file, offset):
    """With one slot torn the other one is whole, and is what counts."""
    file.write(NAMES, doubles(2), at=2.0)
    size = file.path.stat().st_size
    with file.path.open("r+b") as opened_file:
        opened_file.seek(
            256 + (size - 256) // 2 * 0 + offset
        )  # the newer publication, the second, is in the first slot
        opened_file.write(b"\xff")
    assert tasks(file.path) in ([1.0], [2.0])
    with file.path.open("r+b") as opened_file:
        opened_file.seek(256)
        opened_file.write(b"\xff" * len(NAMES))
    assert tasks(file.path) == [1.0]


def test_the_file_is_locked_and_this_users_alone(file):
    """Whoever looks sees that the process lives; nobody else may look."""
    assert locked(file.path)
    assert (file.path.stat().st_mode & 0o777, file.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.close()
    assert not locked(file.path)


def test_a_larger_publication_takes_a_larger_file(file):
    """The file grows by a new one in its place, locked and whole, that goes on with the sequence."""
    before = file.path.stat().st_ino
    long = NAMES[:-1] + b',"more":"' + b"x" * SMALLEST + b'"}'
    file.write(long, doubles(5), at=2.0)
    assert (tasks(file.path), read_file(file.path).sequence) == ([5.0], 2)
    assert locked(file.path)
    assert file.path.stat().st_ino != before
    assert [path.name for path in file.path.parent.iterdir()] == [file.id]


def test_a_full_disk_leaves_what_is_there(file, monkeypatch):
    """Room is taken before anything is written: what was published stays, and nothing half made is left."""

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(own_file, "allocate", full)
    with pytest.raises(OSError, match="full"):
        file.write(NAMES + b" " * SMALLEST, doubles(5), at=2.0)
    assert [path.name for path in file.path.parent.iterdir()] == [file.id]
    file.write(NAMES, doubles(6), at=3.0)
    assert tasks(file.path) == [6.0]


@pytest.mark.parametrize("error", [BlockingIOError, FileNotFoundError])
def test_a_new_file_that_a_sidecar_takes_for_a_leftover_is_lost(file, tmp_path, monkeypatch, error):
    """Between its making and its lock it looks like one that was never finished: it is begun again."""

    def taken(*_):
        raise error

    monkeypatch.setattr(own_file, "allocate", taken)
    with pytest.raises(Lost):
        OwnFile(tmp_path).write(NAMES, doubles(1), at=1.0)
    assert [path.name for path in file.path.parent.iterdir()] == [file.id]


def test_a_publication_without_bounds_is_refused(file):
    """A process cannot make others read without end."""
    with pytest.raises(OSError, match="more than a process may publish"):
        file.write(NAMES + b" " * (1 << 26), doubles(5), at=2.0)


def test_a_file_that_is_gone_is_lost(file):
    """Who removes the file makes the publisher begin anew."""
    file.path.unlink()
    with pytest.raises(Lost):
        file.write(NAMES, doubles(2), at=2.0)


def test_a_host_that_closes_all_descriptors(file):
    """The lock is gone with them, which is noticed; a file of the host's that has got the number is left alone."""
    os.close(file._fd)
    with pytest.raises(Lost):
        file.write(NAMES, doubles(2), at=2.0)
    own = os.open(file.path.parent / "host", os.O_CREAT | os.O_RDWR)
    file._fd = own
    with pytest.raises(Lost):
        file.write(NAMES, doubles(2), at=2.0)
    file.close()
    fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)  # open, and nobody's
    assert os.fstat(own).st_size == 0
    os.close(own)


def test_a_lock_that_somebody_else_has_taken_is_lost(file):
    """Where the sidecar is about to fold the file nothing more is written into it."""
    fcntl.flock(file._fd, fcntl.LOCK_UN)
    fd = opened(file.path)
    assert not is_locked(fd)
    with pytest.raises(Lost):
        file.write(NAMES, doubles(2), at=2.0)
    os.close(fd)
    assert tasks(file.path) == [1.0]


def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    """Nothing is published where another user reads and removes."""
    made_folder(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="another user"):
        made_folder(tmp_path)


def test_a_file_where_the_folder_should_be_is_told(tmp_path):
    """So is what is no folder, a link to one included."""
    (tmp_path / "p").symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        made_folder(tmp_path)


def test_an_empty_file_says_nothing(tmp_path):
    """A file without a publication is told apart from one."""
    (tmp_path / "0123456789abcdef").touch()
    with pytest.raises(Unreadable, match="size"):
        read_file(tmp_path / "0123456789abcdef")
