"""Who may call: good tokens of trusted record systems, and nothing else."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from support.hook_calls import case, hook_call
from support.signing import Signer, confused, elliptic, rsa, shared_secret, unsigned
from support.stub_ehr import StubEhr, stub_ehr

from service.app import create_app
from service.cli.serve import warn_if_reachable
from service.clients.callers import Issuers, RememberedTokens
from service.clients.key_sets import KeySets
from service.composition.hooks import build_outbound
from service.composition.parts import Service
from service.errors import InvalidInput
from service.settings import Settings

ISSUER = "https://ehr.example"
HERE = "http://localhost/cds-services/patient-view"
DISCOVERY = "http://localhost/cds-services"


@pytest.fixture
def ehr() -> Iterator[StubEhr]:
    with with_keys() as running:
        yield running


@contextmanager
def with_keys() -> Iterator[StubEhr]:
    with stub_ehr() as running:
        running.keys = {"keys": [elliptic().public, rsa().public]}
        yield running


def application(ehr: StubEhr, service: Service, settings: Settings, **changed: Any) -> Flask:
    """An application that wants tokens of the stub's issuer."""
    ours = {
        "hooks_auth": "required",
        "hooks_issuers": f"{ISSUER}={ehr.url}/jwks",
        "outbound_private_hosts": f"127.0.0.1:{ehr.host.port}",
        "database_url": "none",
    }
    other = replace(settings, **{**ours, **changed})
    return create_app(other, service=replace(service, outbound=build_outbound(other)))


@pytest.fixture
def guarded(ehr: StubEhr, service: Service, settings: Settings) -> Callable[..., Flask]:
    """Maker of such applications with other settings."""
    return partial(application, ehr, service, settings)


@pytest.fixture(scope="module")
def standing(service: Service, settings: Settings) -> Iterator[tuple[StubEhr, FlaskClient]]:
    """One stub and one client of a service that trusts it, for the tests that change neither."""
    with with_keys() as ehr:
        yield ehr, application(ehr, service, settings).test_client()


@pytest.fixture
def client(guarded: Callable[..., Flask]) -> FlaskClient:
    return guarded().test_client()


def call(client: FlaskClient, token: str | None, *, kind: str = "Bearer") -> Any:
    headers = {"Authorization": f"{kind} {token}"} if token is not None else {}
    return client.post("/cds-services/patient-view", json=hook_call("patient-view", case("spine")), headers=headers)


def good(signer: Signer | None = None, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    return (signer or elliptic()).token(header=header, **{"iss": ISSUER, "aud": HERE, **claims})


# --- accepted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signer", [elliptic(), rsa()], ids=["ES384", "RS384"])
@pytest.mark.parametrize("audience", [HERE, [HERE], ["https://other.example", HERE]], ids=["text", "list", "longer-list"])
def test_H18_a_good_token_is_accepted(standing: tuple[StubEhr, FlaskClient], signer: Signer, audience: Any) -> None:
    more = {"nbf": int(time.time()) - 5, "sub": "somebody", "tenant": "t"}
    response = call(standing[1], good(signer, aud=audience, **more))
    assert response.status_code == 200 and response.get_json()["cards"]


def test_H18_a_token_may_name_its_key_set_and_clocks_may_differ_a_little(client: FlaskClient, ehr: StubEhr) -> None:
    now = int(time.time())
    assert call(client, good(header={"jku": f"{ehr.url}/jwks"})).status_code == 200
    assert call(client, good(iat=now + 30, exp=now + 200)).status_code == 200
    assert call(client, good(iat=now - 300, exp=now - 30)).status_code == 200
    assert call(client, good(header={"typ": None})).status_code == 200


# --- refused ------------------------------------------------------------------------------------------------------


def attacks(ehr: StubEhr) -> dict[str, str | None]:
    """Everything an attacker might send, by the reason that the log has to give."""
    now = int(time.time())
    stranger = replace(elliptic("stranger"), kid="ec-1")
    public_pem = rsa().key.as_pem(private=False)
    claims = {"iss": ISSUER, "aud": HERE, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
    parts = good().split(".")
    with stub_ehr() as other:
        other.keys = {"keys": [stranger.public]}
        elsewhere = f"{other.url}/jwks"
    return {
        "no-token": None,
        "no-jwt": "x.y.z",
        "algorithm none": unsigned(**claims),
        "algorithm confused": confused(public_pem, "rsa-1", **claims),
        "algorithm shared": shared_secret("ec-1", **claims),
        "signature": good(stranger),
        "signature stripped": f"{parts[0]}.{parts[1]}.",
        "signature swapped": f"{parts[0]}.{good(tenant='x').split('.')[1]}.{parts[2]}",
        "key-kind": good(replace(rsa(), kid="ec-1")),
        "no-key-id": good(header={"kid": None}),
        "unknown-key": good(replace(elliptic(), kid="nobody")),
        "signature embedded-key": good(stranger, header={"jwk": stranger.public}),
        "issuer unlisted": good(iss="https://evil.example"),
        "issuer missing": good(iss=None),
        "key-set elsewhere": good(stranger, header={"jku": elsewhere}),
        "key-set same-host": good(header={"jku": f"{ehr.url}/other"}),
        "key-set metadata": good(header={"jku": "http://169.254.169.254/jwks"}),
        "expired": good(iat=now - 900, exp=now - 600),
        "not-yet issued": good(iat=now + 600, exp=now + 900),
        "not-yet begun": good(nbf=now + 600),
        "no-times": good(exp=None),
        "no-times issued": good(iat=None),
        "times": good(exp="tomorrow"),
        "lives-too-long": good(exp=now + 86_400),
        "audience": good(aud="http://localhost/cds-services/order-sign"),
        "audience discovery": good(aud=DISCOVERY),
        "audience missing": good(aud=None),
        "no-identity": good(jti=None),
        "header": good(header={"typ": "other"}),
        "too-long": good(padding="x" * 9000),
    }


@pytest.mark.parametrize("reason", sorted(attacks(StubEhr(host=type("Host", (), {"url": "http://x"})()))))
def test_H17_what_is_not_a_good_token_is_401_without_detail(
    standing: tuple[StubEhr, FlaskClient], caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    ehr, client = standing
    token = attacks(ehr)[reason]
    with caplog.at_level(logging.DEBUG):
        response = call(client, token)
    assert response.status_code == 401 and response.headers["WWW-Authenticate"] == "Bearer"
    outcome = response.get_json(force=True)
    (issue,) = outcome["issue"]
    assert issue["code"] == "login" and issue["details"]["text"] == "The caller is not authenticated."
    told = [record.getMessage() for record in caplog.records if record.name == "service.hooks"]
    assert told == [f"hook call refused reason={reason.split()[0]}"]
    if token:
        assert not any(part in caplog.text for part in token.split(".") if len(part) > 5)
    assert {asked.path for asked in ehr.asked} <= {"/jwks"}


def test_H17_a_weak_key_is_refused(client: FlaskClient, ehr: StubEhr) -> None:
    weak = rsa("weak", 1024)
    ehr.keys = {"keys": [weak.public]}
    assert call(client, good(weak)).status_code == 401


def test_H17_a_token_is_good_once(client: FlaskClient) -> None:
    token = good()
    assert [call(client, token).status_code for _ in range(3)] == [200, 401, 401]
    assert call(client, good(jti="the same")).status_code == 200
    assert call(client, good(jti="the same", tenant="another token")).status_code == 401


def test_H17_other_schemes_are_no_token(client: FlaskClient) -> None:
    assert call(client, good(), kind="Basic").status_code == 401
    assert call(client, "", kind="Bearer").status_code == 401


def test_H17_an_unknown_service_says_nothing_to_strangers(client: FlaskClient) -> None:
    assert client.post("/cds-services/nothing", json={}).status_code == 401


def test_no_token_is_asked_for_where_none_is_needed(guarded: Callable[..., Flask]) -> None:
    assert call(guarded(hooks_auth="auto").test_client(), None).status_code == 200
    assert call(guarded(hooks_auth="auto", host="0.0.0.0").test_client(), None).status_code == 401
    assert call(guarded(hooks_auth="off", host="0.0.0.0").test_client(), None).status_code == 200


def test_without_trusted_issuers_nobody_may_call(guarded: Callable[..., Flask]) -> None:
    assert call(guarded(hooks_issuers="").test_client(), good()).status_code == 401


def test_it_is_said_loudly_how_hooks_are_guarded(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    def said(**changed: Any) -> str:
        warn_if_reachable(replace(settings, **changed))
        return capsys.readouterr().err

    assert "NOTE: CDS Hooks ask no caller for a token (only this machine" in said()
    assert "WARNING: CDS Hooks ask no caller for a token (HIPSPINE_HOOKS_AUTH=off)" in said(host="0.0.0.0", hooks_auth="off")
    assert "WARNING: no record system is trusted yet" in said(host="0.0.0.0")
    assert "CDS Hooks" not in said(host="0.0.0.0", hooks_issuers="a=https://a/jwks")
    trusting = {"host": "0.0.0.0", "hooks_issuers": "a=https://a/jwks"}
    assert "is taken from each request" in said(**trusting)
    for known in ({"hooks_url": "https://h.example"}, {"public_url": "https://h.example/fhir"}, {"allowed_hosts": "h.example"}):
        assert "is taken from each request" not in said(**trusting, **known)


# --- discovery ----------------------------------------------------------------------------------------------------


def test_H19_discovery_needs_a_token_as_the_services_do_unless_it_is_opened(guarded: Callable[..., Flask]) -> None:
    client = guarded().test_client()
    assert client.get("/cds-services").status_code == 401
    signed = {"Authorization": f"Bearer {good(aud=DISCOVERY)}"}
    assert len(client.get("/cds-services", headers=signed).get_json()["services"]) == 5
    opened = guarded(hooks_discovery="open").test_client()
    assert opened.get("/cds-services").status_code == 200 and call(opened, None).status_code == 401


def test_the_audience_is_the_address_as_clients_reach_it(guarded: Callable[..., Flask]) -> None:
    client = guarded(hooks_url="https://cds.example/hipspine").test_client()
    assert call(client, good(aud="https://cds.example/hipspine/cds-services/patient-view")).status_code == 200
    assert call(client, good()).status_code == 401


# --- keys ---------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_kept_and_fetched_again_when_a_new_one_appears(ehr: StubEhr, settings: Settings) -> None:
    clock = Clock()
    listed = replace(settings, outbound_private_hosts=f"127.0.0.1:{ehr.host.port}")
    address = f"{ehr.url}/jwks"
    sets = KeySets(build_outbound(listed), frozenset({address}), clock=clock)
    assert sets.key(address, "ec-1") and sets.key(address, "rsa-1") and len(ehr.asked) == 1
    ehr.keys = {"keys": [elliptic("ec-2").public]}
    assert sets.key(address, "ec-2") is None and len(ehr.asked) == 1  # made-up ids do not make this service call others
    clock.now += 11
    assert sets.key(address, "ec-2") and sets.key(address, "ec-1") is None
    clock.now += 700
    ehr.faults["keys"] = "500"
    assert sets.key(address, "ec-2")  # its source is down: the keys serve on for a day
    clock.now += 90_000
    assert sets.key(address, "ec-2") is None


@pytest.mark.parametrize("fault", ["500", "truncated", "garbage"])
def test_H17_without_the_keys_nobody_is_let_in(client: FlaskClient, ehr: StubEhr, fault: str) -> None:
    ehr.faults["keys"] = fault
    assert call(client, good()).status_code == 401


def test_a_key_set_on_a_host_that_is_not_listed_stops_the_start(guarded: Callable[..., Flask]) -> None:
    from service.errors import OutboundRefused

    with pytest.raises(OutboundRefused) as refused:
        guarded(outbound_private_hosts="")
    assert refused.value.faults[0].where == "HIPSPINE_HOOKS_ISSUERS"


def test_bad_entries_of_the_list_of_issuers_are_all_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        Issuers.parse("https://a=https://a/jwks, nothing, https://b=ftp://b, https://a=https://c")
    assert [fault.message[:7] for fault in refused.value.faults] == ["Entry 2", "Entry 3", "Entry 4"]
    assert Issuers.parse("urn:a=b=https://a/jwks").key_sets == {"urn:a=b": "https://a/jwks"}


def test_a_full_memory_of_used_tokens_forgets_none_that_could_be_used_again() -> None:
    seen = RememberedTokens(most=2)
    assert seen.first_use("a", expires=10, now=0) and seen.first_use("b", expires=20, now=0)
    assert not seen.first_use("c", expires=30, now=5)
    assert seen.first_use("c", expires=30, now=15) and not seen.first_use("b", expires=20, now=15)
