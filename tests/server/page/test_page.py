"""The page in a real Chromium: what people see of a program that backs up, and of one that does not answer."""

import asyncio
import os
import signal

import pytest
from browser import opened
from shown import held_up, page_of, program

import bpexporter

HOSTILE = '<img src=x onerror="document.title=1">'


async def test_who_is_held_up_stands_first(hub, exporter):
    """The table has a row for each resource, the worst on top, with its numbers."""
    calm = bpexporter.watch(asyncio.Queue(2), "calm", hub=hub)
    queue, put = await held_up(hub)
    async with opened(page_of(exporter)) as seen:
        row = seen.page.locator("#resources tbody tr").first
        await row.get_by_text("100 %").first.wait_for()
        assert "jobs" in await row.inner_text()
        assert await seen.page.locator("#resources tbody tr").count() == 3  # and the loop
    queue.get_nowait()
    await put
    assert calm.empty()


async def test_names_are_text(hub, exporter):
    """A name that looks like markup is shown as it is and does nothing."""
    queue, put = await held_up(hub, HOSTILE)
    async with opened(page_of(exporter)) as seen:
        await seen.page.get_by_role("button", name=HOSTILE).first.click()
        assert await seen.page.locator("#detail-title").inner_text() == HOSTILE
        assert (await seen.page.title()).endswith("bpexporter")
        assert await seen.page.locator("img").count() == 0
    queue.get_nowait()
    await put


async def test_the_keyboard_does_all(hub, exporter):
    """A row is opened and closed, a column sorted and the table filtered without a mouse."""
    queues = [bpexporter.watch(asyncio.Queue(2), name, hub=hub) for name in ("beta", "alpha")]
    async with opened(page_of(exporter)) as seen:
        page = seen.page
        await page.locator("#resources thead button").first.focus()
        await page.keyboard.press("Enter")
        assert await page.locator("#resources tbody tr").first.inner_text() >= "alpha"
        assert await page.locator("#resources th[aria-sort=ascending]").count() == 1
        await page.locator("tbody .open").first.focus()
        await page.keyboard.press("Enter")
        assert await page.locator("#detail").is_visible()
        assert await page.locator("#detail-title").inner_text() == "alpha"
        await page.keyboard.press("Escape")
        assert not await page.locator("#detail").is_visible()
        await page.locator("#filter").focus()
        await page.keyboard.type("bet")
        assert await page.locator("#resources tbody tr").count() == 1
    assert len(queues) == 2


async def test_the_detail_says_what_numbers_mean(hub, exporter):
    """Every number of a resource stands with the meaning that the catalogue gives it."""
    queue, put = await held_up(hub)
    async with opened(page_of(exporter)) as seen:
        await seen.page.locator("tbody .open", has_text="jobs").click()
        await seen.page.get_by_text("Items waiting.").wait_for()
        assert "Time in each band" in await seen.page.locator("#detail-body").inner_text()
    queue.get_nowait()
    await put


@pytest.mark.parametrize("dark", [False, True])
async def test_it_is_light_or_dark_as_the_reader_wants(hub, exporter, dark):
    """It follows the system, and a button changes it for good."""
    async with opened(page_of(exporter), dark=dark) as seen:
        theme = "document.documentElement.dataset.theme"
        assert await seen.page.evaluate(theme) == ("dark" if dark else "light")
        await seen.page.locator("#theme").click()
        await seen.page.reload()
        assert await seen.page.evaluate(theme) == ("light" if dark else "dark")


async def test_a_narrow_screen_scrolls_down_alone(hub, exporter):
    """On a telephone nothing is wider than the screen."""
    queue, put = await held_up(hub, "a.very.long.module.name:and_a_variable_with_a_long_name_besides")
    async with opened(page_of(exporter), width=360, height=740) as seen:
        await seen.page.locator("tbody tr").first.wait_for()
        assert await seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    queue.get_nowait()
    await put


FRAMES = """async () => {
  const frames = [];
  let last = performance.now();
  const end = last + 4000;
  await new Promise((done) => requestAnimationFrame(function look(now) {
    frames.push(now - last); last = now;
    now < end ? requestAnimationFrame(look) : done();
  }));
  return frames.length;
}"""


async def test_two_hundred_resources_are_all_there(hub, exporter):
    """Two hundred queues are two hundred rows, and the page goes on drawing while they change."""
    queues = [bpexporter.watch(asyncio.Queue(10), f"worker {number}", hub=hub) for number in range(200)]
    async with opened(page_of(exporter)) as seen:
        await seen.page.locator("tbody tr").nth(199).wait_for()
        for number, queue in enumerate(queues):
            queue.put_nowait(number)
        assert await seen.page.evaluate(FRAMES) > 10
        await seen.page.locator("#resources tbody").get_by_text("10 %").first.wait_for()


async def test_rows_are_changed_and_not_made_again(hub, exporter):
    """What moves changes rows that are there, and who points at a row keeps it under the pointer."""
    queues = [bpexporter.watch(asyncio.Queue(10), name, hub=hub) for name in ("first", "second")]
    for queue in queues:
        queue.put_nowait(0)  # the flow is there from the beginning
    async with opened(page_of(exporter)) as seen:
        rows = seen.page.locator("#resources tbody tr")
        await rows.nth(2).wait_for()
        await seen.page.wait_for_selector('#verdict[data-state="healthy"]')  # nothing moves any more
        await rows.last.hover()
        order = await rows.locator(".open").all_inner_texts()
        await seen.page.evaluate("window.kept = [...document.querySelectorAll('#resources tbody tr')]")
        last = next(queue for queue, name in zip(queues, ("first", "second"), strict=True) if name in order[1:])
        for number in range(4):
            last.put_nowait(number)
        await rows.get_by_text("50 %").wait_for()
        assert await rows.locator(".open").all_inner_texts() == order
        await seen.page.mouse.move(0, 0)
        await rows.first.get_by_text("50 %").wait_for()
        assert await seen.page.evaluate("window.kept.every((row) => row.isConnected)")


async def test_a_slash_asks_for_the_filter(hub, exporter):
    """The filter is one key away."""
    queue = bpexporter.watch(asyncio.Queue(2), "q", hub=hub)
    async with opened(page_of(exporter)) as seen:
        await seen.page.keyboard.press("/")
        await seen.page.keyboard.type("zzz")
        assert await seen.page.locator("#resources tbody tr").count() == queue.qsize()


async def test_many_alike_are_drawn_by_their_worst(hub, exporter):
    """Of queues that the same stages use alike a few are drawn, and how many are left out is said."""
    queues = [bpexporter.watch(asyncio.Queue(1), f"part {number}", hub=hub) for number in range(9)]

    @bpexporter.stage("spread")
    async def spread(queue):
        while True:
            await queue.put(1)

    tasks = [asyncio.create_task(spread(queue)) for queue in queues]
    async with opened(page_of(exporter)) as seen:
        await seen.page.locator("#flow-note").get_by_text("5 more").wait_for()
        assert await seen.page.locator("#flow .node.queue").count() == 4
        assert await seen.page.locator("#flow .node.stage").count() == 1
    for task in tasks:
        task.cancel()


async def test_a_stage_is_told_in_detail(hub, exporter):
    """A stage of the flow is opened by a key, and says how its tasks spend their time and what they use."""
    queue = bpexporter.watch(asyncio.Queue(1), "jobs", hub=hub)

    @bpexporter.stage("fill it")
    async def fill():
        while True:
            await queue.put(1)

    task = asyncio.create_task(fill())
    async with opened(page_of(exporter)) as seen:
        await seen.page.locator("#flow .node.stage").focus()
        await seen.page.keyboard.press("Enter")
        text = await seen.page.locator("#detail").inner_text()
        assert "fill it" in text
        assert "puts to jobs" in text
    task.cancel()


async def test_a_process_that_does_not_answer_is_shown_as_such():
    """Stopped, killed and back again: the page says since when it has no answer, and goes on by itself."""
    process, port = await program()
    try:
        async with opened(f"http://127.0.0.1:{port}/") as seen:
            os.kill(process.pid, signal.SIGSTOP)
            await seen.page.wait_for_selector('#link[data-state="lost"]', timeout=15_000)
            assert "No answer for" in await seen.page.locator("#link-text").inner_text()
            os.kill(process.pid, signal.SIGCONT)
            await seen.page.wait_for_selector('#link[data-state="live"]', timeout=15_000)
            process.kill()
            await process.wait()
            await seen.page.wait_for_selector('#link[data-state="lost"]', timeout=15_000)
            process, _ = await program(port)
            await seen.page.wait_for_selector('#link[data-state="live"]', timeout=15_000)
    finally:
        process.kill()
        await process.wait()
