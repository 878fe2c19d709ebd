"""The folder: the dead are folded once, whoever looks; counters never fall; what is kept is bounded."""

import os
import random

import pytest
from fake_clock import Clock
from processes import Process, counters, files, puts, states

from bpexporter.publishing import evidence
from bpexporter.publishing import folder as folder_module
from bpexporter.publishing import totals as totals_module
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.totals import REMEMBERED, read_totals


def test_processes_are_added_up(tmp_path):
    """Counters and levels of all that live are one; the fullest is shown."""
    first, second = Process(tmp_path, maxsize=10).work(5), Process(tmp_path).work(8, 2)
    jobs = Folder(tmp_path).snapshot().queues["jobs"]
    assert (jobs.members, jobs.puts, jobs.depth_items, jobs.utilization_ratio) == (2, 13, 11, 0.5)
    first.kill()
    second.kill()


def test_gauges_of_the_dead_vanish_and_their_counters_stay(tmp_path):
    """What has ended is counted and no longer there."""
    folder, process = Folder(tmp_path), Process(tmp_path).work(5)
    assert folder.snapshot().queues["jobs"].depth_items == 5
    process.end()
    jobs = folder.snapshot().queues["jobs"]
    assert (jobs.puts, jobs.members, jobs.depth_items, jobs.utilization_ratio) == (5, None, None, None)


def test_ended_and_killed_are_told_apart(tmp_path):
    """Who published at its end has ended; who did not was killed."""
    folder = Folder(tmp_path)
    alive, ending, dying = (Process(tmp_path).work(1) for _ in range(3))
    assert states(folder.snapshot()) == (3, 0, 0)
    ending.end()
    dying.kill()
    assert (states(folder.snapshot()), puts(folder.snapshot())) == ((1, 1, 1), 3)
    alive.kill()


def test_the_dead_are_folded_once_and_their_files_go(tmp_path):
    """However often somebody looks, and whoever looks next."""
    Process(tmp_path).work(4).end()
    for _ in range(3):
        folder = Folder(tmp_path)
        assert (puts(folder.snapshot()), puts(folder.snapshot()), files(tmp_path)) == (4, 4, [])
        folder.close()


@pytest.mark.parametrize("way", ["end", "kill"])
@pytest.mark.parametrize("where", ["before the totals are written", "after", "at each file"])
def test_a_sidecar_that_is_killed_while_it_folds(tmp_path, monkeypatch, where, way):
    """Whenever it dies, the next one counts each of the dead once."""

    class Killed(BaseException):
        pass

    def die(*_args, **_options):
        raise Killed

    written = totals_module.write_totals

    def write_and_die(*args):
        written(*args)
        raise Killed

    for _ in range(3):
        getattr(Process(tmp_path).work(2), way)()
    folder = Folder(tmp_path)
    replaced = {
        "before the totals are written": (folder_module, "write_totals", die),
        "after": (folder_module, "write_totals", write_and_die),
        "at each file": (Folder, "_put_away", die),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*replaced[where])
        with pytest.raises(Killed):
            folder.snapshot()
    folder.close()
    again = Folder(tmp_path)
    for _ in range(2):
        assert (puts(again.snapshot()), files(tmp_path)) == (6, [])
    assert states(again.snapshot()) == ((0, 3, 0) if way == "end" else (0, 0, 3))


def test_many_sidecars_say_the_same(tmp_path):
    """One folds; the others read again where it has, and say the same at each moment."""
    folders = [Folder(tmp_path) for _ in range(3)]
    processes, chance, done = [], random.Random(7), 0
    for _ in range(60):
        if len(processes) < 4:
            processes.append(Process(tmp_path))
        number = chance.randrange(9)
        chance.choice(processes).work(number)
        done += number
        if chance.random() < 0.3:
            process = processes.pop(chance.randrange(len(processes)))
            process.publisher.publish()
            (process.end if chance.random() < 0.5 else process.kill)()
        chance.shuffle(folders)
        assert [puts(folder.snapshot()) or 0 for folder in folders] == [done] * 3
    for process in processes:
        process.kill()


def test_the_lock_goes_to_the_next(tmp_path):
    """When the sidecar that folds is gone, another one does."""
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.poll()
    second.poll()
    process = Process(tmp_path).work(3)
    first.close()
    process.end()
    assert (puts(second.snapshot()), files(tmp_path)) == (3, [])


def test_no_counter_falls_whoever_dies(tmp_path):
    """Processes with waits, seconds and histograms come and go, sidecars too, and no counter is ever less."""
    chance, folder, processes = random.Random(3), Folder(tmp_path), []
    shown: dict = {}
    for turn in range(120):
        processes.append(Process(tmp_path, name=chance.choice("ab"), maxsize=chance.choice([0, 5, 50])))
        chance.choice(processes).work(*[chance.randrange(5)] * 2)
        if len(processes) > 3:
            process = processes.pop(chance.randrange(len(processes)))
            (process.end if turn % 2 else process.kill)()
        if chance.random() < 0.1:
            folder.close()
            folder = Folder(tmp_path)
        now = dict(counters(folder.snapshot()))
        assert {key: (value, now.get(key)) for key, value in shown.items() if now.get(key, -1) < value} == {}
        shown = now
    for process in processes:
        process.kill()


def test_a_file_that_vanishes_stays_counted(tmp_path):
    """Who removes the file of a living process takes nothing back, and the process goes on under another ID."""
    folder, process = Folder(tmp_path), Process(tmp_path).work(3)
    assert puts(folder.snapshot()) == 3
    process.path.unlink()
    assert puts(folder.snapshot()) == 3
    process.work(2)
    assert puts(folder.snapshot()) == 5
    process.end()
    assert puts(folder.snapshot()) == 5


def test_a_lost_lock_counts_nothing_twice(tmp_path):
    """A host that closes all descriptors is folded, and goes on from what was published."""
    folder, process = Folder(tmp_path), Process(tmp_path).work(3)
    os.close(process.publisher._file._fd)
    assert puts(folder.snapshot()) == 3
    process.work(2)
    assert (puts(folder.snapshot()), states(folder.snapshot())) == (5, (1, 0, 1))
    os.close(process.publisher._file._fd)
    process.work(4)
    assert puts(folder.snapshot()) == 9
    process.end()
    assert puts(folder.snapshot()) == 9


def test_other_buckets_are_left_out_for_as_long_as_the_folder_lives(tmp_path):
    """The buckets of the first process stay, also when it is gone, and what is left out is counted."""
    folder, first = Folder(tmp_path), Process(tmp_path, buckets=(1.0, 2.0)).work(3)
    second = Process(tmp_path, buckets=(1.0, 3.0)).work(4)
    for _ in range(2):
        snapshot = folder.snapshot()
        jobs = snapshot.queues["jobs"]
        assert (jobs.puts, jobs.put_wait_seconds.bounds, jobs.put_wait_seconds.total) == (7, (1.0, 2.0), 3)
        assert snapshot.kinds["itself"][""].histograms_left_out == 3
        first.end()
    second.kill()
    assert folder.snapshot().queues["jobs"].put_wait_seconds.total == 3


def test_names_keep_their_series_when_there_are_too_many(tmp_path, monkeypatch):
    """Names over the limit are one, and a name is never moved: neither by a death nor by another sidecar."""
    monkeypatch.setattr("bpexporter.publishing.folder.MAX_NAMES", 2)
    processes = [Process(tmp_path, name=name).work(count) for count, name in enumerate("abcd", 1)]
    folder = Folder(tmp_path)
    expected = {"a": 1, "b": 2, "__other__": 7}
    assert {name: reading.puts for name, reading in folder.snapshot().queues.items()} == expected
    for process in reversed(processes):
        process.end()
        folder.close()
        folder = Folder(tmp_path)
        assert {name: reading.puts for name, reading in folder.snapshot().queues.items()} == expected


def test_evidence_of_crashes_is_kept_and_bounded(tmp_path, monkeypatch):
    """The last readings of the 16 newest that were killed are there for an hour, gauges included."""
    clock = Clock(1_000.0)
    monkeypatch.setattr("bpexporter.publishing.publisher.time.monotonic", clock)
    folder = Folder(tmp_path, clock=clock)
    for number in range(20):
        clock.now += 1
        Process(tmp_path).work(number).kill()
        folder.poll()
    Process(tmp_path).work(50).end()
    depths = [one.snapshot.queues["jobs"].depth_items for one in folder.evidence()]
    assert depths == list(range(19, 3, -1))
    assert len(list((tmp_path / evidence.KEPT).iterdir())) == 16
    folder.poll()
    clock.now += 3_590
    folder.poll()
    assert len(folder.evidence()) == len(list((tmp_path / evidence.KEPT).iterdir())) == 11
    assert puts(folder.snapshot()) == sum(range(20)) + 50


def test_many_that_came_and_went_leave_little(tmp_path):
    """Neither files nor IDs grow with the number of processes that have been there."""
    folder = Folder(tmp_path)
    for _ in range(REMEMBERED + 100):
        Process(tmp_path).work(1).end()
        folder.poll()
    assert (files(tmp_path), puts(folder.snapshot())) == ([], REMEMBERED + 100)
    assert len(read_totals(tmp_path).folded) <= REMEMBERED + 1
    assert (tmp_path / "totals").stat().st_size < 100_000


def test_files_that_were_never_finished_go(tmp_path):
    """A process that was killed while it made its file leaves nothing behind."""
    folder = Folder(tmp_path)
    (tmp_path / "p" / ".0123456789abcdef").write_bytes(b"half")
    folder.poll()
    assert files(tmp_path) == []


def test_what_is_read_seldom_is_read_before_it_counts(tmp_path):
    """A poll does not read what it has read lately; a scrape, and the end of a process, do."""
    folder, process = Folder(tmp_path), Process(tmp_path).work(1)
    folder.poll()
    process.work(1)
    folder.poll()
    assert puts(folder.snapshot()) == 2
    process.work(1)
    process.kill()
    folder.poll()
    assert puts(folder.snapshot()) == 3


def test_ages_of_publications_are_shown(tmp_path):
    """The oldest publication of the living is as old as it is."""
    clock = Clock(0.0)
    folder = Folder(tmp_path, clock=clock)
    process = Process(tmp_path).work(1)
    folder.poll()
    (published,) = (one.at for one in folder._alive.values())
    clock.now = published + 7
    assert folder.snapshot().kinds["itself"][""].process_age_seconds == pytest.approx(7)
    process.kill()
    assert folder.snapshot().kinds["itself"][""].process_age_seconds is None
