"""A forked child counts from zero, and no lock of its parent's holds it up."""

from own_programs import run

FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

def child(action):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        code = 1
        try:
            action()
            code = 0
        except BaseException as error:
            print("child:", repr(error))
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def test_a_forked_child_counts_from_zero():
    """Totals begin again in the child, levels are as they are, and the parent's numbers stay its own."""
    program = (
        FORK
        + """
queue = watch(asyncio.Queue(4), "q")
for number in range(3): queue.put_nowait(number)
queue.get_nowait()
exporter = start(port=0)
before = scrape(exporter)
def action():
    reading = snapshot().queues["q"]
    assert (reading.puts, reading.gets, reading.depth_items, reading.members) == (0, 0, 2, 1), reading
    assert (reading.put_wait_seconds.total, reading.residence_seconds.total, sum(reading.refused_puts)) == (0, 0, 0)
    assert sum(reading.occupancy_seconds) < 10
    queue.put_nowait(9)
    assert queue.get_nowait() == 1
    with start(port=0) as own:
        page = scrape(own)
        assert own.port != exporter.port
    assert (value(page, "puts_total"), value(page, "gets_total"), value(page, "depth_items")) == (1, 1, 2)
    unwatch(queue)
    assert "bpexporter" not in vars(asyncio.Queue)["put"].__code__.co_filename
print(child(action))
after = scrape(exporter)
print(value(before, "puts_total"), value(after, "puts_total"), value(after, "gets_total"))
"""
    )
    assert run(program) == ("0\n3.0 3.0 1.0\n", "", 0)


def test_a_child_of_a_process_that_is_being_read_is_free():
    """Forked while other threads read, watch and drop, a child holds no lock of theirs."""
    program = (
        FORK
        + """
hub = Hub()
queue = watch(asyncio.Queue(), "kept", hub=hub)
done = threading.Event()
def churn():
    while not done.is_set():
        watch(asyncio.Queue(), "q", hub=hub).put_nowait(1)
        hub.snapshot()
threads = [threading.Thread(target=churn) for _ in range(3)]
for thread in threads: thread.start()
def action():
    queue.put_nowait(1)
    watch(asyncio.Queue(), "new", hub=hub).put_nowait(1)
    assert hub.snapshot().queues["kept"].puts == 1
    unwatch(queue)
print({child(action) for _ in range(30)})
done.set()
for thread in threads: thread.join()
"""
    )
    assert run(program) == ("{0}\n", "", 0)


def test_a_child_forked_with_blocked_callers_shows_none_of_their_past():
    """Callers that are blocked in the parent's loop do not run in the child; its stall begins at the fork."""
    program = (
        FORK
        + """
async def main():
    queue = watch(asyncio.Queue(1), "q")
    callers = [asyncio.create_task(queue.put(number)) for number in range(3)]
    await asyncio.sleep(0)
    def action():
        reading = snapshot().queues["q"]
        assert (reading.puts, reading.blocked_puts, reading.put_blocked_seconds) == (0, 0, 0), reading
        assert (reading.longest_block_seconds, reading.stalled_seconds) == (0, 0), reading
    print(child(action), snapshot().queues["q"].blocked_producers)
    print([await queue.get() for _ in range(3)], snapshot().queues["q"].blocked_producers)
asyncio.run(main())
"""
    )
    assert run(program) == ("0 2\n[0, 1, 2] 0\n", "", 0)
