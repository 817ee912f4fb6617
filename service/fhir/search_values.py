"""What the value of a search parameter asks for: text from a query to a value that can be compared.

Ranges follow the precision a value is written with: ``2026-01`` is a month, ``100`` is 99.5 up to 100.5. Times are whole
microseconds since 1970 in UTC, both ends included; a time without a zone is read as UTC.
Source: http://hl7.org/fhir/R4/search.html, sections on each type of parameter.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal, cast

from service.fhir.elements import resource_types
from service.records import dataclass

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
PREFIXES: tuple[Prefix, ...] = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")

EARLIEST, LATEST = -(2**62), 2**62  # ends of a period that says nothing about them; beyond every year there is

_DAY = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,12})?)?(?P<zone>Z|[-+]\d\d:\d\d)?)?)?)?"
)
_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?")
_LARGEST_EXPONENT = 300
_LOCAL = re.compile(r"(?P<type>[A-Z][A-Za-z]{1,63})/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LONGEST_KEY = 200


class BadValue(ValueError):
    """A value that does not fit its parameter. The message says what fits, and never repeats the value."""


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """`system` None: any, empty: none; `code` None: any."""

    code: str | None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceMatch:
    """A target: `type` and `id` on the server `server` (empty: this one), or the whole address in `id` where it is no such place.

    An empty `type` leaves it open, an empty `version` as well.
    """

    id: str
    type: str = ""
    server: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class DateMatch:
    """The period a date stands for, both ends included."""

    prefix: Prefix
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class NumberMatch:
    """A number: `value` as written, `low` up to but not including `high` what its digits leave open.

    For the prefix ap `low` and `high` are a tenth of the value away from it.
    """

    prefix: Prefix
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityMatch:
    """A number with a unit: `system` None: any; `code` None: any, else the code or, where no system is asked for, the unit."""

    number: NumberMatch
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class StringMatch:
    """A text as written, and without case and accents."""

    exact: str
    folded: str


@dataclass(frozen=True, slots=True)
class UriMatch:
    """An address; `version` of a canonical, empty for any."""

    value: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class CompositeMatch:
    """One value for each component, all of one element."""

    parts: tuple[TokenMatch | ReferenceMatch | DateMatch | NumberMatch | QuantityMatch | StringMatch | UriMatch, ...]


Match = TokenMatch | ReferenceMatch | DateMatch | NumberMatch | QuantityMatch | StringMatch | UriMatch | CompositeMatch


# --- escapes -------------------------------------------------------------------------------------------------------


def split(text: str, separator: str) -> list[str]:
    r"""The parts between separators that are not escaped, escapes left in.

    >>> split(r"a\,b,c", ",")
    ['a\\,b', 'c']
    """
    parts, start, index = [], 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 2
            continue
        if text[index] == separator:
            parts.append(text[start:index])
            start = index + 1
        index += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""The text meant: a backslash before , | $ or a backslash goes, any other stays as it is.

    >>> unescape(r"a\,b\|c\d")
    'a,b|c\\d'
    """
    return re.sub(r"\\([\\,|$])", r"\1", text)


# --- one kind of value each ----------------------------------------------------------------------------------------


def token(text: str, *, exact_case: bool) -> TokenMatch:
    """``code``, ``system|code``, ``|code`` or ``system|``. BadValue for the rest."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) > 2:
        raise BadValue("a code, system|code, |code or system|; write a | inside a value as \\|")
    code = parts[-1] if exact_case else fold_code(parts[-1])
    if len(parts) == 1:
        return TokenMatch(index_key(code))
    if not parts[0] and not code:
        raise BadValue("a code, system|code, |code or system|")
    return TokenMatch(index_key(code) if code else None, index_key(parts[0]))


def reference(text: str, *, servers: tuple[str, ...], canonical: bool = False) -> ReferenceMatch:
    """An id, ``Type/id``, an absolute address, urn: or a canonical; each with a version if wanted.

    `servers` are the bases of addresses that count as this server's own.
    """
    text = unescape(text)
    if canonical and ":" in text:
        address, _, version = text.partition("|")
        return ReferenceMatch(index_key(address), version=version)
    for server in servers:
        if text.startswith(server + "/"):
            text = text[len(server) + 1 :]
    local = _LOCAL.fullmatch(text)
    if local and local["type"] in resource_types():
        return ReferenceMatch(local["id"], local["type"], version=local["version"] or "")
    if _ID.fullmatch(text):
        return ReferenceMatch(text)
    if "://" in text:
        place = re.search(r"/" + _LOCAL.pattern + r"$", text)
        if place and place["type"] in resource_types():
            return ReferenceMatch(place["id"], place["type"], index_key(text[: place.start()]), place["version"] or "")
        return ReferenceMatch(index_key(text))
    if text.startswith("urn:"):
        return ReferenceMatch(index_key(text))
    raise BadValue("an id, Type/id, or an absolute address")


def moment(text: str, *, now: datetime) -> DateMatch:
    """A date or time with its prefix. BadValue if there is no such day or time."""
    prefix, text = _prefixed(text)
    # A + in a query that nobody encoded arrives as a space.
    found = period(text.replace(" ", "+"))
    if found is None:
        raise BadValue(
            "a date of the calendar as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone, after one of the prefixes "
            + " ".join(PREFIXES)
        )
    low, high = found
    if prefix == "ap":  # a tenth of the way from now
        today = int((now - datetime(1970, 1, 1, tzinfo=now.tzinfo)).total_seconds() * 1_000_000)
        gap = max(low - today, today - high, 0) // 10
        low, high = low - gap, high + gap
    return DateMatch(prefix, low, high)


def number(text: str) -> NumberMatch:
    """A number with its prefix."""
    prefix, text = _prefixed(text)
    if _NUMBER.fullmatch(text) is None or abs((value := Decimal(text)).adjusted()) > _LARGEST_EXPONENT:
        raise BadValue("a number such as 50, 0.5 or 5e-1, after one of the prefixes " + " ".join(PREFIXES))
    if prefix == "ap":
        low, high = value - abs(value) / 10, value + abs(value) / 10
    else:
        _, digits, exponent = value.as_tuple()
        half = Decimal(5).scaleb(cast(int, exponent) - 1)
        if len(digits) == 1 and cast(int, exponent) > 0:
            half /= 10  # the standard's own example: 1e2 is 95 up to 105, and not 50 up to 150
        low, high = value - half, value + half
    return NumberMatch(prefix, float(value), float(low), float(high))


def quantity(text: str) -> QuantityMatch:
    """``number``, ``number|system|code`` or ``number||unit``."""
    parts = split(text, "|")
    if len(parts) not in (1, 3):
        raise BadValue("a number, number|system|code or number||unit")
    amount = number(unescape(parts[0]))
    if len(parts) == 1:
        return QuantityMatch(amount)
    system, code = (unescape(part) for part in parts[1:])
    return QuantityMatch(amount, index_key(system) if system else None, index_key(code) if code else None)


def string(text: str) -> StringMatch:
    """Any text that is not empty."""
    text = unescape(text)
    folded = fold(text)
    if not folded:
        raise BadValue("a text with at least one letter or digit")
    return StringMatch(text, folded)


def uri(text: str, *, canonical: bool) -> UriMatch:
    """An address as it is written; of a canonical the version may follow a ``|``."""
    text = unescape(text)
    if not text or any(character.isspace() for character in text):
        raise BadValue("an address without white space")
    value, _, version = text.partition("|") if canonical else (text, "", "")
    return UriMatch(index_key(value), version)


# --- what both sides of a comparison do alike ------------------------------------------------------------------------


def fold(text: str) -> str:
    """The text without case, accents and needless white space.

    >>> fold("  Müller-Lüdenscheidt  ÉMILE ")
    'muller-ludenscheidt emile'
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(character for character in plain if not unicodedata.combining(character)).casefold().split())


def fold_code(code: str) -> str:
    """A code without its case: few code systems tell codes apart by it, and finding too much harms less than too little."""
    return code if code.islower() or code.isdigit() else code.casefold()


def index_key(text: str) -> str:
    """The text, or where it is too long for an index its beginning with a fingerprint of the whole."""
    if len(text) <= _LONGEST_KEY:
        return text
    return f"{text[:100]}#{sha256(text.encode()).hexdigest()}"


def period(text: str) -> tuple[int, int] | None:
    """First and last microsecond of the date or time that is written, None if it is none.

    >>> period("1970-01-01T00:00:01Z")
    (1000000, 1999999)
    >>> period("2026-02-30") is None
    True
    """
    parts = _MOMENT.fullmatch(text)
    if parts is None:
        return None
    year, month, day = int(parts["year"]), int(parts["month"] or 1), int(parts["day"] or 1)
    if not year or not 1 <= month <= 12 or not 1 <= day <= monthrange(year, month)[1]:
        return None
    low = (date(year, month, day).toordinal() - _EPOCH_DAY) * _DAY
    if parts["hour"] is None:
        days = 1 if parts["day"] else monthrange(year, month)[1] if parts["month"] else 366 - (monthrange(year, 2)[1] == 28)
        return low, low + days * _DAY - 1
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0)
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second, which is the second after 59
        return None
    low += ((hour * 60 + minute) * 60 + second) * 1_000_000
    length = 1_000_000 if parts["second"] else 60_000_000
    if parts["fraction"]:
        digits = parts["fraction"][1:]
        low += int(digits[:6].ljust(6, "0"))
        length = max(10 ** (6 - len(digits)), 1)
    zone = parts["zone"]
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:])
        if hours > 14 or minutes > 59:
            return None
        low -= (hours * 60 + minutes) * 60_000_000 * (-1 if zone[0] == "-" else 1)
    return low, low + int(length) - 1


def _prefixed(text: str) -> tuple[Prefix, str]:
    return (cast(Prefix, text[:2]), text[2:]) if text[:2] in PREFIXES else ("eq", text)
