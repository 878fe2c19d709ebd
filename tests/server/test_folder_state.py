"""What the state says of a folder in which processes publish, besides readings."""

import sys

from processes import Process

from bpexporter import Hub
from bpexporter.adapters import choosing
from bpexporter.publishing import publisher
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.publisher import Publisher
from bpexporter.server.folder_state import processes_of, unseen_in


def test_a_process_that_watches_nothing_is_not_taken_for_a_stuck_one(tmp_path):
    """It publishes once and no more, as the parent of a server's workers does: its age is not known."""
    watching, parent = Process(tmp_path).work(1), Publisher(tmp_path, Hub())
    parent.publish()
    folder = Folder(tmp_path)
    ages = [one["age_seconds"] for one in processes_of(folder)]
    assert [age is None for age in ages] == [False, True]
    folder.close(), watching.kill(), parent._file.close()


def test_the_killed_are_told_with_what_was_fullest_in_them(tmp_path):
    """Its name leads to the evidence: the queue that held most when it was killed."""
    Process(tmp_path, name="jobs").work(7).kill()
    folder = Folder(tmp_path)
    folder.poll()
    (killed,) = processes_of(folder)
    assert killed["state"] == "killed"
    assert killed["name"].endswith("; queue jobs: 7 items")
    folder.close()


def test_a_folder_of_nothing_says_so(tmp_path):
    """Where nobody publishes anything it is said what was looked for."""
    folder = Folder(tmp_path)
    assert [one["what"] for one in unseen_in(folder)] == ["nothing is watched"]
    folder.close()


def test_what_a_process_does_not_see_is_told(tmp_path, monkeypatch):
    """Libraries that wait without asyncio, and those of a version that was never tried: of all processes, once."""
    monkeypatch.setitem(sys.modules, "trio", sys)
    monkeypatch.setattr(choosing, "left_alone", {"janus": "9.0 was never tried (2.0.0 to 2.0 were)"})
    processes = [Process(tmp_path).work(1), Process(tmp_path).work(1)]
    folder = Folder(tmp_path)
    told = {one["what"]: one["why"] for one in unseen_in(folder)}
    assert len(told) == len(unseen_in(folder))
    assert told["what trio runs"] == "it waits by itself, and not with asyncio"
    assert told["what janus holds"] == "9.0 was never tried (2.0.0 to 2.0 were)"
    folder.close()
    for process in processes:
        process.kill()


def test_what_a_process_says_may_be_anything(tmp_path, monkeypatch):
    """A process of ill will says no more than it can say in words."""
    monkeypatch.setattr(publisher, "unseen", lambda: [3, {"what": 1, "why": ""}, {"what": "a"}, None])
    process, folder = Process(tmp_path).work(1), Folder(tmp_path)
    assert unseen_in(folder) == []
    folder.close(), process.kill()
