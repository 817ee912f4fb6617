"""The WSGI servers, embedded: waitress by default, granian for several processes.

Waitress is driven through its API rather than its command because only so do slow clients get closed, does SIGTERM
let requests in work finish, and can refusals made before the application is reached be OperationOutcomes too.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import create_server
from waitress.task import ErrorTask

from service.errors import Fault, InvalidInput
from service.fhir.outcomes import operation_outcome
from service.fhir.r4 import serialise
from service.logs import configure_logging
from service.memory import keep_memory_small
from service.settings import Settings, limit_blas_threads, read_settings
from service.web.errors import internal_outcome, place_of
from service.web.refusals import BEYOND_ASCII, NO_HOST, NO_TARGET, TWO_HOSTS, TWO_LENGTHS, refusal
from service.web.requests import HEADER

log = logging.getLogger("service.server")

_LINGER_SECONDS = 5  # how long a caller gets to stop sending what was refused
_LOOP_SECONDS = 0.5  # how long the loop may sleep; a signal wakes it at once


class StrictParser(HTTPRequestParser):
    """Refuses a request that gives its length or its host twice over: a proxy in front may believe the other one."""

    def parse_header(self, header_plus: bytes) -> None:
        first, *others = header_plus.split(b"\r\n")
        names = [line.split(b":", 1)[0].strip().lower() for line in others]
        if not first.isascii():
            raise ParsingError(BEYOND_ASCII)
        if names.count(b"content-length") > 1 or (b"transfer-encoding" in names and b"content-length" in names):
            raise ParsingError(TWO_LENGTHS)
        if names.count(b"host") > 1:
            raise ParsingError(TWO_HOSTS)
        try:
            super().parse_header(header_plus)
        except ValueError:  # a target such as http://[::bad, which waitress lets through to the loop
            raise ParsingError(NO_TARGET) from None
        if self.version == "1.1" and b"host" not in names:
            raise ParsingError(NO_HOST)


class OutcomeTask(ErrorTask):
    """Answers what waitress refuses by itself (bad request line, too much header or body) with an OperationOutcome."""

    def execute(self) -> None:
        error = self.request.error
        request_id = secrets.token_hex(8)
        outcome = internal_outcome(request_id) if error.code == 500 else operation_outcome([refusal(error.code, error.body)])
        body = serialise(outcome)
        self.channel.refused = True
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/fhir+json; charset=utf-8"))
        self.response_headers.append((HEADER, request_id))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class StrictChannel(HTTPChannel):
    """A connection with the parser and the refusals above."""

    parser_class = StrictParser
    error_task_class = OutcomeTask

    close_when_flushed: bool
    arriving_since: float | None = None
    refused = False
    lingering_since: float | None = None

    def handle_write(self) -> None:
        """As waitress does, but a refusal is followed by a half-close.

        Closing at once while the caller is still sending makes its system throw the refusal away unread (a reset), so
        that too large a body would look like a broken network. What still comes is read and dropped.
        """
        if self.refused and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and not self.will_close:
                self.close_when_flushed = False
                self.lingering_since = time.monotonic()
                with contextlib.suppress(OSError):
                    self.socket.shutdown(socket.SHUT_WR)
            return
        super().handle_write()

    def handle_read(self) -> None:
        if self.lingering_since is None:
            super().handle_read()
            return
        try:
            self.recv(65536)  # closes the channel when the caller has closed its side
        except OSError:
            self.handle_close()

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.arriving_since = time.monotonic()
        taken = bool(super().received(data))
        if self.request is None:
            self.arriving_since = None
        return taken

    def handle_error(self) -> None:
        """Close the connection. Waitress would log the message of the error and the path of the request with it."""
        error = sys.exc_info()[1]
        log.error("unforeseen error of a connection %s", place_of(error) if error is not None else "")
        self.handle_close()

    @property
    def busy(self) -> bool:
        """Whether a request is in work, arriving, or its answer not yet sent."""
        return bool(self.requests or self.request or self.total_outbufs_len)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to the address; InvalidInput in plain words if it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        raise InvalidInput(
            Fault("value", f"{host} is not an address of this machine.", where="HOST", repair="Use 127.0.0.1.")
        ) from None
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        where = "PORT"
        if error.errno == errno.EADDRINUSE:
            message, repair = f"Port {port} on {host} is in use by another program.", "Stop it, or choose another: PORT=8001."
        elif error.errno == errno.EACCES:
            message, repair = f"Port {port} needs rights this user does not have.", "Choose one above 1023: PORT=8000."
        else:
            where = "HOST"
            message, repair = f"Cannot listen on {host}:{port} ({error.strerror}).", "Set HOST to an address of this machine."
        raise InvalidInput(Fault("value", message, where=where, repair=repair)) from None
    return bound


def serve_waitress(app: Flask, bound: socket.socket, settings: Settings, *, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; then accept nothing new, finish what has been received, and return.

    `announce` is called once connections are accepted.
    """
    server: Any = create_server(
        app,
        sockets=[bound],
        threads=settings.threads,
        channel_timeout=settings.channel_timeout,
        cleanup_interval=max(1, min(5, settings.channel_timeout // 2)),
        connection_limit=settings.connection_limit,
        max_request_body_size=settings.max_body_bytes + 1,  # waitress refuses what reaches its limit
        max_request_header_size=settings.max_header_bytes,
        asyncore_use_poll=True,  # select() cannot watch descriptors beyond 1,024
        ident=None,
        server_name={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host),  # for HTTP/1.0, which has no Host
        clear_untrusted_proxy_headers=False,  # the application believes those of proxies it is told of, and drops the others
    )
    server.channel_class = StrictChannel
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        server.pull_trigger()

    with _signals(stop):
        announce()
        while not stopping:
            _turn(server, _LOOP_SECONDS)
            _close_overdue(server, time.monotonic(), settings.channel_timeout)
        _drain(server, deadline=time.monotonic() + settings.drain_seconds)


def application() -> Flask:
    """The application with the settings of the environment, for servers that import it (`service.server:application()`)."""
    limit_blas_threads()
    keep_memory_small()
    from service.app import create_app, start_background  # loads NumPy, which reads the limit as it loads

    settings = read_settings()
    configure_logging(settings.log_level)
    app = create_app(settings)
    # Ends with the process: what was being sent then is sent again by another one.
    start_background(app, settings.public_url or f"http://{settings.host}:{settings.port}/fhir").__enter__()
    return app


def serve_granian(settings: Settings, port: int) -> None:
    """Serve with granian, whose workers each read the settings from the environment and build their own application."""
    try:
        from granian import Granian
        from granian.constants import Interfaces
        from granian.http import HTTP1Settings
    except ImportError:
        raise InvalidInput(
            Fault("not-supported", "granian is not installed.", where="HIPSPINE_SERVER", repair="pip install 'hipspine[granian]'")
        ) from None
    Granian(
        "service.server:application",
        factory=True,
        address=settings.host,
        port=port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        workers_kill_timeout=max(1, settings.drain_seconds),
        http1_settings=HTTP1Settings(header_read_timeout=settings.channel_timeout * 1000),
        websockets=False,
        log_enabled=False,
    ).serve()


def _turn(server: Any, seconds: float) -> None:
    server.asyncore.loop(timeout=seconds, map=server._map, use_poll=server.adj.asyncore_use_poll, count=1)


def _close_overdue(server: Any, now: float, seconds: float) -> None:
    """Close connections whose request takes longer than `seconds` to arrive (a byte now and then resets waitress's own
    clock), and those that go on sending after a refusal."""
    for channel in list(server.active_channels.values()):
        arriving, lingering = channel.arriving_since, channel.lingering_since
        if (arriving is not None and now - arriving > seconds) or (lingering is not None and now - lingering > _LINGER_SECONDS):
            channel.will_close = True


def _drain(server: Any, *, deadline: float) -> None:
    server.accepting = False
    server.del_channel()  # off the loop's map first: a closed socket must not be polled
    server.socket.close()
    while time.monotonic() < deadline and any(channel.busy for channel in list(server.active_channels.values())):
        _turn(server, 0.05)
    server.task_dispatcher.shutdown(cancel_pending=True, timeout=1)


class _signals:
    """While open, SIGTERM and SIGINT call `handler`; a second one of them ends the process in the ordinary way."""

    def __init__(self, handler: Callable[..., None]) -> None:
        self._handler = handler
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._once)

    def _once(self, number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._handler()

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
