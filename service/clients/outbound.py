"""The one door for HTTP to other hosts: who may be called, for how long, for how much, how often.

Record systems, key sets, token endpoints, terminology servers and subscribers are all called through `Outbound.send`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from service.clients.addresses import AllowedHosts, Target
from service.errors import Fault, FaultKind, OutboundRefused, UpstreamFailed
from service.records import dataclass

if TYPE_CHECKING:
    import requests
    from urllib3.util import Retry

    from service.clients.pinned import Resolve, Watch

SAFE_METHODS = frozenset({"GET", "HEAD"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BUSY = frozenset({429, 502, 503, 504})
MAX_REDIRECTS = 3
RETRY_WAIT = 0.1  # seconds before the first further try
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one call: seconds to connect, between two bytes and altogether; bytes of the answer; further tries."""

    connect_seconds: float = 2.0
    read_seconds: float = 5.0
    total_seconds: float = 8.0
    max_bytes: int = 20_000_000
    retries: int = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answered, whatever the status. Header names are lower case; `url` is where the answer came from."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Outbound:
    """HTTP to listed hosts. One per process; threads share it. Connections are kept and used again."""

    def __init__(
        self,
        allowed: AllowedHosts,
        *,
        bounds: Bounds | None = None,
        ca_bundle: str | None = None,
        user_agent: str = "HipSpine",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        resolver: Resolve | None = None,
    ) -> None:
        self.allowed = allowed
        self.bounds = bounds or Bounds()
        self._ca_bundle = ca_bundle
        self._user_agent = user_agent
        self._clock = clock
        self._sleep = sleep
        self._resolver = resolver
        self._lock = threading.Lock()
        self._shared: tuple[requests.Session, Watch] | None = None

    def check(self, url: str, *, where: str = "") -> Target:
        """The target of an address, nothing sent; OutboundRefused if its host is not listed. `where` names its place."""
        return self.allowed.target(url, where=where)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
        bounds: Bounds | None = None,
        where: str = "",
    ) -> Answer:
        """The answer of a listed host, of any status.

        OutboundRefused if the host, an address it stands for, or a host it redirects to may not be called; UpstreamFailed
        if there is no whole answer within `seconds` (default: the bounds) or it is too large. GET and HEAD are tried again
        after a lost connection or a busy answer, as long as the wait asked for fits; nothing else ever is.
        """
        bounds = bounds or self.bounds
        deadline = self._clock() + min(seconds if seconds is not None else bounds.total_seconds, bounds.total_seconds)
        call = _Call(method.upper(), url, dict(headers or {}), body, bounds, lambda: deadline - self._clock(), where)
        call.headers.setdefault("User-Agent", self._user_agent)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._answer(call)
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or not location or call.method not in SAFE_METHODS:
                return answer
            call = self._redirected(call, urljoin(call.url, location))
        raise _failed("It redirects too often.", where, kind="business-rule")

    def _redirected(self, call: _Call, url: str) -> _Call:
        before, after = self.check(call.url), self.check(url, where=call.where)
        if before.scheme == "https" and after.scheme == "http":
            raise OutboundRefused(
                Fault(
                    "business-rule",
                    "The host redirects from https to http.",
                    where=call.where,
                    rule="What was asked for under TLS is not fetched without.",
                    repair="Give the address that it redirects to, under https.",
                )
            )
        kept = call.headers if before.origin == after.origin else _without_credentials(call.headers)
        return _Call(call.method, url, kept, call.body, call.bounds, call.remaining, call.where)

    def _answer(self, call: _Call) -> Answer:
        """The answer of one address, asked again where that is safe and the wait fits into the time."""
        _check_credentials(self.check(call.url, where=call.where), call)
        from urllib3.util import Retry

        policy = Retry(total=call.bounds.retries, allowed_methods=SAFE_METHODS, status_forcelist=BUSY)
        for wait in (*(RETRY_WAIT * 4**turn for turn in range(call.bounds.retries)), None):
            answer: Answer | None = None
            try:
                answer = self._once(call)
                if not policy.is_retry(call.method, answer.status, "retry-after" in answer.headers):
                    return answer
                wait = _asked_wait(policy, answer, wait)
            except UpstreamFailed as error:
                again = error.faults[0].kind == "transient"
                if not again or wait is None or call.method not in SAFE_METHODS or wait >= call.remaining():
                    raise
            if answer is not None and (wait is None or wait >= call.remaining()):
                return answer
            assert wait is not None
            self._sleep(wait)
        raise AssertionError("the last turn returns or raises")

    def _once(self, call: _Call) -> Answer:
        import requests
        from urllib3.exceptions import HTTPError

        left = call.remaining()
        if left <= 0:
            raise _failed("It did not answer in time.", call.where)
        bounds = call.bounds
        session, watch = self._connections()
        try:
            with (
                watch.until(call.remaining),
                session.request(
                    call.method,
                    call.url,
                    headers=call.headers,
                    data=call.body,
                    timeout=(min(bounds.connect_seconds, left), min(bounds.read_seconds, left)),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                body = _bounded(response, bounds.max_bytes, call.where)
        except (requests.RequestException, HTTPError, OSError) as error:
            if call.remaining() <= 0 or isinstance(error, requests.Timeout):
                raise _failed("It did not answer in time.", call.where) from error
            if isinstance(error, requests.exceptions.SSLError):
                raise _failed("Its certificate could not be verified.", call.where, kind="business-rule") from error
            raise _failed("The connection failed or broke off.", call.where) from error
        if call.remaining() <= 0:  # shut by the watch, which a body without a length cannot tell from its end
            raise _failed("It did not answer in time.", call.where)
        return Answer(
            response.status_code, {name.lower(): value for name, value in response.headers.items()}, body, call.url
        )

    def _connections(self) -> tuple[requests.Session, Watch]:
        """The shared session, made at the first call: many processes never call anybody, and its library loads slowly."""
        with self._lock:
            if self._shared is None:
                from service.clients.pinned import Watch, pinned_session, resolve

                watch = Watch()
                resolver = self._resolver or resolve
                self._shared = (
                    pinned_session(self.allowed, watch=watch, resolver=resolver, ca_bundle=self._ca_bundle),
                    watch,
                )
            return self._shared


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    bounds: Bounds
    remaining: Callable[[], float]
    where: str


def _bounded(response: requests.Response, max_bytes: int, where: str) -> bytes:
    """The body, unpacked; UpstreamFailed once it is larger than allowed, however small it was on the way."""
    parts, size = [], 0
    for part in response.raw.stream(CHUNK, decode_content=True):
        size += len(part)
        if size > max_bytes:
            raise _failed("Its answer is larger than this service reads.", where, kind="too-costly")
        parts.append(part)
    return b"".join(parts)


def _asked_wait(policy: Retry, answer: Answer, wait: float | None) -> float | None:
    """Seconds until the next try: those that the answer asks for, else our own; None after the last."""
    asked = answer.headers.get("retry-after")
    if wait is None or asked is None:
        return wait
    from urllib3.exceptions import InvalidHeader

    try:
        return max(wait, policy.parse_retry_after(asked))
    except InvalidHeader:
        return wait


def _check_credentials(target: Target, call: _Call) -> None:
    if target.scheme == "http" and not target.private and _without_credentials(call.headers) != call.headers:
        raise OutboundRefused(
            Fault(
                "business-rule",
                "Credentials would travel over plain http.",
                where=call.where,
                rule="Tokens are sent under https only, or to hosts listed in HIPSPINE_OUTBOUND_PRIVATE_HOSTS.",
                repair="Give the https address of the server.",
            )
        )


def _without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in ("authorization", "cookie")}


def _failed(message: str, where: str, *, kind: FaultKind = "transient") -> UpstreamFailed:
    return UpstreamFailed(
        Fault(
            kind,
            f"A server that this service asked could not be used. {message}",
            where=where,
            rule="This service waits for other servers only as long as its own caller can.",
            repair="Try again later, or see to it that this service can reach the server.",
        )
    )
