"""What was acknowledged survives `kill -9` of the service and of the database, and no transaction is left half done.

Writers send a mix of creates, updates, deletions and transactions to a real server and note every acknowledgement; meanwhile the
server, or PostgreSQL, is killed at random points and started again. In the end the database is read and compared with the notes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from support.databases import new_postgresql
from support.postgresql import PostgresServer
from support.servers import LiveServer

from service.storage.sql_store import SqlStore
from service.storage.store import HistoryQuery, Version

WRITES = 1_000
WRITERS = 6
KILLS = 3
SEED = int(os.environ.get("KILL_SEED", "20260115"))
TOKEN_SYSTEM = "urn:hipspine:test:token"
JSON = {"Content-Type": "application/fhir+json"}

Resource = dict[str, Any]


@dataclass
class Notes:
    """What the writers know. `acknowledged` maps (type, id, version) to the token of that version, None for a deletion."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    acknowledged: dict[tuple[str, str, int], str | None] = field(default_factory=dict)
    writes: int = 0
    unanswered: int = 0
    surprises: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def note(self, *versions: tuple[tuple[str, str, int], str | None]) -> None:
        with self.lock:
            self.acknowledged.update(versions)
            self.writes += 1
            if self.writes >= WRITES:
                self.done.set()


class Writer(threading.Thread):
    """Writes resources of its own, one request after the other. After a request without an answer it starts with new ones."""

    def __init__(self, number: int, base: Callable[[], str], notes: Notes) -> None:
        super().__init__(daemon=True)
        self._random = random.Random(SEED * 100 + number)
        self._base, self._notes = base, notes
        self._session = requests.Session()
        self._own: list[tuple[str, int]] = []

    def run(self) -> None:
        while not self._notes.done.is_set():
            kind = self._random.choice([self._create, self._create, self._update, self._update, self._delete, self._transaction])
            try:
                kind()
            except requests.RequestException:
                self._lost()

    def _lost(self) -> None:
        with self._notes.lock:
            self._notes.unanswered += 1
        self._own.clear()  # whether the last write took effect is not known
        time.sleep(0.05)

    def _send(self, method: str, path: str, body: Resource | None = None, **headers: str) -> requests.Response | None:
        data = None if body is None else json.dumps(body)
        answer = self._session.request(method, self._base() + path, data=data, headers={**JSON, **headers}, timeout=10)
        if answer.status_code == 503:  # the database does not answer: nothing was acknowledged
            self._lost()
            return None
        if answer.status_code not in (200, 201, 204):
            with self._notes.lock:
                self._notes.surprises.append(f"{method} {answer.status_code} {answer.text[:300]}")
            return None
        return answer

    def _create(self) -> None:
        token = uuid.uuid4().hex
        answer = self._send("POST", "/Patient", patient(token))
        if answer is not None:
            name = answer.json()["id"]
            self._own.append((name, 1))
            self._notes.note((("Patient", name, 1), token))

    def _update(self) -> None:
        if not self._own:
            return
        index = self._random.randrange(len(self._own))
        name, version = self._own[index]
        token = uuid.uuid4().hex
        body = {**patient(token), "id": name}
        answer = self._send("PUT", f"/Patient/{name}", body, **{"If-Match": f'W/"{version}"'})
        if answer is not None:
            self._own[index] = (name, version + 1)
            self._notes.note((("Patient", name, version + 1), token))

    def _delete(self) -> None:
        if not self._own:
            return
        name, version = self._own.pop(self._random.randrange(len(self._own)))
        if self._send("DELETE", f"/Patient/{name}") is not None:
            self._notes.note((("Patient", name, version + 1), None))

    def _transaction(self) -> None:
        token, address = uuid.uuid4().hex, f"urn:uuid:{uuid.uuid4()}"
        pair = [
            {"fullUrl": address, "resource": patient(token), "request": {"method": "POST", "url": "Patient"}},
            {
                "fullUrl": f"urn:uuid:{uuid.uuid4()}",
                "resource": {"resourceType": "Encounter", "identifier": identifier(token), "status": "planned",
                             "class": {"code": "AMB"}, "subject": {"reference": address}},
                "request": {"method": "POST", "url": "Encounter"},
            },
        ]
        answer = self._send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": pair})
        if answer is not None:
            places = [one["response"]["location"].split("/fhir/")[1].split("/") for one in answer.json()["entry"]]
            self._notes.note(*(((place[0], place[1], 1), token) for place in places))


def identifier(token: str) -> list[Resource]:
    return [{"system": TOKEN_SYSTEM, "value": token}]


def patient(token: str) -> Resource:
    return {"resourceType": "Patient", "identifier": identifier(token), "name": [{"text": "x" * 2000}]}


def run_writers(base: Callable[[], str], kill: Callable[[random.Random], None]) -> Notes:
    """Write until there are enough acknowledgements, and kill now and then on the way."""
    notes = Notes()
    chance = random.Random(SEED)
    writers = [Writer(number, base, notes) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    marks = sorted(chance.sample(range(WRITES // 10, WRITES * 9 // 10), KILLS))
    deadline = time.monotonic() + 150
    for mark in marks:
        while notes.writes < mark and time.monotonic() < deadline:
            time.sleep(0.002)
        kill(chance)
    enough = notes.done.wait(max(1.0, deadline - time.monotonic()))
    assert enough, f"only {notes.writes} of {WRITES} writes; {notes.surprises[:3]}"
    for writer in writers:
        writer.join(20)
    return notes


def check(store: SqlStore, notes: Notes) -> None:
    """Every acknowledged version is there as it was sent; versions have no gaps; transactions are whole."""
    assert notes.surprises == []
    stored = {(one.type, one.id, one.version): one for one in everything(store) if one.type in ("Patient", "Encounter")}
    lost = [key for key in notes.acknowledged if key not in stored]
    assert lost == [], f"{len(lost)} acknowledged writes are lost"
    changed = [key for key, token in notes.acknowledged.items() if token_of(stored[key]) != token]
    assert changed == []
    for kind, name, version in stored:
        assert version == 1 or (kind, name, version - 1) in stored, "a version is missing before a later one"
    by_token: dict[str, set[str]] = defaultdict(set)
    for one in stored.values():
        token = token_of(one)
        if token is not None:
            by_token[token].add(one.type)
    halves = [token for token, types in by_token.items() if types == {"Encounter"}]
    pairs = {token for (kind, _, _), token in notes.acknowledged.items() if kind == "Encounter"}
    assert halves == [] and all(by_token[str(token)] == {"Patient", "Encounter"} for token in pairs)
    unaudited = {one.versioned_reference for one in stored.values()} - audited(store)
    assert not unaudited, f"{len(unaudited)} writes took effect without their audit event"
    with store.reading() as reader:
        for (kind, name), newest in newest_of(stored).items():
            current = reader.read(kind, name)
            assert current is not None and current.version == newest, "the newest version is the one that is read"


def audited(store: SqlStore) -> set[str]:
    """The versions that the audit trail says were written."""
    bodies = (json.loads(one.body or b"") for one in everything(store) if one.type == "AuditEvent")
    return {one["what"]["reference"] for body in bodies for one in body["entity"] if "reference" in one.get("what", {})}


def everything(store: SqlStore) -> Iterator[Version]:
    before, more = None, True
    while more:
        with store.reading() as reader:
            page = reader.history(HistoryQuery(count=500, before=before))
        yield from page.versions
        before, more = (page.versions[-1].position if page.versions else None), page.more


def newest_of(stored: dict[tuple[str, str, int], Version]) -> dict[tuple[str, str], int]:
    newest: dict[tuple[str, str], int] = {}
    for kind, name, version in stored:
        newest[kind, name] = max(version, newest.get((kind, name), 0))
    return newest


def token_of(version: Version) -> str | None:
    return None if version.body is None else str(json.loads(version.body)["identifier"][0]["value"])


@pytest.mark.slow
def test_no_acknowledged_write_is_lost_when_the_server_is_killed(
    database_url: str, start_server: Callable[..., LiveServer], open_store: Callable[..., SqlStore]
) -> None:
    server = start_server(HIPSPINE_DATABASE_URL=database_url)

    def kill(chance: random.Random) -> None:
        nonlocal server
        time.sleep(chance.random() * 0.02)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        server = start_server(HIPSPINE_DATABASE_URL=database_url)

    notes = run_writers(lambda: server.fhir, kill)
    server.stop(signal.SIGKILL)
    assert notes.unanswered >= KILLS, "the kills hit requests in work"
    check(open_store(database_url), notes)
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def own_postgresql() -> Iterator[PostgresServer]:
    """A server that may be killed: nobody else uses it."""
    server = new_postgresql()
    yield server
    server.remove()


@pytest.mark.slow
def test_no_acknowledged_write_is_lost_when_postgresql_is_killed(
    own_postgresql: PostgresServer, start_server: Callable[..., LiveServer], open_store: Callable[..., SqlStore]
) -> None:
    """The service is not restarted: it goes on by itself once the database is back."""
    url = own_postgresql.create_database("killed")
    server = start_server(HIPSPINE_DATABASE_URL=url)

    def kill(chance: random.Random) -> None:
        time.sleep(chance.random() * 0.02)
        own_postgresql.kill()
        time.sleep(0.1)
        own_postgresql.start()

    notes = run_writers(lambda: server.fhir, kill)
    assert server.process.poll() is None
    assert notes.unanswered >= 1, "the kills hit requests in work"
    check(open_store(url), notes)


def test_readiness_follows_the_database(
    own_postgresql: PostgresServer, start_server: Callable[..., LiveServer]
) -> None:
    """Alive all the time; ready only while the database answers; writes are answered 503 and not by a fault of ours."""
    server = start_server(HIPSPINE_DATABASE_URL=own_postgresql.create_database("ready"))
    assert requests.get(f"{server.url}/readyz", timeout=10).status_code == 200
    own_postgresql.kill()
    assert requests.get(f"{server.url}/readyz", timeout=30).status_code == 503
    assert requests.get(f"{server.url}/healthz", timeout=10).status_code == 200
    refused = requests.post(f"{server.fhir}/Patient", json={"resourceType": "Patient"}, headers=JSON, timeout=30)
    assert (refused.status_code, refused.json()["issue"][0]["code"], refused.headers["Retry-After"]) == (503, "transient", "1")
    own_postgresql.start()
    assert requests.get(f"{server.url}/readyz", timeout=30).status_code == 200
    assert requests.post(f"{server.fhir}/Patient", json={"resourceType": "Patient"}, headers=JSON, timeout=30).status_code == 201
