"""Hearing of a module's import."""

import importlib
import sys

import pytest

from bpexporter.primitives.imports import Imports


@pytest.fixture
def imports(tmp_path, monkeypatch):
    """A module `later_made` that can be imported, and what hears of it."""
    (tmp_path / "later_made.py").write_text("loaded = True")
    monkeypatch.syspath_prepend(tmp_path)
    yield Imports()
    sys.modules.pop("later_made", None)


def test_it_is_told_once_the_module_is_loaded(imports):
    """Nothing happens before; then the module is whole, and the loader as it was."""
    seen = []
    imports.when_loaded("later_made", lambda: seen.append(sys.modules["later_made"].loaded))
    assert seen == []
    module = importlib.import_module("later_made")
    assert seen == [True]
    assert "exec_module" not in vars(module.__spec__.loader)
    imports.when_loaded("later_made", lambda: seen.append("at once"))
    assert seen == [True, "at once"]
    sys.meta_path.remove(imports)


def test_it_is_forgotten(imports):
    """Who wants to hear no more is not told, and nothing of ours stays among the finders."""
    seen = []
    call = lambda: seen.append(1)  # noqa: E731
    imports.when_loaded("later_made", call)
    imports.forget("later_made", call)
    importlib.import_module("later_made")
    assert (seen, imports in sys.meta_path) == ([], False)


def test_a_module_that_is_not_there(imports):
    """A module that cannot be found fails as without, and may still come."""
    imports.when_loaded("not_there_at_all", lambda: None)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("not_there_at_all")
    sys.meta_path.remove(imports)
