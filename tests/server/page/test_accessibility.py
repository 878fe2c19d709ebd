"""The page is for everybody: axe-core finds nothing wrong with it, in each state that people see."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from browser import opened
from needs import missing, needs
from shown import held_up, page_of, program

import bpexporter

HERE = Path(__file__).parent / "axe"
CHECK = """async () => (await axe.run(document)).violations.map(
  (one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`)"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """axe-core's source, from npm."""
    needs("node")
    folder = tmp_path_factory.mktemp("axe")
    shutil.copy(HERE / "package.json", folder)
    flags = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"]
    command = [needs("npm"), "install", *flags]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    if done.returncode:
        missing(f"axe-core cannot be had from npm: {done.stderr.strip()[-200:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def violations(page, axe):
    """What axe says, once the colours have settled."""
    await page.evaluate(axe)
    return await page.evaluate(CHECK)


@pytest.mark.schemas
@pytest.mark.parametrize("shape", [{}, {"dark": True}, {"width": 360, "height": 740}, {"width": 360, "dark": True}])
async def test_who_is_held_up_can_be_read_by_everybody(hub, exporter, axe, shape):
    """Light, dark and narrow, with a culprit, its flow and its detail, nothing is wrong."""
    queue, put = await held_up(hub)
    async with opened(page_of(exporter), **shape) as seen:
        await seen.page.locator("#verdict .card").first.wait_for(timeout=20_000)
        assert await violations(seen.page, axe) == []
        await seen.page.locator("tbody .open", has_text="jobs").click()
        await seen.page.locator("#detail .numbers").wait_for()
        assert await violations(seen.page, axe) == []
    queue.get_nowait()
    await put


@pytest.mark.schemas
async def test_a_program_with_nothing_to_see_can_be_read_by_everybody(exporter, axe):
    """The page of an empty program has nothing wrong either."""
    async with opened(page_of(exporter)) as seen:
        await seen.page.locator("#nothing").wait_for()
        assert await violations(seen.page, axe) == []


@pytest.mark.schemas
async def test_a_stuck_process_can_be_read_by_everybody(axe):
    """The page of a process that does not answer says so in a way that all can read."""
    process, port = await program()
    try:
        async with opened(f"http://127.0.0.1:{port}/") as seen:
            os.kill(process.pid, signal.SIGSTOP)
            await seen.page.wait_for_selector('#link[data-state="lost"]', timeout=15_000)
            assert await violations(seen.page, axe) == []
    finally:
        process.kill()
        await process.wait()


@pytest.mark.schemas
async def test_the_check_finds_what_is_wrong(hub, exporter, axe):
    """A button without a word, a text that is too pale and a picture without a name are found."""
    bpexporter.watch(asyncio.Queue(1), "q", hub=hub)
    spoil = """() => document.querySelector("main").insertAdjacentHTML("beforeend",
      '<button id="dumb"></button><p id="pale">pale</p><svg role="img" width="9" height="9"></svg>')
      || (document.getElementById("pale").style.color = "#eee")"""
    async with opened(page_of(exporter)) as seen:
        await seen.page.evaluate(spoil)
        found = {one.split(":")[0] for one in await violations(seen.page, axe)}
        assert {"button-name", "color-contrast", "svg-img-alt"} <= found
