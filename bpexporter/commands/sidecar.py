"""``bpexporter sidecar``: serve what the processes that publish in a folder have read of themselves.

Exit codes: 0 ended by SIGTERM or Ctrl-C; 1 where it cannot serve; 2 where the words of the call are off.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Any

from bpexporter.commands.words import WEB_CONFIG, chosen, port, say, text
from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT

SIDECAR = "Serve the merged readings of all processes that publish in a folder"
DETAILS = (
    f"{SIDECAR}: those with BPEXPORTER_DIR=DIR in their environment, or that call bpexporter.publish(DIR). "
    "DIR is on a local file system, tmpfs or an emptyDir, and all run as one user. "
    "BPEXPORTER_DIR, BPEXPORTER_HOST and BPEXPORTER_PORT do what the options do."
)


def word_sidecar(commands: Any) -> None:
    """Add the command to the words of the command line."""
    sidecar = commands.add_parser("sidecar", help=SIDECAR, description=DETAILS)
    sidecar.add_argument("--dir", metavar="DIR", help="the folder in which they publish; made where it is missing")
    sidecar.add_argument("--host", help=f"address to listen on (default: {DEFAULT_HOST})")
    sidecar.add_argument("--port", type=port, help=f"port, 0 for any (default: {DEFAULT_PORT})")
    sidecar.add_argument(
        "--per-process",
        action="store_true",
        help="series of its own for each living process, with the label process (pid and ID); "
        "what ended processes have counted is not shown then",
    )
    sidecar.add_argument("--web-config", metavar="FILE", help=WEB_CONFIG)
    sidecar.set_defaults(call=run_sidecar, fail=sidecar.error)


def run_sidecar(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from bpexporter.server.door import OPEN, read_web_config
    from bpexporter.server.sidecar import Sidecar

    folder = chosen(options, "dir", text, "")
    if not folder:
        options.fail("--dir DIR, or BPEXPORTER_DIR in the environment, is needed")
    address = chosen(options, "host", text, DEFAULT_HOST), chosen(options, "port", port, DEFAULT_PORT)
    door = read_web_config(options.web_config) if options.web_config else OPEN
    sidecar = Sidecar(Path(folder).absolute(), *address, per_process=options.per_process, door=door)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sidecar.stop())
    say(f"the metrics of the processes in {folder} are at {sidecar.exporter.url}")
    sidecar.serve()
    return 0
