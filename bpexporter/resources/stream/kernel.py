"""The kernel's knowledge of a TCP connection, which asyncio has not; on Linux, else nothing.

A connection's socket is asked through its own object: a descriptor number may belong to another by now.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any, NamedTuple

TCP_INFO = 11
SIOCOUTQ = 0x5411  # TIOCOUTQ: bytes that the peer has not acknowledged
# Of struct tcp_info in linux/tcp.h: busy_time, rwnd_limited and sndbuf_limited, u64 microseconds each.
TIMES = struct.Struct("=QQQ")
TIMES_AT = 168
LENGTH = 256
FAMILIES = (socket.AF_INET, socket.AF_INET6)


class Kernel(NamedTuple):
    """The kernel's figures of one TCP connection."""

    unsent: int
    """Bytes that the peer has not yet taken."""
    busy: float
    """Seconds with something to send, in the socket's whole life."""
    receiver: float
    """Of those, seconds limited by the peer's window."""
    send_buffer: float
    """Of those, seconds limited by the send buffer."""

    def since(self, first: Kernel) -> Kernel:
        """The seconds that were added since it said `first`."""
        return Kernel(
            self.unsent,
            max(0.0, self.busy - first.busy),
            max(0.0, self.receiver - first.receiver),
            max(0.0, self.send_buffer - first.send_buffer),
        )


def asked(sock: Any) -> Kernel | None:
    """Returns the kernel's figures of `sock` now; ``None`` where it is no TCP connection, or closed."""
    if sys.platform != "linux" or sock is None:
        return None
    try:
        if sock.family not in FAMILIES or not sock.type & socket.SOCK_STREAM:
            return None
        info = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, LENGTH)
        if len(info) < TIMES_AT + TIMES.size:  # before Linux 4.10
            return None
        return Kernel(_unsent(sock), *(time / 1e6 for time in TIMES.unpack_from(info, TIMES_AT)))
    except (OSError, ValueError, AttributeError):
        return None


def _unsent(sock: Any) -> int:
    from fcntl import ioctl

    number = sock.fileno()
    if number < 0:
        return 0
    return int.from_bytes(ioctl(number, SIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
