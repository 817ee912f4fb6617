"""Searches of stored resources, on each database, against a search that looks at every resource."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

import pytest
from support.random_resources import CODES, NUMBERS, random_resource
from support.slow_search import Question, Slow, random_question, sort_key

from service.errors import MalformedInput
from service.fhir.search import SearchContext, SearchQuery, read_query
from service.fhir.search_index import resource_indexer
from service.fhir.search_match import Subject, meets, subject_of
from service.fhir.search_parameters import parameters_of
from service.storage import search as search_module
from service.storage import search_gather, search_plan
from service.storage.opening import open_store
from service.storage.sql_store import SqlStore
from service.storage.store import SearchPage

Resource = dict[str, Any]

TYPES = ("Patient", "Encounter", "Observation", "RiskAssessment")
PER_TYPE = 30
QUESTIONS = 300
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONTEXT = SearchContext(servers=("https://hip.example/fhir",), types=frozenset(TYPES), now=NOW)


def world_of(rng: random.Random) -> dict[str, Slow]:
    world: dict[str, Slow] = {}
    for type_name in TYPES:
        for number in range(1, PER_TYPE + 1):
            resource = random_resource(type_name, str(number), rng, share=rng.choice((0.4, 0.9)))
            world[f"{type_name}/{number}"] = Slow(resource, world)
    for slow in [slow for slow in world.values() if slow.resource["resourceType"] == "Observation"][::3]:
        slow.resource["component"] = [
            {"code": {"coding": [{"code": rng.choice(CODES)}]}, "valueQuantity": {"value": Decimal(rng.choice(NUMBERS))}}
            for _ in range(3)
        ]
    return world


@pytest.fixture(scope="module")
def world() -> dict[str, Slow]:
    return world_of(random.Random("hip and spine"))


@pytest.fixture(scope="module")
def store(module_database_url: str, world: dict[str, Slow]) -> Iterator[SqlStore]:
    times = iter(datetime.fromisoformat(slow.resource["meta"]["lastUpdated"]) for slow in world.values())
    opened = open_store(
        module_database_url, connections=4, indexer=resource_indexer(CONTEXT.servers), now=lambda: next(times),
        new_id=lambda: str(uuid.uuid4()),
    )  # fmt: skip
    opened.transact(lambda transaction: [transaction.update(slow.resource) for slow in world.values()])
    yield opened
    opened.close()


@pytest.fixture(params=["few", "many"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways a search is carried out: with the limit between them as it is, and so low that hardly anything is few."""
    if request.param == "many":
        for module in (search_gather, search_module):
            monkeypatch.setattr(module, "FEW", 2)
    return str(request.param)


def asked(type_name: str, *pairs: tuple[str, str]) -> SearchQuery:
    return read_query(type_name, pairs, context=CONTEXT, strict=True)


def page(store: SqlStore, type_name: str, *pairs: tuple[str, str]) -> SearchPage:
    with store.reading() as reader:
        return reader.search(asked(type_name, *pairs))


def all_pages(store: SqlStore, type_name: str, *pairs: tuple[str, str], count: int) -> list[list[str]]:
    """The ids on each page, found by following next."""
    pages: list[list[str]] = []
    cursor: tuple[tuple[str, str], ...] = ()
    while True:
        found = page(store, type_name, *pairs, ("_count", str(count)), *cursor)
        pages.append([version.id for version in found.versions])
        if not found.next:
            return pages
        cursor = (("_cursor", found.next),)
        assert len(pages) <= PER_TYPE + 1


def expected(world: dict[str, Slow], type_name: str, questions: list[Question]) -> set[str]:
    return {
        slow.resource["id"]
        for slow in world.values()
        if slow.resource["resourceType"] == type_name and all(question.met_by(slow) for question in questions)
    }


@pytest.mark.slow
def test_random_searches_find_what_looking_at_every_resource_finds(store: SqlStore, world: dict[str, Slow], way: str) -> None:
    rng = random.Random(f"questions {way}")
    met = 0
    for _ in range(QUESTIONS):
        type_name = rng.choice(TYPES)
        questions = [random_question(type_name, rng, TYPES) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        pairs = [(question.name, question.value) for question in questions]
        wanted = expected(world, type_name, questions)
        ids = [found for one in all_pages(store, type_name, *pairs, count=rng.choice((3, 7, 50))) for found in one]
        assert len(ids) == len(set(ids)), pairs
        assert set(ids) == wanted, (type_name, pairs)
        assert page(store, type_name, *pairs, ("_count", "0")).total == len(wanted), pairs
        met += 0 < len(wanted) < PER_TYPE
    assert met > QUESTIONS / 4  # most questions tell some resources from others


def test_one_resource_looked_at_in_memory_gets_the_same_verdict(world: dict[str, Slow]) -> None:
    """Of random questions, and of the composite ones that those leave out."""
    rng = random.Random("in memory")
    indexer = resource_indexer(CONTEXT.servers)
    subjects = {reference: subject_of(slow.resource, indexer) for reference, slow in world.items()}

    def of_type(type_name: str) -> list[Subject]:
        return [subject for subject in subjects.values() if subject.type == type_name]

    for _ in range(QUESTIONS):
        type_name = rng.choice(TYPES)
        questions = [random_question(type_name, rng, TYPES) for _ in range(rng.choice((1, 2)))]
        query = asked(type_name, *((question.name, question.value) for question in questions))
        met = {subject.id for subject in of_type(type_name) if meets(query.conditions, subject, of_type)}
        assert met == expected(world, type_name, questions), [(question.name, question.value) for question in questions]
    composite = asked("Observation", ("component-code-value-quantity", "final$gt4")).conditions
    assert 0 < sum(meets(composite, subject, of_type) for subject in of_type("Observation")) < PER_TYPE


def test_random_sorts_give_the_order_that_comparing_gives(store: SqlStore, world: dict[str, Slow], way: str) -> None:
    rng = random.Random(f"sorts {way}")
    for _ in range(60):
        type_name = rng.choice(TYPES)
        questions = [random_question(type_name, rng, TYPES) for _ in range(rng.choice((0, 0, 1)))]
        sortable = [parameter for parameter in parameters_of(type_name).values() if parameter.type != "composite"]
        keys = [(parameter, rng.random() < 0.5) for parameter in rng.sample(sortable, rng.choice((1, 1, 2)))]
        number = {reference: index for index, reference in enumerate(world)}

        def order(one: Slow, other: Slow, keys: Any = keys, number: Any = number) -> int:
            for parameter, descending in keys:
                a, b = (sort_key(parameter, slow, descending=descending) for slow in (one, other))
                if a == b:
                    continue
                if a is None or b is None:
                    return 1 if a is None else -1
                return -1 if (a < b) != descending else 1
            newer = number[one.reference] > number[other.reference]
            return -1 if newer == keys[-1][1] else 1

        ids = expected(world, type_name, questions)
        wanted = sorted((world[f"{type_name}/{found}"] for found in ids), key=cmp_to_key(order))
        text = ",".join(f"{'-' if descending else ''}{parameter.code}" for parameter, descending in keys)
        pairs = [*((question.name, question.value) for question in questions), ("_sort", text)]
        pages = all_pages(store, type_name, *pairs, count=7)
        assert [found for one in pages for found in one] == [slow.resource["id"] for slow in wanted], (type_name, pairs)


def test_R49_previous_leads_back_the_way_next_came(store: SqlStore, way: str) -> None:
    for pairs in (
        (), (("_sort", "date"),), (("_sort", "-date"),), (("_sort", "-encounter,date"),), (("date", "gt2020"),),
        (("probability", "gt1"),), (("_lastUpdated", "gt2020"),),
    ):  # fmt: skip
        forwards: list[list[str]] = []
        cursor = ""
        while True:
            found = page(store, "RiskAssessment", *pairs, ("_count", "2"), *([("_cursor", cursor)] if cursor else []))
            forwards.append([version.id for version in found.versions])
            if not found.next:
                break
            cursor = found.next
        backwards = [forwards[-1]]
        while found.previous:
            found = page(store, "RiskAssessment", *pairs, ("_count", "2"), ("_cursor", found.previous))
            backwards.append([version.id for version in found.versions])
            assert len(backwards) <= len(forwards), pairs
        assert len(forwards) > 1
        assert list(reversed(backwards)) == forwards, pairs


def test_R51_a_place_that_nobody_gave_is_refused(store: SqlStore) -> None:
    found = page(store, "RiskAssessment", ("_count", "2"))
    for cursor in (
        "x", "####", "bnVsbA", "WyIiLFtdLDFd", "WyIiLFsxXSwxLGZhbHNlXQ", "WyIiLFtdLCJ4IixmYWxzZV0", "WyIiLFtdLDFlOTksZmFsc2Vd",
        "WyIiLFtdLDk5OTk5OTk5OTk5OTk5OTk5OTk5OTksZmFsc2Vd", found.next[:-3],
    ):  # fmt: skip
        with pytest.raises(MalformedInput):
            page(store, "RiskAssessment", ("_cursor", cursor))
    with pytest.raises(MalformedInput):
        page(store, "RiskAssessment", ("_sort", "date"), ("_cursor", found.next))


def test_composites_ask_for_values_of_one_element(store: SqlStore, world: dict[str, Slow], way: str) -> None:
    met = 0
    for code in ("final", "active", "x", "72514-3"):
        for text, fits in (("gt4", lambda value: value > 4), ("lt50", lambda value: value < 50)):
            wanted = set()
            for slow in world.values():
                if slow.resource["resourceType"] != "Observation":
                    continue
                for component in slow.resource.get("component", []):
                    codes = {coding.get("code", "").casefold() for coding in component.get("code", {}).get("coding", [])}
                    quantity = component.get("valueQuantity", {})
                    comparator = quantity.get("comparator", "")
                    reach = ("<" in comparator and "lt" in text) or (">" in comparator and "gt" in text)
                    if code in codes and quantity and (fits(quantity["value"]) or reach):
                        wanted.add(slow.resource["id"])
            found = page(store, "Observation", ("component-code-value-quantity", f"{code}${text}"))
            assert {version.id for version in found.versions} == wanted, (code, text)
            met += bool(wanted)
    assert met


def test_a_search_in_a_transaction_sees_what_it_wrote(store: SqlStore) -> None:
    class Undo(Exception):
        pass

    def found(transaction: Any) -> list[str]:
        return sorted(version.id for version in transaction.search(asked("Patient", ("identifier", "urn:new|1"))).versions)

    def work(transaction: Any) -> None:
        assert found(transaction) == []
        transaction.update({"resourceType": "Patient", "id": "new-1", "identifier": [{"system": "urn:new", "value": "1"}]})
        assert found(transaction) == ["new-1"]
        transaction.delete("Patient", "new-1")
        assert found(transaction) == []
        transaction.update({"resourceType": "Patient", "id": "new-1", "identifier": [{"system": "urn:new", "value": "1"}]})
        transaction.update({"resourceType": "Patient", "id": "new-1", "identifier": [{"system": "urn:new", "value": "2"}]})
        assert found(transaction) == []  # each version takes the place of the one before, though none was looked for in between
        transaction.update({"resourceType": "Patient", "id": "new-2", "identifier": [{"system": "urn:new", "value": "1"}]})
        transaction.update({"resourceType": "Patient", "id": "new-3", "identifier": [{"system": "urn:new", "value": "1"}]})
        assert found(transaction) == ["new-2", "new-3"]
        raise Undo

    with pytest.raises(Undo):
        store._now, held = (lambda: NOW), store._now
        try:
            store.transact(work)
        finally:
            store._now = held


def test_the_plan_has_both_ways(store: SqlStore) -> None:
    with store.reading() as reader:
        few = search_plan.Plan(reader.connection, asked("Patient", ("_id", "1")), None)
        assert few._few
        assert search_plan.Plan(reader.connection, asked("Patient"), None)._few is None
