"""The one door to other hosts, against real servers: who is called, for how long, for how much, how often."""

from __future__ import annotations

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from support.other_hosts import Asked, answer, certificate, other_host

from service.clients.addresses import AllowedHosts, callable_address
from service.clients.outbound import Bounds, Outbound
from service.errors import InvalidInput, OutboundRefused, UpstreamFailed


def door(*private: str, bounds: Bounds | None = None, hosts: str = "", **more: object) -> Outbound:
    return Outbound(AllowedHosts.parse(hosts, ",".join(private)), bounds=bounds, **more)  # type: ignore[arg-type]


def fine(handler: BaseHTTPRequestHandler, _: Asked) -> None:
    answer(handler, 200, b'{"fine": true}')


# --- who is called ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://evil.example/",
        "https://ehr.example.evil.example/",
        "https://evil-ehr.example/",
        "https://ehr.example:8443/",
        "https://ehr.example@evil.example/",
        "https://evil.example\\@ehr.example/",
        "https://ehr.example%00.evil.example/",
        "https://ehr.example\r\nHost: evil.example/",
        "file:///etc/passwd",
        "gopher://ehr.example/",
        "//ehr.example/",
        "https:///",
        "",
        "ehr.example",
        "https://ehr.example:99999/",
        "https://ehr.example:0/",
        "https://[::1",
    ],
)
def test_an_address_that_is_not_listed_is_refused_before_anything_is_looked_up(url: str) -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise AssertionError("nothing may be looked up")

    with pytest.raises(OutboundRefused) as refused:
        door(hosts="ehr.example", resolver=nobody).send("GET", url, where="fhirServer")
    assert refused.value.faults[0].where == "fhirServer" and refused.value.faults[0].repair


def test_the_list_knows_names_ports_and_subdomains() -> None:
    allowed = AllowedHosts.parse("EHR.example, *.hospital.example:8443,[2001:db8::1]:*", "10.0.0.5:8080")
    assert allowed.target("https://ehr.example/fhir").port == 443
    assert allowed.target("http://ehr.example./fhir").port == 80
    assert allowed.target("https://a.b.hospital.example:8443/").host == "a.b.hospital.example"
    assert allowed.target("http://[2001:db8::1]:9999/").origin == "http://[2001:db8::1]:9999"
    assert allowed.target("http://10.0.0.5:8080/").private and not allowed.target("https://ehr.example").private
    for other in ("https://hospital.example:8443/", "https://xhospital.example:8443/", "http://10.0.0.5/"):
        with pytest.raises(OutboundRefused):
            allowed.target(other)


def test_every_bad_entry_of_the_list_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        AllowedHosts.parse("https://ehr.example/fhir, ok.example, a b", "x:0")
    wheres = [fault.where for fault in refused.value.faults]
    assert wheres == ["HIPSPINE_OUTBOUND_PRIVATE_HOSTS", "HIPSPINE_OUTBOUND_HOSTS", "HIPSPINE_OUTBOUND_HOSTS"]


@pytest.mark.parametrize(
    ("address", "public_only", "private_too"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("::ffff:93.184.216.34", True, True),
        ("64:ff9b::5db8:d822", True, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.1.1", False, True),
        ("172.16.0.1", False, True),
        ("100.64.0.1", False, True),
        ("fd12::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("fe80::1", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_which_addresses_a_name_may_stand_for(address: str, public_only: bool, private_too: bool) -> None:
    assert callable_address(address, private=False) is public_only
    assert callable_address(address, private=True) is private_too


def test_a_listed_name_that_stands_for_a_private_address_is_not_connected_to() -> None:
    with other_host(fine) as host:
        for addresses in (["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"]):
            with pytest.raises(OutboundRefused):
                door(hosts="ehr.example:*", resolver=lambda *_, found=addresses: found).send(
                    "GET", f"http://ehr.example:{host.port}/"
                )
        assert host.asked == []


def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    """DNS rebinding: a second lookup would answer otherwise, so there must be none."""
    lookups: list[str] = []

    def rebinding(name: str, port: int) -> list[str]:
        lookups.append(name)
        return ["127.0.0.1"] if len(lookups) == 1 else ["127.0.0.2"]

    with other_host(fine) as host:
        found = door("ehr.example:*", resolver=rebinding).send("GET", f"http://ehr.example:{host.port}/")
        assert found.ok and host.asked[0].headers["host"] == f"ehr.example:{host.port}"
    assert lookups == ["ehr.example"]


def test_tls_verifies_the_name_though_the_connection_goes_to_a_checked_address(tmp_path: Path) -> None:
    trusted, context = certificate(tmp_path, "ehr.example")
    with other_host(fine, tls=context) as host:
        caller = door("ehr.example:*", "other.example:*", resolver=lambda *_: ["127.0.0.1"], ca_bundle=str(trusted))
        assert caller.send("GET", f"https://ehr.example:{host.port}/").ok
        with pytest.raises(UpstreamFailed, match="certificate"):
            caller.send("GET", f"https://other.example:{host.port}/")
        with pytest.raises(UpstreamFailed, match="certificate"):
            door("ehr.example:*", resolver=lambda *_: ["127.0.0.1"]).send("GET", f"https://ehr.example:{host.port}/")
    assert len(host.asked) == 1


def test_surroundings_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    def with_cookie(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        answer(handler, 200, Set_Cookie="session=1")

    with other_host(with_cookie) as host:
        caller = door(f"127.0.0.1:{host.port}")
        caller.send("GET", host.url)
        caller.send("GET", host.url)
    assert len(host.asked) == 2
    assert all("authorization" not in asked.headers and "cookie" not in asked.headers for asked in host.asked)


def test_tokens_do_not_travel_over_plain_http_to_public_hosts() -> None:
    with pytest.raises(OutboundRefused, match="plain http"):
        door(hosts="ehr.example").send("GET", "http://ehr.example/", headers={"Authorization": "Bearer x"})


# --- redirects ----------------------------------------------------------------------------------------------------


def test_C14_a_redirect_to_a_host_that_is_not_listed_is_refused() -> None:
    with other_host(fine) as secret:

        def away(handler: BaseHTTPRequestHandler, _: Asked) -> None:
            answer(handler, 302, Location=f"{secret.url}/secret")

        with other_host(away) as host, pytest.raises(OutboundRefused):
            door(f"127.0.0.1:{host.port}").send("GET", host.url)
        assert secret.asked == []


def test_a_redirect_to_another_listed_host_is_followed_without_the_token() -> None:
    with other_host(fine) as second:

        def away(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
            answer(handler, 307, Location=f"{second.url}/there" if asked.path == "/here" else "/here")

        with other_host(away) as first:
            found = door("127.0.0.1:*").send("GET", f"{first.url}/start", headers={"Authorization": "Bearer x"})
        assert found.ok and found.url == f"{second.url}/there"
        assert [asked.headers.get("authorization") for asked in first.asked] == ["Bearer x", "Bearer x"]
        assert "authorization" not in second.asked[0].headers


def test_what_writes_is_not_redirected_and_loops_end() -> None:
    def around(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        answer(handler, 302, Location="/again")

    with other_host(around) as host:
        caller = door(f"127.0.0.1:{host.port}")
        assert caller.send("POST", host.url, body=b"{}").status == 302 and len(host.asked) == 1
        with pytest.raises(UpstreamFailed, match="redirects"):
            caller.send("GET", host.url)
        assert len(host.asked) == 5


# --- how long, how much -------------------------------------------------------------------------------------------


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time() -> None:
    def dribble(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        handler.send_response(200)
        if asked.path == "/body":
            handler.send_header("Content-Length", "1000000")
        elif asked.path == "/open":
            handler.send_header("Connection", "close")
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        if asked.path != "/head":
            handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    with other_host(dribble) as host:
        caller = door(f"127.0.0.1:{host.port}")
        for path in ("/head", "/body", "/open"):
            begun = time.monotonic()
            with pytest.raises(UpstreamFailed, match="in time"):
                caller.send("GET", host.url + path, seconds=0.4)
            assert time.monotonic() - begun < 0.9, path


def test_a_silent_server_and_a_silent_name_service_are_given_up_in_time() -> None:
    release = threading.Event()
    with other_host(lambda *_: (release.wait(5), None)[1]) as host:
        begun = time.monotonic()
        with pytest.raises(UpstreamFailed, match="in time"):
            door(f"127.0.0.1:{host.port}").send("GET", host.url, seconds=0.3)
        with pytest.raises(UpstreamFailed, match="in time"):
            door("ehr.example", resolver=lambda *_: [str(release.wait(5))]).send("GET", "http://ehr.example/", seconds=0.3)
        assert time.monotonic() - begun < 1.2
        release.set()


def test_a_name_that_stands_for_nothing_is_an_upstream_failure() -> None:
    with pytest.raises(UpstreamFailed, match="connection"):
        door("nothing.invalid").send("GET", "https://nothing.invalid/", bounds=Bounds(retries=0))


def test_a_body_cut_short_is_a_failure_and_not_a_short_body() -> None:
    def short(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.close_connection = True

    with other_host(short) as host, pytest.raises(UpstreamFailed, match="broke off"):
        door(f"127.0.0.1:{host.port}").send("GET", host.url)
    assert len(host.asked) == 3  # asked again twice, as GET may be


def test_an_answer_beyond_the_bound_is_refused_also_when_it_is_small_on_the_way() -> None:
    large = b"0" * 3_000_000

    def big(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.path == "/packed":
            answer(handler, 200, gzip.compress(large), Content_Encoding="gzip")
        else:
            answer(handler, 200, large)

    with other_host(big) as host:
        caller = door(f"127.0.0.1:{host.port}", bounds=Bounds(max_bytes=1_000_000))
        for path in ("/plain", "/packed"):
            with pytest.raises(UpstreamFailed, match="larger"):
                caller.send("GET", host.url + path)
        assert len(host.asked) == 2  # not worth asking again
        assert caller.send("GET", host.url + "/packed", bounds=Bounds(max_bytes=3_000_000)).body == large


# --- how often ----------------------------------------------------------------------------------------------------


def busy_first(status: int, times: int, **headers: str):
    def behaviour(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        behaviour.count += 1  # type: ignore[attr-defined]
        if behaviour.count <= times:  # type: ignore[attr-defined]
            answer(handler, status, **headers)
        else:
            answer(handler, 200)

    behaviour.count = 0  # type: ignore[attr-defined]
    return behaviour


def test_reading_is_tried_again_and_the_wait_asked_for_is_kept() -> None:
    slept: list[float] = []
    with other_host(busy_first(429, 1, Retry_After="1")) as host:
        assert door(f"127.0.0.1:{host.port}", sleep=slept.append).send("GET", host.url).status == 200
    assert slept == [1.0]
    slept.clear()
    with other_host(busy_first(503, 2)) as host:
        assert door(f"127.0.0.1:{host.port}", sleep=slept.append).send("GET", host.url).status == 200
    assert slept == [0.1, 0.4]


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    slept: list[float] = []
    with other_host(busy_first(429, 9, Retry_After="60")) as host:
        found = door(f"127.0.0.1:{host.port}", sleep=slept.append).send("GET", host.url)
        assert found.status == 429 and slept == [] and len(host.asked) == 1
    with other_host(busy_first(503, 9)) as host:
        assert door(f"127.0.0.1:{host.port}", sleep=slept.append).send("GET", host.url).status == 503
        assert len(host.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_what_writes_is_sent_once(status: int) -> None:
    with other_host(busy_first(status, 9, Retry_After="0")) as host:
        assert door(f"127.0.0.1:{host.port}").send("POST", host.url, body=b"{}").status == status
        assert len(host.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_answers_that_are_no_invitation_are_handed_on(status: int) -> None:
    with other_host(busy_first(status, 9)) as host:
        assert door(f"127.0.0.1:{host.port}").send("GET", host.url).status == status
        assert len(host.asked) == 1


def test_connections_are_used_again_by_many_threads() -> None:
    ports: set[int] = set()

    def note(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        ports.add(handler.client_address[1])
        answer(handler, 200)

    with other_host(note) as host:
        caller = door(f"127.0.0.1:{host.port}")
        found: list[bool] = []
        threads = [
            threading.Thread(target=lambda: found.extend(caller.send("GET", host.url).ok for _ in range(10))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [True] * 40 and len(ports) <= 4
