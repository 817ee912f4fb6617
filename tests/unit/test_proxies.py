"""Forwarded addresses count if a proxy that the settings name sent them, and are gone otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidInput
from service.settings import Settings, read_settings
from service.web.proxies import TrustedProxies

SENT = {
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "inner:8000",
    "SERVER_NAME": "inner",
    "SERVER_PORT": "8000",
    "SCRIPT_NAME": "",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "hip.example",
    "HTTP_X_FORWARDED_PREFIX": "/spine",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "HTTP_FORWARDED": "for=203.0.113.7",
}


def seen(remote: str, trusted: str) -> dict[str, Any]:
    """The environment as the application gets it."""
    kept: dict[str, Any] = {}

    def application(environ: dict[str, Any], _: Any) -> list[bytes]:
        kept.update(environ)
        return []

    middleware = TrustedProxies(application, Settings(trusted_proxies=trusted).trusted_networks)
    middleware({**SENT, "REMOTE_ADDR": remote}, lambda *_: None)
    return kept


@pytest.mark.parametrize("trusted", ["10.0.0.1", "10.0.0.0/8", "192.0.2.1, 10.0.0.0/24", "::1,10.0.0.1"])
def test_R56_a_trusted_proxy_is_believed(trusted: str) -> None:
    environ = seen("10.0.0.1", trusted)
    assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"], environ["SCRIPT_NAME"]) == ("https", "hip.example", "/spine")
    assert environ["REMOTE_ADDR"] == "203.0.113.7"


@pytest.mark.parametrize(("remote", "trusted"), [("10.0.0.1", ""), ("10.0.1.1", "10.0.0.0/24"), ("", "10.0.0.1"), ("x", "::/0")])
def test_R56_anybody_else_is_not_and_what_he_sent_is_removed(remote: str, trusted: str) -> None:
    environ = seen(remote, trusted)
    assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"], environ["SCRIPT_NAME"]) == ("http", "inner:8000", "")
    assert environ["REMOTE_ADDR"] == remote
    assert not [name for name in environ if "FORWARDED" in name]


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "10.0.0.1;10.0.0.2"])
def test_what_is_no_address_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPSPINE_TRUSTED_PROXIES", text)
    with pytest.raises(InvalidInput) as refused:
        read_settings()
    assert refused.value.faults[0].where == "HIPSPINE_TRUSTED_PROXIES"
