"""Search as one would explain it: every resource is looked at, every value compared in plain Python.

It shares nothing with the service but the published expressions, which a general FHIRPath engine reads here. A question is made
at random as text for the service and as a predicate for this side.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from support import random_resources as pools
from support.fhirpath import engine

from service.fhir.search_parameters import Parameter, parameters_of

Resource = dict[str, Any]
Span = tuple[Any, Any]
Predicate = Callable[["Slow"], bool]

BEGINNING, END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
INFINITE = Decimal("1e300")


@dataclass
class Slow:
    """One resource with the values of its parameters; `world` are all resources by reference."""

    resource: Resource
    world: dict[str, Slow]
    seen: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    def values(self, parameter: Parameter) -> list[Any]:
        if parameter.code not in self.seen:
            given = json.loads(json.dumps(self.resource, default=str))  # decimals as text, digits and all
            self.seen[parameter.code] = engine(parameter.expression, self.resource["resourceType"])(given)
        return self.seen[parameter.code]


@dataclass(frozen=True)
class Question:
    """One parameter of a query: its text, and whether a resource meets it."""

    name: str
    value: str
    met_by: Predicate


# --- questions -------------------------------------------------------------------------------------------------------


def random_question(type_name: str, rng: random.Random, types: Sequence[str], depth: int = 1) -> Question:
    """Any question about that type."""
    if depth and rng.random() < 0.2:
        return _linked(type_name, rng, types, depth)
    choice = [parameter for parameter in parameters_of(type_name).values() if parameter.type != "composite"]
    parameter = rng.choice(choice)
    if rng.random() < 0.08 and parameter.code not in ("_id", "_lastUpdated"):
        wanted = rng.random() < 0.5
        return Question(
            f"{parameter.code}:missing", str(wanted).lower(),
            lambda slow: (not [value for value in slow.values(parameter) if _readable(parameter, value)]) == wanted,
        )  # fmt: skip
    kind = {
        "token": _token, "reference": _reference, "date": _date, "number": _number, "quantity": _quantity, "string": _string,
        "uri": _uri,
    }[parameter.type]  # fmt: skip
    modifiers, texts, matches = [], [], []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        modifier, text, match = kind(parameter, rng, modifiers[0] if modifiers else None)
        modifiers.append(modifier)
        texts.append(text)
        matches.append(match)

    def met(slow: Slow) -> bool:
        found = any(match(value) for value in slow.values(parameter) for match in matches)
        return not found if modifiers[0] == "not" else found

    return Question(parameter.code + (f":{modifiers[0]}" if modifiers[0] else ""), ",".join(texts), met)


def _linked(type_name: str, rng: random.Random, types: Sequence[str], depth: int) -> Question:
    if rng.random() < 0.5:
        chains = [
            (parameter, target)
            for parameter in parameters_of(type_name).values()
            if parameter.type == "reference" and "Reference" in parameter.elements
            for target in types
            if parameter.points_to(target)
        ]
        if chains:
            parameter, target = rng.choice(chains)
            inner = random_question(target, rng, types, depth - 1)

            def chained(slow: Slow) -> bool:
                return any(
                    other.resource["resourceType"] == target and inner.met_by(other)
                    for value in slow.values(parameter)
                    if (other := slow.world.get(re.sub("/_history/.*", "", value.get("reference", ""))))
                )

            return Question(f"{parameter.code}:{target}.{inner.name}", inner.value, chained)
    links = [
        parameter
        for source in types
        for parameter in parameters_of(source).values()
        if parameter.type == "reference" and "Reference" in parameter.elements and parameter.points_to(type_name)
    ]
    parameter = rng.choice(links)
    inner = random_question(parameter.base, rng, types, depth - 1)

    def pointed(slow: Slow) -> bool:
        return any(
            other.resource["resourceType"] == parameter.base
            and any(
                re.sub("/_history/.*", "", value.get("reference", "")) == slow.reference for value in other.values(parameter)
            )
            and inner.met_by(other)
            for other in slow.world.values()
        )

    return Question(f"_has:{parameter.base}:{parameter.code}:{inner.name}", inner.value, pointed)


def sort_key(parameter: Parameter, slow: Slow, *, descending: bool) -> Any:
    """What the resource is sorted by, None if it has no value."""
    read = {"token": _codes, "reference": _targets, "uri": _addresses, "string": _texts}.get(parameter.type)
    if parameter.type == "date":
        found = [span[0] for value in slow.values(parameter) if (span := _span(value))]
    elif read is None:
        found = [span[0] for value in slow.values(parameter) if (span := _amount(value))]
    else:
        found = [text for value in slow.values(parameter) for text in read(parameter, value)]
    return (max(found) if descending else min(found)) if found else None


# --- tokens ----------------------------------------------------------------------------------------------------------


def _pairs(parameter: Parameter, value: Any) -> list[tuple[str, str]]:
    """System and code of a value, in lower case unless it is an identity."""
    if isinstance(value, bool):
        return [("", str(value).lower())]
    if isinstance(value, str):
        return [("", value if parameter.exact_case else value.casefold())]
    if "Identifier" in parameter.elements:
        return [(value.get("system", ""), value.get("value", ""))]
    if "ContactPoint" in parameter.elements:
        return [("", value.get("value", "").casefold())]
    codings = value.get("coding", [{}]) if "CodeableConcept" in parameter.elements else [value]
    return [(coding.get("system", ""), coding.get("code", "").casefold()) for coding in codings]


def _codes(parameter: Parameter, value: Any) -> list[str]:
    return [code for _, code in _pairs(parameter, value)]


def _token(parameter: Parameter, rng: random.Random, modifier: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    chosen = modifier if modifier is not None else rng.choice(("", "", "", "not"))
    code = rng.choice((*pools.CODES, "true", "false", "7", "12") if parameter.code != "_id" else ("7", "12", "x"))
    system = rng.choice(pools.SYSTEMS)
    wanted = code if parameter.exact_case else code.casefold()
    written = code.replace(",", r"\,").replace("|", r"\|")
    form = rng.choice(("code", "both", "none", "system"))
    if form == "code" or parameter.code == "_id":
        return chosen, written, lambda value: any(found == wanted for _, found in _pairs(parameter, value))
    if form == "both":
        return chosen, f"{system}|{written}", lambda value: (system, wanted) in _pairs(parameter, value)
    if form == "none":
        return chosen, f"|{written}", lambda value: ("", wanted) in _pairs(parameter, value)
    return chosen, f"{system}|", lambda value: any(found == system for found, _ in _pairs(parameter, value))


# --- references and addresses ----------------------------------------------------------------------------------------


def _targets(parameter: Parameter, value: Any) -> list[str]:
    """The id of the target, or the whole text where it is no place of a resource."""
    text = value if isinstance(value, str) else value.get("reference", "")
    if isinstance(value, str):
        return [text.split("|")[0]]
    place = re.fullmatch(r"(?:https?://.*/)?[A-Z]\w+/([A-Za-z0-9.-]+)(?:/_history/.+)?", text)
    return [place[1] if place else text]


def _reference(parameter: Parameter, rng: random.Random, modifier: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    if "Reference" not in parameter.elements:
        address = rng.choice(pools.CANONICALS)
        return "", address, lambda value: value == address or value.split("|")[0] == address
    if modifier == "identifier" or (modifier is None and rng.random() < 0.2):
        system, code = rng.choice(pools.SYSTEMS), rng.choice(pools.CODES)
        written = code.replace(",", r"\,").replace("|", r"\|")
        return "identifier", f"{system}|{written}", lambda value: value.get("identifier") == {"system": system, "value": code}
    types = [name for name in ("Patient", "Practitioner", "Group", "Observation", "Encounter") if parameter.points_to(name)]
    resource_id = rng.choice(("1", "2", "3"))
    form = rng.choice(("id", "type", "version", "absolute", "urn"))
    if form == "id" or not types:
        pattern = re.compile(rf"\w+/{resource_id}(/_history/\d+)?")
        return "", resource_id, lambda value: bool(pattern.fullmatch(value.get("reference", "")))
    place = f"{rng.choice(types)}/{resource_id}"
    if form == "type":
        return "", place, lambda value: value.get("reference", "").split("/_history")[0] == place
    if form == "version":
        return "", f"{place}/_history/2", lambda value: value.get("reference") == f"{place}/_history/2"
    text = f"http://other.example/fhir/{place}" if form == "absolute" else pools.REFERENCES[-2]
    return "", text, lambda value: value.get("reference") == text


def _addresses(_: Parameter, value: str) -> list[str]:
    return [value.split("|")[0] if value.startswith("http://example.org/") else value]


def _uri(parameter: Parameter, rng: random.Random, _: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    text = rng.choice(pools.CANONICALS + pools.SYSTEMS)
    if parameter.canonical:
        return "", text, lambda value: value == text or value.split("|")[0] == text
    return "", text.split("|")[0], lambda value: value == text.split("|")[0]


# --- times -----------------------------------------------------------------------------------------------------------


def _moment(text: str) -> Span:
    """Start and end of what the text stands for, the end not included."""
    if "T" in text:
        start = datetime.fromisoformat(text)
        return start, start + (timedelta(milliseconds=1) if "." in text else timedelta(seconds=1))
    year, month, day = (int(part) for part in (*text.split("-"), "0", "0")[:3])
    start = date(year, month or 1, day or 1)
    if day:
        end = start + timedelta(days=1)
    elif month:
        end = date(year + month // 12, month % 12 + 1, 1)
    else:
        end = date(year + 1, 1, 1)
    return tuple(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (start, end))  # type: ignore[return-value]


def _span(value: Any) -> Span | None:
    if isinstance(value, str):
        return _moment(value) if re.match(r"\d{4}(-|$)", value) else None
    if "event" in value:
        spans = [_moment(event) for event in value["event"]]
        return min(span[0] for span in spans), max(span[1] for span in spans)
    if "repeat" in value or "code" in value:
        bounds = value.get("repeat", {}).get("boundsPeriod")
        return _span(bounds) if bounds else None
    if "value" in value or "low" in value or "high" in value:  # an age is no date
        return None
    return (
        _moment(value["start"])[0] if "start" in value else BEGINNING,
        _moment(value["end"])[1] if "end" in value else END,
    )


def _date(parameter: Parameter, rng: random.Random, _: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    prefix = rng.choice(("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"))
    text = rng.choice((*pools.DATES, *pools.TIMES, "2026", "2026-01-15", "2026-01-15T10:00:00.000Z"))
    low, high = _moment(text)

    def met(value: Any) -> bool:
        span = _span(value)
        if span is None:
            return False
        start, end = span
        inside = low <= start and end <= high
        return {
            "": inside, "eq": inside, "ne": not inside, "gt": end > high, "lt": start < low, "ge": end > high or inside,
            "le": start < low or inside, "sa": start >= high, "eb": end <= low,
        }[prefix]  # fmt: skip

    return "", prefix + text, met


# --- numbers ---------------------------------------------------------------------------------------------------------


def _amount(value: Any) -> Span | None:
    if not isinstance(value, dict):
        return Decimal(value), Decimal(value)
    if "data" in value or "origin" in value:
        origin, factor = Decimal(value.get("origin", {}).get("value", 0)), Decimal(value.get("factor", 1))
        samples = [Decimal(text) for text in value.get("data", "").split() if re.fullmatch(r"-?[\d.]+", text)]
        found = [sample * factor + origin for sample in samples]
        return (min(found), max(found)) if found else None
    if "low" in value or "high" in value:
        return (
            Decimal(value["low"]["value"]) if "low" in value else -INFINITE,
            Decimal(value["high"]["value"]) if "high" in value else INFINITE,
        )
    amount = Decimal(value["value"])
    comparator = value.get("comparator", "")
    return (-INFINITE if "<" in comparator else amount, INFINITE if ">" in comparator else amount)


def _number(parameter: Parameter, rng: random.Random, _: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    prefix = rng.choice(("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"))
    text = rng.choice(pools.NUMBERS)
    wanted = Decimal(text)
    half = Decimal(1).scaleb(-len(text.partition(".")[2])) / 2
    about = abs(wanted) / 10

    def met(value: Any) -> bool:
        span = _amount(value)
        if span is None:
            return False
        low, high = span
        same = wanted - half <= low and high < wanted + half
        return {
            "": same, "eq": same, "ne": not same, "gt": high > wanted, "lt": low < wanted, "ge": high >= wanted,
            "le": low <= wanted, "sa": low > wanted, "eb": high < wanted,
            "ap": high >= wanted - about and low <= wanted + about,
        }[prefix]  # fmt: skip

    return "", prefix + text, met


def _quantity(parameter: Parameter, rng: random.Random, _: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    _, text, met = _number(parameter, rng, None)
    system, unit = "http://unitsofmeasure.org", rng.choice(("deg", "mm", "degree"))

    def of_unit(value: Any) -> Any:
        if "origin" in value or "data" in value:
            return value.get("origin", {})
        low = value.get("low") or {}
        return (low if low.get("code") else value.get("high", {})) if "low" in value or "high" in value else value

    form = rng.choice(("number", "code", "unit"))
    if form == "number":
        return "", text, met
    if form == "code":
        return "", f"{text}|{system}|{unit}", lambda value: (
            met(value) and of_unit(value).get("system") == system and of_unit(value).get("code") == unit
        )
    plain = "low", "high", "origin", "data"
    return "", f"{text}||{unit}", lambda value: met(value) and (
        of_unit(value).get("code") == unit
        or (of_unit(value).get("unit") == unit and (not any(name in value for name in plain) or not of_unit(value).get("code")))
    )


# --- texts -----------------------------------------------------------------------------------------------------------


def _folded(text: str) -> str:
    return "".join(part for part in unicodedata.normalize("NFD", text.casefold()) if unicodedata.category(part) != "Mn")


def _raw(_: Parameter, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = ("family", "given", "prefix", "suffix", "text", "line", "city", "district", "state", "postalCode", "country")
    found: list[str] = []
    for name in parts:
        part = value.get(name, [])
        found += [part] if isinstance(part, str) else part
    return found


def _texts(parameter: Parameter, value: Any) -> list[str]:
    return [_folded(text) for text in _raw(parameter, value)]


def _string(parameter: Parameter, rng: random.Random, modifier: str | None) -> tuple[str, str, Callable[[Any], bool]]:
    chosen = modifier if modifier is not None else rng.choice(("", "", "exact", "contains"))
    whole = rng.choice(pools.TEXTS)
    start = rng.randrange(len(whole)) if chosen == "contains" else 0
    text = whole if chosen == "exact" else whole[start : start + rng.randint(1, 5)].strip() or whole
    written = text.replace("\\", "\\\\").replace(",", r"\,")
    if chosen == "exact":
        return chosen, written, lambda value: text in _raw(parameter, value)
    if chosen == "contains":
        return chosen, written, lambda value: any(_folded(text) in found for found in _texts(parameter, value))
    return chosen, written, lambda value: any(found.startswith(_folded(text)) for found in _texts(parameter, value))


def _readable(parameter: Parameter, value: Any) -> bool:
    """Whether the value is one that the parameter is about: of a date, no text and no age."""
    if parameter.type == "date":
        return _span(value) is not None
    if parameter.type in ("number", "quantity"):
        return _amount(value) is not None
    return parameter.type != "string" or bool(_raw(parameter, value))
