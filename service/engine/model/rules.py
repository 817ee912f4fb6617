"""What is known and is not a rate: red-flag rules, what makes an answer void, referrals, items of the plan."""

from __future__ import annotations

from collections.abc import Mapping

from service.engine.model.kinds import PlanKind, SafetyClass, Urgency
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class RedFlagRule:
    """A safety rule on findings alone.

    `when` is a nested mapping: ``{"finding": id, "is": test}``, ``{"age": test}``, ``{"all": [...]}`` or ``{"any": [...]}``.
    With ``"if_done": true`` beside a finding, no answer means it was not needed, rather than not screened.
    A `weak` rule (age, old cancer, steroids) raises at most ``urgent`` however it is combined. `threat` names what may be
    behind it: a row of the table of threats, which says what may still be proposed.
    """

    id: str
    label: str
    category: str
    urgency: Urgency
    when: Mapping[str, object]
    message: str
    action: str
    weak: bool = False
    conditions: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    source_id: str = ""
    threat: str = ""


@dataclass(frozen=True, slots=True)
class Threat:
    """What a raised flag may mean for everything else: which classes of item are still proposed, and what is not examined.

    An item or referral is given only if all its classes are among `permits`, so that a new class is withheld until somebody
    permits it. `not_examined` are kinds or ids of findings that are never proposed as the next examination meanwhile.
    """

    id: str
    permits: tuple[SafetyClass, ...]
    not_examined: tuple[str, ...] = ()
    source_id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Qualifier:
    """When one answer says nothing: `value` of the finding does not count where what is known does not fulfil `needs`.

    "Not better" after two visits is no failed trial; where nothing the rule asks for was answered, the answer counts.
    `needs` is written as in `RedFlagRule.when`.
    """

    id: str
    finding_id: str
    value: str
    needs: Mapping[str, object]
    reason: str
    claims: tuple[str, ...] = ()
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class Referral:
    """A coded next step. `applies_to` names a pattern, a condition or a red flag (``pattern:spine``, ``condition:aaa``,
    ``red-flag:cauda_equina``), or ``undecided:under-18``; `service`, `specialty` and `body_site` are concepts of the
    terminology; a `body_site` is given in a draft with the side of the case, where that is known.

    Given only where one of the statements of `only_when` is true, if there are any, and none of `unless`: an image is not
    asked for where it is the answer just given. Statements are written ``finding:id statement``. `safety` as in `PlanRule`.
    """

    id: str
    applies_to: tuple[str, ...]
    service: str
    specialty: str
    label: str
    reason: str
    urgency: Urgency | None = None  # None: the urgency of what it applies to
    claims: tuple[str, ...] = ()
    only_when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    safety: tuple[SafetyClass, ...] = ()
    source_id: str = ""
    body_site: str = ""


@dataclass(frozen=True, slots=True)
class PlanRule:
    """One item a plan can hold: a row of the plan table.

    `applies_to` as in `Referral`, with ``stage:1`` .. ``stage:3`` and ``any``; `withheld_when` names red-flag categories,
    urgencies (``urgency:emergency``) and conditions under which it must not be given. `evidence` is a grade A-D or
    ``expert``; `thinner` says where the literature is thinner than what is commonly claimed. `service/engine/care.py`
    tells the words that both lists may hold. With `after_screening` an item is given only under the reserve that the open
    red-flag questions are answered; an `always` item is never left out for length; `replaces` names items it stands for.
    `safety` says what it does to the patient: every class of it must be permitted by every threat that is raised.
    """

    id: str
    kind: PlanKind
    applies_to: tuple[str, ...]
    label: str
    text: str
    evidence: str
    source_id: str
    thinner: str = ""
    dosage: str = ""
    withheld_when: tuple[str, ...] = ()
    reassess_after_days: int | None = None
    visits: tuple[int, int] | None = None
    service: str = ""
    claims: tuple[str, ...] = ()
    after_screening: bool = False
    always: bool = False
    replaces: tuple[str, ...] = ()
    safety: tuple[SafetyClass, ...] = ()
