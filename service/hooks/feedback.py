"""What became of the cards: feedback as CDS Hooks defines it, read strictly, and counted honestly."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import Any

from service.errors import Fault, FaultKind, MalformedInput
from service.records import dataclass
from service.storage.hook_records import Count, Feedback

SPEC = "https://cds-hooks.hl7.org/2.0/#feedback"
MOST_ENTRIES = 500
LONGEST_COMMENT = 2_000
TOO_FEW = 10  # below this number of cards a share would say more about chance than about the advice
Z_95 = 1.959964

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def read_feedback(body: Mapping[str, Any], service: str, *, now: datetime) -> tuple[Feedback, ...]:
    """The entries of one message; MalformedInput with every fault of every entry, so that none is taken in part.

    Cards nobody knows are fine: this service may have forgotten them. Without a time of its own an entry counts from `now`.
    """
    entries = body.get("feedback")
    if not isinstance(entries, list) or len(entries) > MOST_ENTRIES:
        kind: FaultKind = "required" if entries is None else "structure"
        raise MalformedInput(
            _fault(kind, "The feedback is missing or no list.", "feedback", f"Send a list of at most {MOST_ENTRIES} entries.")
        )
    faults: list[Fault] = []
    found = [_entry(entry, f"feedback[{number}]", service, now, faults) for number, entry in enumerate(entries)]
    if faults:
        raise MalformedInput(faults)
    return tuple(one for one in found if one is not None)


def _entry(entry: Any, where: str, service: str, now: datetime, faults: list[Fault]) -> Feedback | None:
    if not isinstance(entry, dict):
        faults.append(_fault("structure", "An entry is no object.", where, "Send one object per card."))
        return None
    before = len(faults)
    card, outcome = entry.get("card"), entry.get("outcome")
    if not _is_uuid(card):
        faults.append(_fault("value", "The card is no UUID.", f"{where}.card", "Give the uuid of the card."))
    if outcome not in ("accepted", "overridden"):
        message = "The outcome is neither accepted nor overridden."
        faults.append(_fault("code-invalid", message, f"{where}.outcome", "Give one of both.", key="cds-fb-1"))
    suggestions = _suggestions(entry, outcome, where, faults)
    system, code, comment = _reason(entry.get("overrideReason"), where, faults)
    acted = _acted(entry.get("outcomeTimestamp"), where, now, faults)
    if len(faults) > before or (outcome != "accepted" and outcome != "overridden"):
        return None
    stamp = entry.get("outcomeTimestamp")
    told = [service, str(card).lower(), outcome, sorted(suggestions), system, code, comment, stamp and acted.isoformat()]
    digest = hashlib.sha256(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
    return Feedback(service, str(card).lower(), outcome, suggestions, system, code, comment, acted, digest)


def _suggestions(entry: Mapping[str, Any], outcome: Any, where: str, faults: list[Fault]) -> tuple[str, ...]:
    accepted = entry.get("acceptedSuggestions")
    at = f"{where}.acceptedSuggestions"
    if accepted is None or accepted == []:
        if outcome == "accepted":
            message = "Nothing says which suggestion was accepted."
            faults.append(_fault("required", message, at, "List the uuids of the accepted suggestions.", key="cds-fb-2"))
        return ()
    ids = [one.get("id") if isinstance(one, dict) else None for one in accepted] if isinstance(accepted, list) else [None]
    if not all(_is_uuid(one) for one in ids):
        faults.append(_fault("value", "An accepted suggestion has no UUID.", at, "Give each as an object with its uuid as id."))
        return ()
    return tuple(str(one).lower() for one in ids)


def _reason(reason: Any, where: str, faults: list[Fault]) -> tuple[str, str, str]:
    """System and code of the reason, and the comment."""
    if reason is None:
        return "", "", ""
    at = f"{where}.overrideReason"
    coding, comment = (reason.get("reason"), reason.get("userComment")) if isinstance(reason, dict) else (None, None)
    code = coding.get("code") if isinstance(coding, dict) else None
    system = coding.get("system", "") if isinstance(coding, dict) else ""
    texts = isinstance(code, str | None) and isinstance(system, str) and isinstance(comment, str | None)
    if not texts or not (code or comment):
        message = "The reason is neither a code nor a comment."
        faults.append(_fault("required", message, at, "Give reason with its code, userComment, or both.", key="cds-fb-3"))
        return "", "", ""
    return system[:500], (code or "")[:500], (comment or "")[:LONGEST_COMMENT]


def _acted(stamp: Any, where: str, now: datetime, faults: list[Fault]) -> datetime:
    if stamp is None:
        return now
    if isinstance(stamp, str) and _TIMESTAMP.fullmatch(stamp):
        try:
            return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    repair = "Give date, time and zone, such as 2026-01-31T12:00:00Z."
    faults.append(_fault("value", "The time of the outcome is no time.", f"{where}.outcomeTimestamp", repair))
    return now


def _is_uuid(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _fault(kind: FaultKind, message: str, where: str, repair: str, *, key: str = "") -> Fault:
    return Fault(kind, message, where, "CDS Hooks defines what feedback holds.", repair, key=key, spec=SPEC)


# --- counting -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How often advice of one kind was taken up. `share`, `low` and `high` are fractions, None while there are too few.

    The interval is Wilson's, at 95 percent. Cards that nobody acted on are not in it: nobody reports them.
    """

    key: str
    label: str
    cards: int
    accepted: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Acceptance of all cards with feedback, each counted once, and the same along four ways of looking at it."""

    shown: Mapping[str, int]
    total: Acceptance
    by_service: tuple[Acceptance, ...]
    by_topic: tuple[Acceptance, ...]
    by_differential: tuple[Acceptance, ...]
    by_month: tuple[Acceptance, ...]
    reasons: tuple[tuple[str, int], ...]  # label of the override reason -> overridden cards, most frequent first


def report(counts: Sequence[Count], shown: Mapping[str, int], *, label: Callable[[str, str], str]) -> Report:
    """The report on counts. `label` words a code: of ``differential``, ``topic`` or ``reason`` (system and code joined by |)."""

    def along(key: Callable[[Count], str], kind: str) -> tuple[Acceptance, ...]:
        keys = sorted({key(one) for one in counts})
        return tuple(_acceptance(name, label(kind, name), (one for one in counts if key(one) == name)) for name in keys)

    overridden: Counter[str] = Counter()
    for one in counts:
        if one.outcome == "overridden":
            overridden[label("reason", f"{one.reason_system}|{one.reason_code}" if one.reason_code else "")] += one.cards
    return Report(
        shown=dict(shown),
        total=_acceptance("", "", counts),
        by_service=along(lambda one: one.service, "service"),
        by_topic=along(lambda one: one.topic, "topic"),
        by_differential=along(lambda one: one.differential, "differential"),
        by_month=along(lambda one: one.day.strftime("%Y-%m"), "month"),
        reasons=tuple(sorted(overridden.items(), key=lambda pair: (-pair[1], pair[0]))),
    )


def _acceptance(key: str, label: str, counts: Iterable[Count]) -> Acceptance:
    outcomes: Counter[str] = Counter()
    for one in counts:
        outcomes[one.outcome] += one.cards
    cards, accepted = sum(outcomes.values()), outcomes["accepted"]
    if cards < TOO_FEW:
        return Acceptance(key, label, cards, accepted, None, None, None)
    return Acceptance(key, label, cards, accepted, accepted / cards, *wilson(accepted, cards))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 percent interval of a share, as fractions. Source: Wilson EB. J Am Stat Assoc 1927;22:209."""
    share, square = successes / trials, Z_95 * Z_95
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = Z_95 * sqrt(share * (1 - share) / trials + square / (4 * trials * trials)) / (1 + square / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def as_json(found: Report, *, generated: datetime) -> dict[str, Any]:
    """The report for machines: numbers of cards everywhere, shares only where there are enough."""

    def told(one: Acceptance) -> dict[str, Any]:
        row: dict[str, Any] = {"key": one.key, "label": one.label} if one.label else {}
        row |= {"cards": one.cards, "accepted": one.accepted, "overridden": one.cards - one.accepted}
        if one.share is None or one.low is None or one.high is None:
            return row | {"tooFew": True}
        return row | {"acceptance": round(one.share, 4), "interval95": [round(one.low, 4), round(one.high, 4)]}

    return {
        "generated": generated.isoformat(timespec="seconds"),
        "cardsShown": dict(found.shown),
        "tooFewBelow": TOO_FEW,
        "total": told(found.total),
        "byService": [told(one) for one in found.by_service],
        "byTopic": [told(one) for one in found.by_topic],
        "byDifferential": [told(one) for one in found.by_differential],
        "byMonth": [told(one) for one in found.by_month],
        "overrideReasons": [{"label": label, "cards": cards} for label, cards in found.reasons],
    }
