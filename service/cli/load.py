"""A small closed-loop HTTP load: N keep-alive connections, one request in flight on each.

One process, one selector, ready-made request bytes: the client must cost little beside the server it measures.
Only for loopback servers that the benchmark itself starts.
"""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Measured:
    """What one run of load saw: requests per second, response times in milliseconds, statuses that were not 200."""

    per_second: float
    milliseconds: list[float]
    refused: int

    def percentile(self, share: float) -> float:
        """Response time that `share` (0..1) of the requests stayed within, in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    request: bytes
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    needed: int | None = None

    def send(self) -> None:
        self.received.clear()
        self.needed = None
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self) -> bytes | None:
        """Status line and headers of the response once all of it is here, else None."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise ConnectionError("the server closed a connection in the middle of the run")
        self.received += chunk
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        if self.needed is None:
            self.needed = end + 4 + _content_length(bytes(self.received[:end]))
        return bytes(self.received[:end]) if len(self.received) >= self.needed else None


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("a response without Content-Length cannot be measured here")


def post_request(path: str, body: bytes, port: int) -> bytes:
    """The bytes of one keep-alive POST of a FHIR body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/fhir+json\r\n"
        f"Accept: application/fhir+json\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + body


def run_load(port: int, path: str, body: bytes, *, connections: int, seconds: float) -> Measured:
    """Load a loopback server for `seconds`, with `connections` requests always in flight."""
    request = post_request(path, body, port)
    selector = selectors.DefaultSelector()
    opened = [_Connection(socket.create_connection(("127.0.0.1", port), timeout=10), request) for _ in range(connections)]
    times: list[float] = []
    refused = 0
    started = time.perf_counter()
    try:
        for connection in opened:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        while time.perf_counter() - started < seconds:
            for key, _ in selector.select(timeout=1.0):
                head = key.data.receive()
                if head is None:
                    continue
                times.append((time.perf_counter() - key.data.sent_at) * 1000.0)
                refused += b" 200 " not in head.split(b"\r\n", 1)[0]
                key.data.send()
        return Measured(len(times) / (time.perf_counter() - started), times, refused)
    finally:
        selector.close()
        for connection in opened:
            connection.socket.close()
