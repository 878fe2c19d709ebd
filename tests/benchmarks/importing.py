"""How long `import bpexporter` takes, in interpreters of its own."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from .scale import Scale
from .tables import Figures, over

ROOT = Path(__file__).parents[2]
BUDGET = 10
# Where no byte code may be written each import compiles our source, and asyncio's is there already.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

IMPORTING = """
import sys, time
begun = time.perf_counter()
import asyncio
between = time.perf_counter()
import bpexporter
ended = time.perf_counter()
print(between - begun, ended - between, *{"aiohttp", "prometheus_client"} & set(sys.modules))
"""


def _import() -> tuple[float, float, list[str]]:
    command = [sys.executable, "-c", IMPORTING]
    output = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    theirs, ours, *loaded = output.split()
    return float(theirs) * 1e3, float(ours) * 1e3, loaded


def importing(scale: Scale) -> Figures:
    """Milliseconds to import the package where asyncio is there already."""
    _import()  # writes the byte code
    runs = [_import() for _ in range(scale.imports)]
    ours, theirs = median(run[1] for run in runs), median(run[0] for run in runs)
    loaded = ", ".join(runs[0][2]) or "neither aiohttp nor prometheus_client"
    measured = f"{over(f'{ours:.1f} ms', ours, BUDGET)}, loads {loaded}"
    yield "import bpexporter, over asyncio", measured, f"asyncio {theirs:.1f} ms", f"<= {BUDGET} ms"
