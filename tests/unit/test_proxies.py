"""Forwarded addresses count if a proxy that the settings name sent them; names count if they are ours."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidInput, MalformedInput
from service.settings import Settings, read_settings
from service.web.errors import Misdirected
from service.web.hosts import check_host
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


# --- names -----------------------------------------------------------------------------------------------------------

LOCAL = Settings().answers_to
LISTED = Settings(allowed_hosts="hip.example, *.clinic.example,[2001:db8::1]").answers_to


@pytest.mark.parametrize(
    ("names", "host"),
    [
        *((LOCAL, host) for host in ("localhost", "LocalHost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", None)),
        *((LISTED, host) for host in ("hip.example:443", "HIP.example", "a.clinic.example", "[2001:db8::1]:80", "127.0.0.1")),
        *((None, host) for host in ("anything.example", "10.1.2.3:8000", None)),
    ],
)
def test_names_that_are_ours_are_answered(names: frozenset[str] | None, host: str | None) -> None:
    check_host(host, names)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        *((LOCAL, host) for host in ("evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "[::2]", "10.1.2.3")),
        *((LISTED, host) for host in ("clinic.example", "evilclinic.example", "hip.example.evil.example")),
    ],
)
def test_other_names_are_not_and_the_setting_is_named(names: frozenset[str] | None, host: str) -> None:
    with pytest.raises(Misdirected) as refused:
        check_host(host, names)
    assert "HIPSPINE_ALLOWED_HOSTS" in refused.value.faults[0].repair


@pytest.mark.parametrize("names", [None, LOCAL])
@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a,b", "[::1", "localhost:99999", "localhost:x", "<script>", "a_b"])
def test_what_is_no_host_is_malformed_everywhere(names: frozenset[str] | None, host: str) -> None:
    with pytest.raises(MalformedInput):
        check_host(host, names)


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ({}, {"localhost", "127.0.0.1", "[::1]"}),
        ({"host": "127.0.0.2"}, {"localhost", "127.0.0.1", "[::1]", "127.0.0.2"}),
        ({"public_url": "https://Hip.example:8443/fhir"}, {"localhost", "127.0.0.1", "[::1]", "hip.example"}),
        ({"host": "0.0.0.0"}, None),
        ({"host": "0.0.0.0", "allowed_hosts": "a.example"}, {"localhost", "127.0.0.1", "[::1]", "0.0.0.0", "a.example"}),
        ({"allowed_hosts": "*"}, None),
    ],
)
def test_the_names_follow_from_the_settings(given: dict[str, str], answered: set[str] | None) -> None:
    assert Settings(**given).answers_to == (None if answered is None else frozenset(answered))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["hip.example:80", "https://hip.example", "a b", "*hip.example", "a..b"])
def test_a_setting_that_holds_no_names_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_settings(allowed_hosts=wrong)
    assert refused.value.faults[0].where == "HIPSPINE_ALLOWED_HOSTS"
