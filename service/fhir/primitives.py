"""What a value of each primitive type must look like: one small predicate per type, no coercion.

The patterns are those of R4 (http://hl7.org/fhir/R4/datatypes.html), plus what a pattern cannot say: the calendar, base64
padding, a decimal that stays a finite number when calculated with.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from service.records import dataclass

DATATYPES_SPEC = "http://hl7.org/fhir/R4/datatypes.html"
LONGEST_STRING = 1_048_576  # characters, R4 string
LARGEST_EXPONENT = 300      # so that every accepted decimal is a finite float and no 1e999999999 is ever written out

_YEAR = r"(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_DAY = rf"({_YEAR})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_DATE = re.compile(rf"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?|{_DAY}")
_DATE_TIME = re.compile(rf"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?|{_DAY}(?:T{_CLOCK}{_ZONE})?")
_INSTANT = re.compile(rf"{_DAY}T{_CLOCK}{_ZONE}")
_TIME = re.compile(_CLOCK)
# No control characters but tab, line feed and carriage return. White space alone is legal in R4 ("should" not).
_STRING = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f]+")
_CODE = re.compile(r"[^\s\x00-\x1f]+(?: [^\s\x00-\x1f]+)*")
_URI = re.compile(r"[^\s\x00-\x1f]+")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ABSOLUTE_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<rest>\S*)")
_RELATIVE_URL = re.compile(r"/?[A-Za-z0-9\-.#]+(?:[/?]\S*)?")
_AUTHORITY = re.compile(
    r"//(?:[^\s/?#@\[\]]*@)?"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9_\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_\-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{0,5}))?(?:[/?#]\S*)?",
)
_HOST_SCHEMES = frozenset({"http", "https", "ftp", "ws", "wss"})

DECIMAL_TEXT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
INTEGER_TEXT = re.compile(r"-?(?:0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Primitive:
    """One primitive type: which JSON type it is written in, what is accepted, and how to say so."""

    name: str
    json_type: str
    accepts: Callable[[Any], bool]
    rule: str
    repair: str
    anchor: str = ""

    @property
    def spec(self) -> str:
        return f"{DATATYPES_SPEC}#{self.anchor or self.name}"


def is_real_day(text: str, matched: re.Match[str]) -> bool:
    """Whether the year, month and day a pattern has found exist in the calendar; true where there is no day."""
    if matched[3] is None or matched[3] < "29":
        return True
    try:
        date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    fullmatch = pattern.fullmatch
    return lambda value: type(value) is str and fullmatch(value) is not None


def _dated(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    fullmatch = pattern.fullmatch

    def accepts(value: Any) -> bool:
        matched = fullmatch(value) if type(value) is str else None
        return matched is not None and is_real_day(value, matched)

    return accepts


def _is_string(value: Any) -> bool:
    return type(value) is str and _STRING.fullmatch(value) is not None and len(value) <= LONGEST_STRING


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= 2_147_483_647


def is_number(value: Any) -> bool:
    """Whether a decoded value can be an R4 decimal: a whole number or a finite Decimal of ordinary size, never a boolean."""
    if type(value) is int:
        return True
    if type(value) is Decimal:
        return value.is_finite() and (not value or abs(value.adjusted()) <= LARGEST_EXPONENT)
    return type(value) is float and value == value and abs(value) != float("inf")  # our own output may hold floats


def _is_base64(value: Any) -> bool:
    """Whether it decodes. R4's own pattern is not used: with white space between groups its matching time grows exponentially."""
    if type(value) is not str:
        return False
    dense = "".join(value.split())
    try:
        binascii.a2b_base64(dense, strict_mode=True)
    except ValueError:  # not base64, or not ASCII
        return False
    return bool(dense)


def _is_url(value: Any) -> bool:
    if type(value) is not str or _URI.fullmatch(value) is None:
        return False
    absolute = _ABSOLUTE_URL.fullmatch(value)
    if absolute is None:
        return _RELATIVE_URL.fullmatch(value) is not None
    if absolute["scheme"].lower() not in _HOST_SCHEMES:
        return bool(absolute["rest"]) and absolute["rest"] != "//"
    authority = _AUTHORITY.fullmatch(absolute["rest"])
    if authority is None or (authority["port"] and int(authority["port"]) > 65_535):
        return False
    host = authority["host"].rsplit(".", 1)[-1]
    numbers = authority["host"].split(".")
    return not host.isdigit() or (len(numbers) == 4 and all(part.isdigit() and int(part) <= 255 for part in numbers))


@cache
def primitives() -> Mapping[str, Primitive]:
    """Every R4 primitive type by name. Made once: every element of every structure asks for it."""
    text = "text of at least one character and at most 1048576, without control characters"
    moment = "Dates exist in the calendar; a time has seconds and a zone, and 24:00 is not used"
    known = (
        Primitive("boolean", "true or false", lambda value: type(value) is bool, "true or false, without quotes",
                  "Write true or false without quotes."),
        Primitive("integer", "number", _whole(-2_147_483_648),
                  "a whole number of at most 32 bits, without quotes, fraction or exponent",
                  "Write a whole number without quotes."),
        Primitive("unsignedInt", "number", _whole(0), "a whole number from 0 to 2147483647, without quotes",
                  "Write a whole number without quotes."),
        Primitive("positiveInt", "number", _whole(1), "a whole number from 1 to 2147483647, without quotes",
                  "Write a whole number of at least 1 without quotes."),
        Primitive("decimal", "number", is_number, f"a number without quotes, of magnitude below 1e{LARGEST_EXPONENT}",
                  "Write a number without quotes."),
        Primitive("string", "string", _is_string, text, "Leave the element out if there is nothing to say."),
        Primitive("markdown", "string", _is_string, text, "Leave the element out if there is nothing to say."),
        Primitive("xhtml", "string", _is_string, text, "Write one XHTML div element.", "narrative"),
        Primitive("code", "string", _matches(_CODE), "characters other than white space, with at most single spaces between them",
                  "Write the code without white space around it."),
        Primitive("id", "string", _matches(_ID), "1 to 64 letters, digits, hyphens and dots",
                  "Shorten the id or replace the other characters."),
        Primitive("uri", "string", _matches(_URI), "an address or name without white space",
                  "Encode white space as %20 or leave the element out."),
        Primitive("canonical", "string", _matches(_URI), "an address without white space, with |version if wanted",
                  "Write the canonical URL without white space."),
        Primitive("url", "string", _is_url, "an address without white space, absolute with a host or relative",
                  "Write a complete URL."),
        Primitive("oid", "string", _matches(_OID), "urn:oid: and the dotted numbers", "Write urn:oid: before the numbers."),
        Primitive("uuid", "string", _matches(_UUID), "urn:uuid: and 32 lower-case hexadecimal digits in groups of 8-4-4-4-12",
                  "Write urn:uuid: before the lower-case UUID."),
        Primitive("base64Binary", "string", _is_base64, "base64 with its padding", "Encode the bytes as base64."),
        Primitive("date", "string", _dated(_DATE), "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists in the calendar",
                  "Write a date of the calendar, or only the year or year and month."),
        Primitive("dateTime", "string", _dated(_DATE_TIME), f"YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz. {moment}",
                  "Add seconds and zone, or write only the date."),
        Primitive("instant", "string", _dated(_INSTANT), f"YYYY-MM-DDThh:mm:ss.sss+zz:zz. {moment}",
                  "Write date, time with seconds, and zone."),
        Primitive("time", "string", _matches(_TIME), "hh:mm:ss without a zone; 24:00 is not used", "Write hh:mm:ss."),
    )
    return MappingProxyType({primitive.name: primitive for primitive in known})
