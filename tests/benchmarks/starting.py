"""Start and memory of a program under `bpexporter run`, beside the same program alone."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from .importing import ENVIRONMENT, ROOT
from .scale import Scale
from .tables import Figures, over

STARTING, MEMORY = 60, 6.0
PROGRAM = """
import asyncio, time
print(time.time())
async def main():
    jobs = asyncio.Queue(10)
    await jobs.put(1)
asyncio.run(main())
# of this program alone, where the system tells it: what getrusage() tells is also the memory of who started it
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) / 1024)
"""


def run(path: Path, *words: str) -> tuple[float, float]:
    """Milliseconds from the call to the first line after `import asyncio`, and the most MB that the program took."""
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    begun = time.time()
    output = subprocess.run(
        [sys.executable, *words, str(path)], env=environment, capture_output=True, text=True, check=True
    ).stdout
    first, most = map(float, output.split())
    return (first - begun) * 1e3, most


def starting(scale: Scale) -> Figures:
    """The two by turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(PROGRAM)
        served = ("-m", "bpexporter", "run", "--port", "0")
        run(path, *served)  # writes the byte code
        alone, ours = zip(*[(run(path), run(path, *served)) for _ in range(scale.imports)], strict=True)
    before, after = (median(took for took, _ in runs) for runs in (alone, ours))
    more = after - before
    yield (
        "start of a program under `run`",
        over(f"+{more:.0f} ms", more, STARTING),
        f"alone {before:.0f} ms",
        f"<= {STARTING} ms",
    )
    before, after = (median(size for _, size in runs) for runs in (alone, ours))
    more = after - before
    yield "its memory", over(f"+{more:.1f} MB", more, MEMORY), f"alone {before:.1f} MB", f"<= {MEMORY:g} MB"
