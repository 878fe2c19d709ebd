"""The command line: parse, call, exit code.

Exit codes: 0 done, 1 could not do it (one line on stderr says why), 2 the words of the call are off,
130 ended by Ctrl-C before there was anything to end cleanly.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bpexporter.catalogue.metrics import METRICS
from bpexporter.commands import run
from bpexporter.commands.words import port
from bpexporter.resources.declaration import Metric
from bpexporter.settings import DEFAULT_HOST, DEFAULT_PORT, VERSION, from_environment

ASSETS = "Write dashboards, alert rules, and files for Prometheus, Grafana, Docker and Kubernetes into a folder"
DIAGNOSE = "Say what is slow in a program, and whose fault it is"
DEMO = "A live pipeline that backs up and recovers, with its metrics served"


def seconds(text: str) -> float:
    """`text` as seconds above zero, for argparse."""
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def run_demo(options: argparse.Namespace) -> int:
    """The demo: a pipeline that backs up and recovers, with its metrics served."""
    from bpexporter.commands.demo.pipeline import run as run_pipeline

    return run_pipeline(host=options.host, port=options.port, seconds=options.seconds, cycle=options.cycle)


def table_row(metric: Metric) -> str:
    """One row of the table of metrics, in Markdown."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} | {metric.meaning} |"


def markdown_table() -> str:
    """The table of all metrics, in Markdown."""
    head = ["| metric | kind | labels | what is counted | when it grows |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *map(table_row, METRICS)])


def plain_table() -> str:
    """All metrics, a line of name and kind and a line of help each."""
    return "\n".join(f"{metric.name} ({metric.kind})\n    {metric.help} {metric.meaning}" for metric in METRICS)


def run_metrics(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    print(options.table())
    return 0


def run_assets(options: argparse.Namespace) -> int:
    """Write dashboards, rules and configuration into a folder."""
    from bpexporter.commands.assets import write

    names = write(options.folder, overwrite=options.force)
    print(f"{len(names)} files in {options.folder}; begin with {options.folder / 'grafana' / 'README.md'}")
    return 0


def run_diagnose(options: argparse.Namespace) -> int:
    """Say what is slow, and whose fault it is."""
    from bpexporter.commands.diagnose import run

    return run(options)


def word_diagnose(commands: Any) -> None:
    """Add the command `diagnose` to the words of the command line."""
    details = f"{DIAGNOSE}: two readings are compared. Exit code 0: healthy; 1: backpressure; 2: could not tell."
    words = commands.add_parser("diagnose", help=DIAGNOSE, description=details)
    source = words.add_mutually_exclusive_group()
    home = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}/metrics"
    source.add_argument("url", nargs="?", metavar="URL", help=f"of an exporter or a sidecar (default: {home})")
    source.add_argument("--dir", metavar="DIR", type=Path, help="the folder to which programs publish, the dead too")
    words.add_argument("--seconds", type=seconds, default=10.0, help="between the readings (default: %(default)g)")
    words.add_argument("--json", action="store_true", help="for programs")
    words.set_defaults(call=run_diagnose)


def word_assets(commands: Any) -> None:
    """Add the command `assets` to the words of the command line."""
    assets = commands.add_parser("assets", help=ASSETS, description=f"{ASSETS}, out of the installed package.")
    assets.add_argument("folder", metavar="DIR", type=Path, help="where to; made where it is missing")
    assets.add_argument("--force", action="store_true", help="overwrite files that differ")
    assets.set_defaults(call=run_assets)


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    from bpexporter.commands.sidecar import word_sidecar
    from bpexporter.commands.top.command import word_top

    top = argparse.ArgumentParser(prog="bpexporter", description="Backpressure metrics for asyncio programs.")
    top.add_argument("--version", action="version", version=f"bpexporter {VERSION}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help=DEMO, description=f"{DEMO}. Ctrl-C ends it with exit code 0.")
    demo.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (default: %(default)s)")
    demo.add_argument("--port", type=port, default=DEFAULT_PORT, help="port, 0 for any (default: %(default)s)")
    demo.add_argument("--seconds", type=seconds, default=math.inf, help="how long (default: until Ctrl-C)")
    demo.add_argument(
        "--cycle", type=seconds, default=20.0, help="seconds; for half of each the demo backs up (default: %(default)g)"
    )
    demo.set_defaults(call=run_demo)
    metrics = commands.add_parser("metrics", help="print every metric with what it counts and what it means")
    metrics.add_argument(
        "--markdown", action="store_const", const=markdown_table, dest="table", help="as a table in Markdown"
    )
    metrics.set_defaults(call=run_metrics, table=plain_table)
    run.word_run(commands)
    word_sidecar(commands)
    word_diagnose(commands)
    word_assets(commands)
    word_top(commands)
    return top


def leave_alone() -> None:
    """Commands of ours, but for the demo, are no programs to be watched, also where BPEXPORTER_DIR is set."""
    if not from_environment("dir"):
        return
    publisher = sys.modules.get("bpexporter.publishing.publisher")
    installed = sys.modules.get("bpexporter.automatic.install")
    if publisher is not None:
        publisher.stop_publishing()
    if installed is not None:
        installed.uninstall()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    own, program = run.split(sys.argv[1:] if arguments is None else arguments)
    if own[:1] == ["run"]:
        options, unknown = run.parser().parse_known_args(own[1:])
        if unknown:
            options.fail(f"unrecognized arguments: {' '.join(unknown)}")
        return run.run_under_watch(options, program)
    options = parser().parse_args(own)
    if options.call is not run_demo:
        leave_alone()
    try:
        code = int(options.call(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        print(f"bpexporter: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
