"""An item is known again without being held, and not taken for another at its address."""

import gc
import weakref

import pytest

from bpexporter.primitives.likeness import identities, is_alike, likeness_of


class Thing:
    """Something that can be referred to weakly."""


@pytest.mark.parametrize("item", [5, "text", b"bytes", 2.5, None, (5, 0, "a"), [5, 0, "a"], Thing(), {}, {1}])
def test_an_item_is_like_itself(item):
    """Whatever it is."""
    assert is_alike(likeness_of(item), item)


@pytest.mark.parametrize(
    ("one", "other"), [(5, 6), ("a", "b"), ((5, 0, "a"), (6, 0, "a")), ([5, 0], [6, 0]), (Thing(), Thing()), ({}, {1})]
)
def test_another_is_not_alike(one, other):
    """Numbers, texts, entries of heaps, objects."""
    assert not is_alike(likeness_of(one), other)


def test_an_entry_that_is_marked_as_removed_is_the_same():
    """The idiom of heaps: its numbers stay, what it carries gives way to a mark."""
    entry = [5, 1, "task"]
    likeness = likeness_of(entry)
    entry[-1] = "<removed>"
    assert is_alike(likeness, entry)


def test_nothing_is_held():
    """Neither an item nor a part of one lives longer for it."""
    thing = Thing()
    kept = likeness_of(thing), likeness_of((1, thing)), likeness_of([thing])
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None
    assert kept


def test_no_code_of_an_item_runs():
    """Neither its equality nor its hash is asked for."""

    class Touchy:
        def __eq__(self, other):
            raise AssertionError

        def __hash__(self):
            raise AssertionError

    item = Touchy()
    assert is_alike(likeness_of((1, item)), (1, item))
    assert is_alike(likeness_of(item), item)
    assert identities([item]) == [id(item)]
