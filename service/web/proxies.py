"""Forwarded addresses: believed if they come from a proxy that the settings name, and removed otherwise."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_BY",
    "HTTP_FORWARDED",
)


class TrustedProxies:
    """WSGI middleware. Of several values that proxies in a row have appended the last one counts: the trusted one's own."""

    def __init__(self, application: Wsgi, networks: Sequence[Network]) -> None:
        self._application = application
        self._networks = tuple(networks)
        self._outer = ProxyFix(application, x_for=1, x_proto=1, x_host=1, x_port=0, x_prefix=1)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._trusts(str(environ.get("REMOTE_ADDR", ""))):
            return self._outer(environ, start_response)
        for name in _FORWARDED:
            environ.pop(name, None)
        return self._application(environ, start_response)

    def _trusts(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:  # a socket of the file system, or nothing
            return False
        return any(address in network for network in self._networks)
