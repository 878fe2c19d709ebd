"""Which threads are our own."""

import threading

from bpexporter.primitives.threads import OWN_THREADS, own_thread


def test_a_thread_that_has_ended_is_no_longer_our_own():
    """Its ident goes to the next thread, which may be the application's."""
    seen = []

    def run():
        with own_thread():
            seen.append(threading.get_ident() in OWN_THREADS)

    thread = threading.Thread(target=run)
    ident = thread.start() or thread.ident
    thread.join()
    assert seen == [True]
    assert ident not in OWN_THREADS
