"""Programs that run in an interpreter of their own."""

import os
import subprocess
import sys

from threads_at_work import PATIENCE, ROOT

PRELUDE = """
import asyncio, gc, os, signal, sys, threading, time, urllib.request
import bpexporter
from bpexporter import Hub, snapshot, start, unwatch, watch

def scrape(exporter):
    with urllib.request.urlopen(exporter.url, timeout=20) as answer:
        return answer.read().decode()

def scraped(exporter):
    '''By threads, until the end.'''
    def forever():
        try:
            while True: scrape(exporter)
        except OSError:
            pass
    for _ in range(3): threading.Thread(target=forever, daemon=True).start()
    scrape(exporter)

def value(page, name, queue="q"):
    start = f'backpressure_queue_{name}{{queue="{queue}"}} '
    return [float(line[len(start):]) for line in page.splitlines() if line.startswith(start)][0]
"""


def run(program: str, *options: str) -> tuple[str, str, int]:
    """Run a program of its own: what it wrote, what it complained of, its code."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, *options, "-c", PRELUDE + program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout, done.stderr, done.returncode
