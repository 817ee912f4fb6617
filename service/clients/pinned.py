"""A requests session whose connections go only to addresses that were checked, and end when their time is up.

Checking a name and then handing it to a library lets the name be looked up a second time, with another answer (DNS
rebinding). Here the connection itself looks up, checks and connects to what it checked; TLS still verifies the name.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from service.clients.addresses import AllowedHosts, callable_address
from service.errors import Fault, OutboundRefused

Resolve = Callable[[str, int], Sequence[str]]


class Watch(threading.local):
    """The socket that the call of this thread is using, so that a timer can end it.

    Timeouts of a socket start anew with every byte; a server that sends one byte a second would hold a call for ever.
    """

    box: _Box | None = None
    remaining: Callable[[], float] | None = None

    @contextlib.contextmanager
    def until(self, remaining: Callable[[], float]) -> Iterator[None]:
        """While open, the sockets of this thread's call are shut when `remaining()` seconds have passed."""
        box = _Box()
        self.box, self.remaining = box, remaining
        timer = threading.Timer(max(0.0, remaining()), box.shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            box.release()
            self.box = self.remaining = None


class _Box:
    """The socket in use; once shut, every further one is shut too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False
        self._kept: list[socket.socket] = []

    def keep(self, handle: socket.socket) -> bool:
        """Whether it is the one in use; then it is closed by `release` and not before."""
        with self._lock:
            if handle is self._socket:
                self._kept.append(handle)
            return handle is self._socket

    def release(self) -> None:
        """Close what was kept, and hold nothing."""
        with self._lock:
            self._socket = None
            for handle in self._kept:
                handle.close()

    def hold(self, guard: socket.socket | None) -> None:
        with self._lock:
            self._socket = guard
            if self._over:
                self._shut()

    def shut(self) -> None:
        with self._lock:
            self._over = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses a name stands for, as the system says."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def pinned_session(
    allowed: AllowedHosts, *, watch: Watch, resolver: Resolve = resolve, ca_bundle: str | None = None
) -> requests.Session:
    """A session that calls listed hosts only. It keeps no cookies and reads no proxy and no password from its surroundings."""

    def connect(connection: Any, scheme: str) -> socket.socket:
        host, port = connection._dns_host, connection.port
        target = allowed.host_target(scheme, host.strip("[]").rstrip("."), port)
        addresses = _looked_up(connection, target.host, port, resolver, watch)
        if not all(callable_address(address, private=target.private) for address in addresses):
            raise OutboundRefused(
                Fault(
                    "business-rule",
                    "The host stands for an address of a private network.",
                    rule="A listed host may stand for public addresses only, unless it is listed for private ones.",
                    repair="The operator of this service can list it in HIPSPINE_OUTBOUND_PRIVATE_HOSTS.",
                )
            )
        return _connected(connection, addresses, port)

    class Plain(_Guarded, HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return self._guard(connect(self, "http"), watch)

    class Secure(_Guarded, HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return self._guard(connect(self, "https"), watch)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    session = requests.Session()
    session.trust_env = False  # a proxy would look names up for itself; .netrc would add passwords
    session.verify = ca_bundle or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter({"http": PlainPool, "https": SecurePool})
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Guarded:
    """What both kinds of connection share: a second handle on the socket, by which the watch can shut it.

    The handle is a duplicate because TLS takes the first one over, and a shut duplicate shuts the connection.
    """

    _handle: socket.socket | None = None
    _watch: Watch | None = None

    def _guard(self, connected: socket.socket, watch: Watch) -> socket.socket:
        self._handle, self._watch = connected.dup(), watch
        self._held()
        return connected

    def _held(self) -> None:
        if self._watch is not None and self._watch.box is not None:
            self._watch.box.hold(self._handle)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._held()  # a connection used again belongs to another call now
        super().request(*args, **kwargs)  # type: ignore[misc]

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        handle, self._handle = self._handle, None
        box = self._watch.box if self._watch is not None else None
        # A body without a length is read after the connection counts as closed, so that the watch must keep its handle.
        if handle is not None and not (box is not None and box.keep(handle)):
            handle.close()


class _Adapter(HTTPAdapter):
    """The adapter of requests, with our pools. It retries nothing: `Outbound` does, within its time."""

    def __init__(self, pools: dict[str, type[HTTPConnectionPool]]) -> None:
        self._pools = pools
        super().__init__(pool_connections=16, pool_maxsize=16, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _looked_up(connection: Any, host: str, port: int, resolver: Resolve, watch: Watch) -> Sequence[str]:
    """The addresses of the host, within the time of the call: the system's own lookup knows no limit."""
    answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(resolver(host, port))
        except (OSError, UnicodeError) as error:
            answer.put(error)

    threading.Thread(target=look_up, name="outbound-lookup", daemon=True).start()
    try:
        found = answer.get(timeout=max(0.001, watch.remaining()) if watch.remaining is not None else None)
    except queue.Empty:
        raise ConnectTimeoutError(connection, "the name was not looked up in time") from None
    if isinstance(found, Exception) or not found:
        raise NewConnectionError(connection, "the name stands for no address")
    return found


def _connected(connection: Any, addresses: Sequence[str], port: int) -> socket.socket:
    failed: OSError | None = None
    for address in dict.fromkeys(addresses):
        try:
            connected = socket.create_connection((address, port), connection.timeout)
        except OSError as error:
            failed = error
            continue
        for option in connection.socket_options or ():
            connected.setsockopt(*option)
        return connected
    if isinstance(failed, TimeoutError):
        raise ConnectTimeoutError(connection, "no connection in time") from failed
    raise NewConnectionError(connection, "no connection") from failed
