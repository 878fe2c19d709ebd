"""Well-known libraries pass their own tests under `install()` as they do without.

Each comes from PyPI with its tests, into an environment of its own; it takes minutes and the network, so it is
run by ``pytest -m libraries`` only. ``BPEXPORTER_LIBRARIES`` names a folder that keeps the environments.
"""

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.libraries, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True, kw_only=True)
class Library:
    """What is run: a version, what its tests need, where they are, and which of them."""

    name: str
    version: str
    needs: tuple[str, ...]
    tests: str
    options: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    """Tests that may come out differently, each with its reason beside it."""


LIBRARIES = (
    Library(
        name="aiojobs",
        version="1.4.0",
        needs=("pytest-aiohttp", "aiohttp", "pytest-cov"),
        tests="tests",
        options=("-o", "asyncio_mode=auto"),
    ),
    Library(name="janus", version="2.0.0", needs=("pytest-asyncio", "pytest-cov"), tests="tests"),
    Library(
        name="aiosmtpd",
        version="1.4.6",
        needs=("pytest-asyncio", "pytest-mock", "pytest-cov", "setuptools<80"),
        tests="aiosmtpd/tests",
        # its list of warnings to be errors is from before the present pytest
        options=("-W", "default", "-o", "filterwarnings=default", "-o", "asyncio_default_fixture_loop_scope=function"),
    ),
    Library(
        name="aioftp",
        version="0.28.3",
        needs=("pytest-asyncio", "pytest-mock", "pytest-cov", "async-timeout", "siosocks", "trustme"),
        tests="tests",
    ),
    Library(name="aiostream", version="0.8.1", needs=("pytest-asyncio", "pytest-cov"), tests="tests"),
    Library(
        name="anyio",
        version="4.16.0",
        needs=("pytest-mock", "hypothesis", "trustme", "psutil", "exceptiongroup", "blockbuster", "truststore"),
        tests="tests/test_synchronization.py",
        options=("-W", "default", "-k", "asyncio"),
    ),
    Library(
        name="httpcore",
        version="1.0.9",
        needs=("pytest-httpbin", "pytest-trio", "trio", "anyio", "h2", "socksio", "werkzeug<2.1", "httpbin"),
        tests="tests/_async",
        options=("-W", "default", "-k", "asyncio"),
    ),
    Library(name="culsans", version="0.11.0", needs=("pytest-asyncio",), tests="tests"),
)


def call(*command: object, **environment: str) -> None:
    """Run it; it must end well."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def prepared(library: Library, folder: Path) -> tuple[Path, Path]:
    """The interpreter of an environment with the library and its tests, and the folder of its source."""
    place = folder / f"{library.name}-{library.version}-{sys.version_info.major}.{sys.version_info.minor}"
    python = place / "env" / "bin" / "python"
    if not (place / "ready").exists():
        wanted = f"{library.name}=={library.version}"
        call(sys.executable, "-m", "venv", place / "env")
        pip = (python, "-m", "pip", "--disable-pip-version-check")
        call(*pip, "download", "-q", "--no-deps", "--no-binary", library.name, "-d", place, wanted)
        with tarfile.open(next(place.glob("*.tar.gz"))) as archive:
            archive.extractall(place, filter="data")
        call(*pip, "install", "-q", wanted, "pytest", "pytest-timeout", *library.needs)
        (place / "ready").touch()
    return python, next(path for path in place.glob(f"{library.name}*") if path.is_dir())


def outcomes(library: Library, python: Path, source: Path, leg: str, tests: tuple[str, ...]) -> dict:
    """What came of each of `tests` in one leg."""
    out = source.parent / f"{leg}.json"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))),
        "BPEXPORTER_LEG": leg,
        "BPEXPORTER_OUTCOMES": str(out),
        "BPEXPORTER_RAISE": "1",
    }
    # a suite may fail here by itself; what counts is whether it does so in both legs
    plugins = ("-p", "outcomes_plugin", "-p", "no:cacheprovider", "--timeout", "120")
    subprocess.run(
        [python, "-m", "pytest", "-q", *plugins, *library.options, *tests],
        cwd=source, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    return json.loads(out.read_text())


def different(bare: dict, watched: dict) -> list[str]:
    """The tests that came out differently."""
    before, after = bare["outcomes"], watched["outcomes"]
    return sorted(test for test in before.keys() | after.keys() if before.get(test) != after.get(test))


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_a_library_passes_its_tests_under_install(library, tmp_path):
    """The tests of a library come out as they do without `install()`; what differs once is run once more alone."""
    folder = Path(os.environ.get("BPEXPORTER_LIBRARIES", tmp_path))
    python, source = prepared(library, folder)
    bare, watched = (outcomes(library, python, source, leg, (library.tests,)) for leg in ("bare", "watched"))
    passed = sum(outcome == "passed" for outcome in bare["outcomes"].values())
    print(f"{library.name} {library.version}: {passed} of {len(bare['outcomes'])} pass; seen: {watched['seen']}")
    assert passed > 10
    assert watched["errors"] == 0
    suspects = [test for test in different(bare, watched) if test not in library.expected]
    if suspects:
        print("once different:", *suspects, sep="\n  ")
        again = tuple(suspects)
        bare, watched = (outcomes(library, python, source, leg, again) for leg in ("bare", "watched"))
        assert different(bare, watched) == []
