"""The real server in its own process: how it starts, what it refuses by itself, how it stops."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from support.servers import FHIR_JSON, ROOT, LiveServer, clean_environment

from service.cli.load import run_load
from service.settings import Settings

Resource = dict[str, Any]
Start = Callable[..., LiveServer]

POST = b"POST /fhir/$assess HTTP/1.1\r\nHost: localhost\r\n"


def raw_answer(server: LiveServer, request: bytes, *, seconds: float = 5) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body that a connection gets for exactly these bytes."""
    with socket.create_connection(server.address, timeout=seconds) as connection:
        connection.sendall(request)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


def assert_raw_outcome(answer: tuple[int, dict[str, str], bytes], status: int, code: str) -> None:
    assert answer[0] == status
    assert answer[1]["content-type"] == "application/fhir+json; charset=utf-8"
    assert answer[1]["x-request-id"]
    body = json.loads(answer[2])
    assert (body["resourceType"], body["issue"][0]["code"]) == ("OperationOutcome", code)


def closed_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


# --- start -------------------------------------------------------------------------------------------------------


def test_the_first_answer_comes_from_a_warm_server(live_server: LiveServer, hip_case: Resource) -> None:
    assert requests.get(f"{live_server.url}/readyz", timeout=5).json()["status"] == "ready"
    response = live_server.assess(hip_case)
    assert (response.status_code, response.json()["resourceType"]) == (200, "RiskAssessment")


def test_R1_the_statement_names_the_address_as_reached(live_server: LiveServer) -> None:
    statement = requests.get(f"{live_server.fhir}/metadata", timeout=5).json()
    assert statement["implementation"]["url"] == live_server.fhir


@pytest.mark.parametrize("in_checkout", [True, False])
def test_the_start_prints_a_line_to_paste_that_works(in_checkout: bool, tmp_path: Path) -> None:
    """The line is run as printed, by a shell, where the server was started: a checkout, or an empty folder."""
    folder = ROOT if in_checkout else tmp_path
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve"],
        cwd=folder,
        env=clean_environment(PORT="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    answer = subprocess.run(lines[2], shell=True, cwd=folder, capture_output=True, text=True, timeout=20)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert re.match(r"HipSpine is at http://127\.0\.0\.1:\d+/fhir", lines[0])
    assert json.loads(answer.stdout)["resourceType"] == ("RiskAssessment" if in_checkout else "Questionnaire")
    assert "WARNING" not in errors


def test_a_port_in_use_is_told_in_one_line(live_server: LiveServer) -> None:
    port = str(live_server.address[1])
    done = subprocess.run(
        [sys.executable, "-m", "service", "serve"], env=clean_environment(PORT=port), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 is in use" in done.stderr and "Traceback" not in done.stderr


def test_a_bad_setting_is_told_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "serve"], env=clean_environment(PORT="high"), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert done.stderr.startswith("PORT: ") and "Traceback" not in done.stderr


def test_listening_beyond_loopback_warns_loudly(start_server: Start) -> None:
    server = start_server(HOST="0.0.0.0")
    assert "WARNING: listening on 0.0.0.0" in server.log() and "EVERY PATIENT RECORD STORED" in server.log()
    assert server.stop() == 0
    server = start_server(HOST="0.0.0.0", HIPSPINE_DATABASE_URL="none")
    assert "WARNING: listening on 0.0.0.0" in server.log() and "RECORD STORED" not in server.log()
    assert server.stop() == 0


def test_help_teaches_every_command_and_comes_at_once() -> None:
    from service.__main__ import COMMANDS

    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "service", "--help"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0 and time.perf_counter() - began < 5
    assert all(command in done.stdout for command in COMMANDS)
    assert "numpy" not in done.stderr and "flask" not in done.stderr and "fhir.resources" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "assess", "knowledge", "bench", "settings", "healthcheck"])
def test_every_command_has_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", command, "--help"], env=clean_environment(), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_healthcheck_tells_a_ready_server_from_none(live_server: LiveServer) -> None:
    def healthcheck(port: int) -> int:
        return subprocess.run(
            [sys.executable, "-m", "service", "healthcheck"],
            env=clean_environment(PORT=str(port)),
            capture_output=True,
            timeout=30,
        ).returncode

    assert healthcheck(live_server.address[1]) == 0
    assert healthcheck(1) == 1


# --- refusals before the application -----------------------------------------------------------------------------


def test_R10_what_is_not_http_gets_an_outcome(live_server: LiveServer) -> None:
    assert_raw_outcome(raw_answer(live_server, b"NONSENSE\r\n\r\n"), 400, "structure")


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"GET http://[::bad/secret HTTP/1.1\r\nHost: localhost", b"The address of the request is none."),
        (b"GET /fhir/metadata HTTP/1.1\r\nX-Secret: 1", b"There is no Host header."),
        (b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nHost: secret.example", b"There are two Host headers."),
        ("GET /fhir/Patient?name=Sécret HTTP/1.1\r\nHost: localhost".encode(), b"beyond ASCII"),
    ],
    ids=["broken target", "no host", "two hosts", "not encoded"],
)
def test_R10_a_request_that_says_not_where_it_goes_is_400_and_leaves_no_trace(
    live_server: LiveServer, head: bytes, told: bytes
) -> None:
    before = live_server.log_file.stat().st_size
    answer = raw_answer(live_server, head + b"\r\nConnection: close\r\n\r\n")
    assert_raw_outcome(answer, 400, "structure")
    assert told in answer[2]
    logged = live_server.log_file.read_bytes()[before:]
    assert b"secret" not in logged.lower() and b"cret" not in logged and b"Traceback" not in logged and b"rror" not in logged


def test_R12_a_declared_length_above_the_limit_is_413_without_reading(live_server: LiveServer) -> None:
    head = POST + b"Content-Type: application/fhir+json\r\nContent-Length: 999999999\r\n\r\n"
    assert_raw_outcome(raw_answer(live_server, head), 413, "too-long")


@pytest.mark.parametrize("chunked", [False, True])
def test_R12_a_caller_that_sends_too_much_gets_to_read_the_refusal(live_server: LiveServer, chunked: bool) -> None:
    """A plain client that sends all before it reads: closing on it at once would lose the answer in a reset."""
    size = 12_000_000
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    body = b"%x\r\n" % size + b" " * size + b"\r\n0\r\n\r\n" if chunked else b" " * size
    head = POST + b"Content-Type: application/fhir+json\r\n" + length + b"\r\n\r\n"
    assert_raw_outcome(raw_answer(live_server, head + body), 413, "too-long")


def test_a_body_of_exactly_the_limit_is_read(live_server: LiveServer, hip_case: Resource, settings: Settings) -> None:
    body = json.dumps(hip_case).encode().ljust(settings.max_body_bytes)
    response = requests.post(f"{live_server.fhir}/$assess", data=body, headers={"Content-Type": FHIR_JSON}, timeout=10)
    assert response.status_code == 200


def test_a_bad_content_length_is_400(live_server: LiveServer) -> None:
    assert_raw_outcome(
        raw_answer(live_server, POST + b"Content-Length: abc\r\n\r\n"), 400, "structure"
    )


def test_headers_above_the_limit_are_431(live_server: LiveServer) -> None:
    head = b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 200_000 + b"\r\n\r\n"
    assert_raw_outcome(raw_answer(live_server, head), 431, "too-long")


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\ncontent-length: 4",
        b"Content-Length: 4\r\nContent-Length: 4",
    ],
)
def test_a_length_stated_twice_is_refused(live_server: LiveServer, lengths: bytes) -> None:
    """Request smuggling: a proxy in front may believe the other statement."""
    request = (
        POST + lengths + b"\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert_raw_outcome(raw_answer(live_server, request), 400, "structure")


def test_a_chunked_body_is_read(live_server: LiveServer, hip_case: Resource) -> None:
    response = requests.post(
        f"{live_server.fhir}/$assess", data=iter([json.dumps(hip_case).encode()]), headers={"Content-Type": FHIR_JSON}, timeout=10
    )
    assert response.status_code == 200


def test_R4_head_over_the_wire_has_headers_and_no_body(live_server: LiveServer) -> None:
    status, headers, body = raw_answer(
        live_server, b"HEAD /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 1000


# --- slow and many -----------------------------------------------------------------------------------------------


def test_slow_clients_are_closed_and_others_are_served_meanwhile(start_server: Start, hip_case: Resource) -> None:
    """Silent in the headers, silent in the body, and a byte now and then: 64 connections each way of hanging on."""
    server = start_server(HIPSPINE_CHANNEL_TIMEOUT="2")
    body_head = POST + b"Content-Type: application/fhir+json\r\nContent-Length: 900\r\n\r\n{"
    slow = [socket.create_connection(server.address) for _ in range(128)]
    for number, connection in enumerate(slow):
        connection.sendall(body_head if number % 2 else b"GET /fhir/metadata HTTP/1.1\r\nX-Slow: ")
    drip = socket.create_connection(server.address)
    drip.sendall(body_head)
    began = time.monotonic()
    response = server.assess(hip_case)
    assert response.status_code == 200 and time.monotonic() - began < 2  # before any slow one is closed
    dripping = True
    while dripping and time.monotonic() - began < 12:
        time.sleep(0.5)
        try:
            drip.sendall(b" ")
        except OSError:
            dripping = False
    assert not dripping, "a dripping client was never closed"
    assert all(closed_within(connection, 10) for connection in slow)
    for connection in (*slow, drip):
        connection.close()
    assert server.stop() == 0


def test_R62_two_hundred_parallel_calls_are_all_answered(live_server: LiveServer, hip_case: Resource) -> None:
    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: live_server.assess(hip_case).status_code, range(200)))
    assert statuses == [200] * 200


@pytest.mark.slow
def test_R62_two_hundred_in_flight_for_thirty_seconds_are_all_answered(
    start_server: Start, hip_case: Resource, capsys: pytest.CaptureFixture[str]
) -> None:
    """No 5xx. p95 and memory are shown beside their bars (200 times the unloaded median, 10 % growth): both depend on what else
    the machine does. What is asserted of them only a leak or a stall could break.
    """
    server = start_server()
    body, port = json.dumps(hip_case).encode(), server.address[1]
    alone = run_load(port, "/fhir/$assess", body, connections=1, seconds=1).percentile(0.5)
    run_load(port, "/fhir/$assess", body, connections=200, seconds=3)  # as large as it gets with that many requests held
    before = server.resident_bytes()
    loaded = run_load(port, "/fhir/$assess", body, connections=200, seconds=30)
    growth = server.resident_bytes() / before - 1
    p95 = loaded.percentile(0.95)
    with capsys.disabled():
        sys.stdout.write(
            f"\nR62: 200 in flight for 30 s: {loaded.per_second:.0f} answers/s, p95 {p95:.0f} ms, {p95 / alone:.0f} x the quiet "
            f"median of {alone:.1f} ms (bar 200); resident memory {before / 2**20:.0f} MiB, growth {growth:+.1%} (bar 10 %)\n"
        )
    assert loaded.refused == 0
    assert growth < 0.5
    assert p95 < 1_000 * alone


def test_parallel_answers_do_not_mix(live_server: LiveServer, respond: Callable[..., Resource]) -> None:
    cases = [respond(pain_groin="present", fadir="present"), respond(pain_groin="absent", pain_below_knee="present")]
    alone = [live_server.assess(case).json()["prediction"] for case in cases]
    assert alone[0] != alone[1]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda number: live_server.assess(cases[number % 2]).json()["prediction"], range(40)))
    assert all(prediction == alone[number % 2] for number, prediction in enumerate(together))


# --- stop --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_in_the_middle_of_requests_delivers_their_answers(start_server: Start, hip_case: Resource, number: int) -> None:
    """Eight requests whose bodies are half sent when the signal comes, the rest afterwards: all are answered, exit 0."""
    server = start_server()
    body = json.dumps(hip_case).encode()
    head = POST + f"Content-Type: {FHIR_JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connections = [socket.create_connection(server.address) for _ in range(8)]
    for connection in connections:
        connection.sendall(head + body[:100])
    time.sleep(0.3)
    codes: list[int] = []
    stopper = threading.Thread(target=lambda: codes.append(server.stop(number)))
    stopper.start()
    time.sleep(0.3)
    with pytest.raises(ConnectionError):
        socket.create_connection(server.address, timeout=1)
    for connection in connections:
        connection.sendall(body[100:])
    for connection in connections:
        connection.settimeout(10)
        received = b""
        while b"\r\n\r\n" not in received or not received.rstrip().endswith(b"}"):
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
        assert received.startswith(b"HTTP/1.1 200"), received[:200]
        assert json.loads(received.partition(b"\r\n\r\n")[2])["resourceType"] == "RiskAssessment"
    stopper.join(15)
    assert codes == [0]


def test_an_idle_keep_alive_connection_does_not_hold_up_the_stop(start_server: Start) -> None:
    server = start_server()
    with requests.Session() as session:
        session.get(f"{server.url}/healthz", timeout=5)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3


def test_a_request_that_never_ends_holds_up_the_stop_only_so_long(start_server: Start) -> None:
    server = start_server(HIPSPINE_DRAIN_SECONDS="1")
    with socket.create_connection(server.address) as connection:
        connection.sendall(POST + b"Content-Length: 900\r\n\r\n{")
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 4


def test_T6_the_log_of_a_server_holds_nothing_of_the_patient(start_server: Start, hip_case: Resource) -> None:
    server = start_server(HIPSPINE_LOG_LEVEL="DEBUG")
    patient = {
        "resourceType": "Patient",
        "id": "zz-marker-9",
        "name": [{"family": "Quimby"}],
        "birthDate": "1951-07-23",
        "gender": "male",
    }
    case = {**hip_case, "subject": {"reference": "Patient/zz-marker-9", "display": "Aloysius Quimby"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, {"resource": case}]}
    assert server.assess(bundle).status_code == 200
    assert server.assess({**case, "status": "Quimby"}).status_code in (400, 422)
    stored = requests.put(f"{server.fhir}/Patient/zz-marker-9", json=patient, headers={"Content-Type": FHIR_JSON}, timeout=5)
    assert stored.status_code == 201
    assert requests.get(f"{server.fhir}/Patient/zz-marker-9?family=Quimby", timeout=5).status_code == 200
    assert requests.get(f"{server.fhir}/Patient?family=Quimby&birthdate=1951-07-23", timeout=5).status_code in (200, 405)
    assert requests.get(f"{server.fhir}/_history", timeout=5).status_code == 200
    twice = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": patient, "request": {"method": "PUT", "url": "Patient/zz-marker-9", "ifMatch": 'W/"Quimby"'}},
    ]}
    assert requests.post(server.fhir, json=twice, headers={"Content-Type": FHIR_JSON}, timeout=5).status_code == 412
    raw_answer(server, b"QUIMBY /fhir/Patient/zz-marker-9 HTTP/1.1\r\nHost: Quimby\r\nConnection: close\r\n\r\n")
    assert server.stop() == 0
    log = server.log()
    assert log.count("request_id=") >= 4
    for secret in ("Quimby", "QUIMBY", "Aloysius", "1951", "zz-marker", "pain_groin"):
        assert secret not in log, secret


# --- granian -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_granian_serves_the_same_answer_with_two_workers(
    start_server: Start, live_server: LiveServer, hip_case: Resource
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start_server("--server", "granian", "--port", str(port), "--workers", "2")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{server.url}/readyz", timeout=5).ok:
                break
        except requests.ConnectionError:
            time.sleep(0.3)
    assert server.assess(hip_case).json()["prediction"] == live_server.assess(hip_case).json()["prediction"]
    assert server.stop() == 0


def test_R56_links_use_the_outer_address_that_a_trusted_proxy_tells(start_server: Callable[..., LiveServer]) -> None:
    """Through the real server, which must let the headers pass."""
    outer = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hip.example", "X-Forwarded-Prefix": "/spine"}
    trusting = start_server(HIPSPINE_TRUSTED_PROXIES="127.0.0.0/8")
    base = "https://hip.example/spine/fhir"
    statement = requests.get(f"{trusting.fhir}/metadata", headers=outer, timeout=10).json()
    assert statement["implementation"]["url"] == base
    made = requests.post(
        f"{trusting.fhir}/Patient", json={"resourceType": "Patient"}, headers={**outer, "Content-Type": "application/fhir+json"},
        timeout=10,
    )
    assert made.headers["Location"].startswith(f"{base}/Patient/")
    history = requests.get(f"{trusting.fhir}/Patient/_history", headers=outer, timeout=10).json()
    assert history["link"][0]["url"].startswith(base) and history["entry"][0]["fullUrl"].startswith(base)
