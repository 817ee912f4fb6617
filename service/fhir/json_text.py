"""JSON text to plain Python values, as strictly as the standard demands.

orjson reads first: it refuses what JSON refuses (NaN, BOM, broken UTF-8, control characters, lone surrogates, trailing text) and
knows line and column; 30 microseconds for a form of 60 answers. It keeps neither the digits of a decimal nor both of two equal
keys, so the standard library reads the text again (60 microseconds). In between, depth and size are counted without recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

import orjson

from service.errors import Fault, MalformedInput, TooLarge
from service.records import dataclass

JSON_SPEC = "http://hl7.org/fhir/R4/json.html"

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
_SAFE_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9\-]{0,39}")
_LONGEST_INTEGER = 19  # digits; anything longer cannot be an R4 integer and stays a decimal, so that reading it costs nothing
_MOST_DUPLICATES = 20  # places named in one answer


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one body may hold. `max_nodes` counts members and array items."""

    max_bytes: int = 5_000_000
    max_depth: int = 64
    max_nodes: int = 500_000


def read_json(
    raw: bytes, limits: Limits, *, what: str = "FHIR resource", begins: str = '{"resourceType": ...}'
) -> dict[str, Any]:
    """The JSON object in `raw`; decimals as Decimal with their digits, whole numbers as int.

    TooLarge for too many bytes; MalformedInput, with line and column where there is one, for all else that is not one object.
    `what` is expected, and how it `begins`, are words for the sender.
    """
    if len(raw) > limits.max_bytes:
        raise TooLarge(Fault(
            "too-long", "The body is larger than this service accepts.",
            rule=f"A body has at most {limits.max_bytes} bytes; this one has {len(raw)}.",
            repair="Send less in one request, for example one patient per Bundle.",
        ))
    if not raw.strip():
        raise MalformedInput(_not_json("The body is empty.", "line 1 column 1", f"Send one {what} as JSON."))
    try:
        outline = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedInput(_refused(raw, error)) from None
    if not isinstance(outline, dict):
        raise MalformedInput(Fault(
            "structure", "The body is JSON, but not an object.", rule=f"A {what} is one JSON object (line 1 column 1).",
            repair=f"Send an object that starts with {begins}.", spec=JSON_SPEC,
        ))
    _measure(outline, raw, limits)
    text = raw.decode()
    try:
        return _decoder().decode(text)
    except _Duplicate:
        raise MalformedInput(_duplicates(text)) from None
    except InvalidOperation:
        raise MalformedInput(Fault(
            "value", "A number in the body is out of range.", rule="The exponent of a number is at most a few hundred.",
            repair="Write the number without so large an exponent.", spec=JSON_SPEC)) from None
    except RecursionError:  # only where the caller allows a depth near Python's own
        raise MalformedInput(_too_deep("no position known", limits)) from None


class _Duplicate(ValueError):
    pass


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=Decimal, parse_int=_integer, object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Duplicate
    return members


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else Decimal(digits)


def _measure(outline: dict[str, Any], raw: bytes, limits: Limits) -> None:
    """Nothing; MalformedInput if the value is nested too deep or holds too much.

    It goes level by level, so that no depth can exhaust the stack.
    """
    depth = nodes = 0
    level: list[Any] = [outline]
    while level:
        depth += 1
        if depth > limits.max_depth:
            raise MalformedInput(_too_deep(_depth_position(raw.decode(), limits.max_depth), limits))
        below: list[Any] = []
        for container in level:
            nodes += len(container)
            below += [child for child in (container.values() if type(container) is dict else container)
                      if type(child) is dict or type(child) is list]
        if nodes > limits.max_nodes:
            raise MalformedInput(Fault(
                "too-costly", "The body holds more elements than this service reads.",
                rule=f"A body has at most {limits.max_nodes} members and array items.",
                repair="Send less in one request, for example one patient per Bundle.",
            ))
        level = below


def _refused(raw: bytes, error: orjson.JSONDecodeError) -> Fault:
    reason = str(error.msg)
    if "depth limit" in reason or "ecursion" in reason:
        return _too_deep(f"line {error.lineno} column {error.colno}", None)
    if "UTF-8" in reason and "BOM" not in reason:
        try:
            raw.decode()
        except UnicodeDecodeError as unreadable:
            before = raw[:unreadable.start]
            place = f"line {before.count(10) + 1} column {len(before) - before.rfind(10)}"
            return _not_json("The body is not UTF-8 text.", place, "Encode the body as UTF-8.")
    repair = {
        "BOM": "Leave out the byte order mark.",
        "infinity": "Write the number without so large an exponent.",
    }
    mend = next((text for mark, text in repair.items() if mark in reason), "Correct the text at this place and send it again.")
    return _not_json("The body is not JSON.", f"line {error.lineno} column {error.colno}", mend, reason)


def _not_json(message: str, place: str, repair: str, reason: str = "") -> Fault:
    rule = f"The body must be one JSON value in UTF-8; at {place}" + (f": {reason}." if reason else " it is not.")
    return Fault("structure", message, rule=rule, repair=repair, spec=JSON_SPEC)


def _too_deep(place: str, limits: Limits | None) -> Fault:
    most = f"at most {limits.max_depth} levels" if limits else "a limited number of levels"
    return Fault(
        "too-costly", "The body is nested deeper than this service reads.",
        rule=f"Objects and arrays nest {most}; exceeded at {place}.", repair="Flatten the resource.", spec=JSON_SPEC,
    )


# --- places in the text, looked for only once something is known to be wrong ---------------------------------------


def _position(text: str, offset: int) -> str:
    return f"line {text.count(chr(10), 0, offset) + 1} column {offset - text.rfind(chr(10), 0, offset)}"


def _depth_position(text: str, limit: int) -> str:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            depth += 1
            if depth > limit:
                return _position(text, token.start())
        elif token[0] in "}]":
            depth -= 1
    return "no position known"


def _duplicates(text: str) -> Iterator[Fault]:
    for path, key, offset in islice(_repeated_keys(text), _MOST_DUPLICATES):
        named = f" named {key}" if _SAFE_NAME.fullmatch(key) else ""
        yield Fault(
            "structure", f"An object has two members{named}.", where=path,
            rule=f"The names of the members of an object are unique; the second one is at {_position(text, offset)}.",
            repair="Keep one of them; a repeating element is one array.", spec=JSON_SPEC,
        )


@dataclass(slots=True)
class _Frame:
    """One open object or array; `name` is the current key or index."""

    is_object: bool
    keys: set[str]
    name: str = ""
    index: int = 0


def _repeated_keys(text: str) -> Iterator[tuple[str, str, int]]:
    """Path, key and offset of each member whose name its object already has. `text` is known to be JSON."""
    frames: list[_Frame] = []
    root = ""
    previous = last = ""
    offset = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            frames.append(_Frame(mark == "{", set()))
        elif mark in ("}", "]"):
            frames.pop()
        elif mark == "," and not frames[-1].is_object:
            frames[-1].index += 1
        elif mark == ":":
            key = json.loads(previous)
            frame = frames[-1]
            frame.name, last = key, key
            if key in frame.keys:
                yield _path(root, frames), key, offset
            frame.keys.add(key)
        elif mark[0] == '"':
            if len(frames) == 1 and last == "resourceType":
                root = json.loads(mark)
                last = ""
            previous, offset = mark, token.start()


def _path(root: str, frames: list[_Frame]) -> str:
    """Expression of the current member, without names that might be somebody's data."""
    path = root if _SAFE_NAME.fullmatch(root) else ""
    for frame in frames:
        if not frame.is_object:
            path += f"[{frame.index}]"
        elif _SAFE_NAME.fullmatch(frame.name):
            path += f".{frame.name}" if path else frame.name
    return path
