"""Assessment of what is stored: the record of a patient read, weighed, and the RiskAssessment stored beside it.

What is read of a patient: the Patient; Conditions; forms and Observations of the encounter, and those of no encounter (all of
them where the occasion has none), but no form that was entered in error. The newest assessment that lies before the encounter, by
the time of its own encounter, is the start of the new one, which names it as its parent; what it rests on and was deleted,
retracted or changed since is not carried (`standing.py`).
The same record gives the same identifier and the same id, so that it is assessed and stored once however often it arrives.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.assessment.run import Parts, assess_subject
from service.errors import Fault, InvalidInput, ServiceError
from service.fhir.r4 import read_stored
from service.fhir.references import read_reference
from service.fhir.wording import with_article
from service.interactions.finding import Find
from service.interactions.results import Done, EntryResult
from service.interactions.standing import IN_GOOD_STANDING, withdrawn_answers
from service.mapping.readers.earlier_assessment import PROFILE
from service.mapping.times import moment
from service.records import dataclass
from service.storage.store import Reader, Transaction, Version

Resource = dict[str, Any]

log = logging.getLogger("service.arrival")

DEVICE = "Device/hipspine"
READ_OF_ENCOUNTER = ("QuestionnaireResponse", "Observation")
ABOUT_A_PATIENT = (*READ_OF_ENCOUNTER, "Condition", "Encounter")
COMPLETED = ("completed", "amended")
FINISHED = ("finished",)


class NothingToAssess(InvalidInput):
    """A record was read without any answer to a finding that this service knows."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Whom to assess, and for which encounter (empty: none): references such as ``Patient/1``."""

    patient: str
    encounter: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Assesses stored records. `rules` are the types whose arrival leads to an assessment by itself."""

    parts: Parts
    find: Find
    rules: Collection[str] = ()

    def listen(self, transaction: Transaction, written: Sequence[Version]) -> None:
        """Store the assessments that the rules ask for, with what arrived. What cannot be assessed is no reason to refuse it."""
        due = [version for version in written if self._is_due(version)]
        tried: set[Occasion] = set()
        for version in due:
            occasion = _occasion(version, _stored(version))
            if occasion is None:
                log.warning("not assessed on arrival resource=%s faults=subject", version.versioned_reference)
            elif occasion not in tried:
                tried.add(occasion)
                self._assess_by_rule(transaction, occasion, version)

    def of_bundle(self, transaction: Transaction, results: Sequence[Done]) -> list[EntryResult]:
        """One result for each patient that the entries of a Bundle are about: the assessment, or why there is none."""
        arrived = [done.version for done in results if done.version is not None and not done.version.deleted]
        answers: list[EntryResult] = []
        for occasion in occasions_of(arrived):
            try:
                answers.append(self.assess(transaction, occasion))
            except InvalidInput as error:
                answers.append(error)
        return answers or [_nobody(results)]

    def assess(self, transaction: Transaction, occasion: Occasion) -> Done:
        """created, with the RiskAssessment; unchanged if this very record was assessed before. InvalidInput if it cannot be.

        NothingToAssess if the record holds no answer to any finding: of age and sex alone no assessment is stored.
        """
        record = self._record(transaction, occasion)
        first = self._weigh(record, occasion, earlier=None)
        identifier = first["identifier"][0]
        resource_id = f"ra-{identifier['value'][:40]}"
        there = transaction.read("RiskAssessment", resource_id)
        if there is not None and not there.deleted:
            return Done("unchanged", there)
        stored_by_caller = self.find(
            transaction, "RiskAssessment", [("identifier", f"{identifier['system']}|{identifier['value']}")], limit=1
        )
        if stored_by_caller:
            return Done("unchanged", stored_by_caller[0])
        earlier = self._earlier(transaction, occasion)
        made = first if earlier is None else self._weigh(record, occasion, earlier=earlier, reader=transaction)
        made["identifier"] = first["identifier"]  # of the record alone: what came before does not make it another one
        return Done("created", transaction.create(_to_store(made, record), resource_id=resource_id))

    def _assess_by_rule(self, transaction: Transaction, occasion: Occasion, version: Version) -> None:
        """The assessment stored, or a line in the log: nobody is there to be told why there is none."""
        try:
            self.assess(transaction, occasion)
        except NothingToAssess:
            log.info("nothing to assess resource=%s", version.versioned_reference)
        except InvalidInput as error:
            kinds = ",".join(dict.fromkeys(fault.kind for fault in error.faults))
            log.warning("not assessed on arrival resource=%s faults=%s", version.versioned_reference, kinds)

    def _weigh(
        self, record: Sequence[Version], occasion: Occasion, *, earlier: Version | None, reader: Reader | None = None
    ) -> Resource:
        entries = [{"resource": _stored(version)} for version in record]
        asked: list[Resource] = [
            {"name": "bundle", "resource": {"resourceType": "Bundle", "type": "collection", "entry": entries}},
            {"name": "subject", "valueReference": {"reference": occasion.patient}},
        ]
        if occasion.encounter:
            asked.append({"name": "encounter", "valueReference": {"reference": occasion.encounter}})
        withdrawn: frozenset[str] = frozenset()
        if earlier is not None:
            resource = _stored(earlier)
            asked.append({"name": "earlier-assessment", "resource": resource})
            if reader is not None:
                withdrawn = withdrawn_answers(resource, reader, self.parts)
        submission = {"resourceType": "Parameters", "parameter": asked}
        result = assess_subject(submission, parts=self.parts, record=True, withdrawn=withdrawn)
        if not (result.reading.case.answers or result.reading.case.recorded):
            raise _nothing()
        return result.risk_assessment

    def _record(self, reader: Reader, occasion: Occasion) -> list[Version]:
        record: list[Version] = []
        for reference in filter(None, (occasion.patient, occasion.encounter)):
            kind, _, resource_id = reference.partition("/")
            version = reader.read(kind, resource_id)
            if version is not None and not version.deleted:
                record.append(version)
        record += self.find(reader, "Condition", [("patient", occasion.patient)])
        for kind in READ_OF_ENCOUNTER:
            about = [("patient", occasion.patient)]
            if not occasion.encounter:
                record += self.find(reader, kind, about)
                continue
            record += self.find(reader, kind, [*about, ("encounter", occasion.encounter)])
            record += self.find(reader, kind, [*about, ("encounter:missing", "true")])
        kept = [version for version in record if not _mistaken(version)]
        return sorted(kept, key=lambda version: version.sequence)

    def _earlier(self, reader: Reader, occasion: Occasion) -> Version | None:
        """The newest assessment of ours in good standing that is not of a later encounter."""
        visit = _begin_of(occasion.encounter, reader)
        before: list[tuple[datetime, datetime, int, Version]] = []
        for version in self.find(reader, "RiskAssessment", [("patient", occasion.patient)]):
            resource = _stored(version)
            if not self.is_ours(resource) or resource.get("status") not in IN_GOOD_STANDING:
                continue
            assessed = moment(str(resource.get("occurrenceDateTime", ""))) or version.last_updated
            encounter = _reference(resource.get("encounter"))
            begin = _begin_of(encounter, reader) or assessed
            if visit is None or encounter == occasion.encounter or begin <= visit:
                before.append((begin, assessed, version.sequence, version))
        return max(before, key=lambda one: one[:3])[-1] if before else None

    def is_ours(self, resource: Mapping[str, Any]) -> bool:
        """Whether it is an assessment that this service made."""
        ours = f"{self.parts.base_url}/StructureDefinition/{PROFILE}"
        return any(str(profile).split("|")[0] == ours for profile in resource.get("meta", {}).get("profile", ()))

    def _is_due(self, version: Version) -> bool:
        if version.type not in self.rules or version.deleted:
            return False
        return _stored(version).get("status") in (COMPLETED if version.type == "QuestionnaireResponse" else FINISHED)


def occasions_of(arrived: Sequence[Version]) -> list[Occasion]:
    """One occasion for each patient that resources are about, with the encounter where they name a single one."""
    encounters: dict[str, set[str]] = {}
    for version in arrived:
        occasion = _occasion(version, _stored(version)) if version.type in ABOUT_A_PATIENT else None
        if occasion is not None:
            encounters.setdefault(occasion.patient, set()).update(filter(None, [occasion.encounter]))
    return [
        Occasion(patient, next(iter(named)) if len(named) == 1 else "") for patient, named in encounters.items()
    ]


def _occasion(version: Version, resource: Mapping[str, Any]) -> Occasion | None:
    """Whom a resource is about; None where it does not refer to a Patient of this server."""
    patient = _reference(resource.get("subject"))
    if not patient.startswith("Patient/"):
        return None
    own = version.reference if version.type == "Encounter" else _reference(resource.get("encounter"))
    return Occasion(patient, own if own.startswith("Encounter/") else "")


def _reference(element: Any) -> str:
    return str((element or {}).get("reference", "")).partition("/_history/")[0]


def _stored(version: Version) -> Resource:
    assert version.body is not None
    return read_stored(version.body)


def _begin_of(encounter: str, reader: Reader) -> datetime | None:
    """When a stored encounter began, or ended if only that is known."""
    version = reader.read("Encounter", encounter.partition("/")[2]) if encounter.startswith("Encounter/") else None
    if version is None or version.deleted:
        return None
    period = _stored(version).get("period", {})
    return moment(str(period.get("start") or period.get("end") or ""))


def _mistaken(version: Version) -> bool:
    return version.type == "QuestionnaireResponse" and _stored(version).get("status") == "entered-in-error"


def _to_store(made: Resource, record: Sequence[Version]) -> Resource:
    """The assessment as it is stored: its inputs by version, the engine by reference to the Device that is stored here."""
    versioned = {version.reference: version.versioned_reference for version in record}
    resource = {name: value for name, value in made.items() if name != "id"}
    resource["contained"] = [one for one in resource.get("contained", ()) if one.get("id") != "device"]
    if not resource["contained"]:
        del resource["contained"]
    resource = _with_device(resource)
    if "basis" in resource:
        resource["basis"] = [
            {**one, "reference": versioned.get(one["reference"], one["reference"])} for one in resource["basis"]
        ]
    return resource


def _with_device(element: Any) -> Any:
    if isinstance(element, dict):
        if element.get("reference") == "#device":
            return {**element, "reference": DEVICE}
        return {name: _with_device(value) for name, value in element.items()}
    return [_with_device(one) for one in element] if isinstance(element, list) else element


def _nothing() -> NothingToAssess:
    return NothingToAssess(
        Fault(
            "business-rule",
            "Nothing stored of the patient answers a finding that this service knows, so that no assessment was made.",
            rule="A stored assessment rests on at least one answered finding; a code that is only a text is not read.",
            repair="Code the findings as the Questionnaire and the CodeSystem of this service list them.",
        )
    )


def _nobody(results: Sequence[Done]) -> ServiceError:
    """Why no entry leads to a patient: a fault for each subject that serves not, or one if no entry could have any."""
    faults = []
    for index, done in enumerate(results):
        version = done.version
        if version is None or version.deleted or version.type not in ABOUT_A_PATIENT:
            continue
        subject = _stored(version).get("subject")
        faults.append(
            Fault(
                "business-rule" if subject else "required",
                f"The {version.type} names no patient of this server: {_why_not(subject or {})}",
                f"Bundle.entry[{index}].resource.subject",
                rule="An assessment on arrival is made for a Patient that is referred to as Patient/id, relative to this server.",
                repair="Refer to the Patient as Patient/id, or by the fullUrl of its entry, or leave out Prefer: assess.",
            )
        )
    return InvalidInput(
        faults
        or Fault(
            "required",
            "Nothing in the Bundle says which patient it is about.",
            rule="An assessment has a patient: the subject of a form, an Observation, a Condition or an Encounter.",
            repair="Refer to the Patient, or leave out Prefer: assess.",
        )
    )


def _why_not(subject: Mapping[str, Any]) -> str:
    reference = _reference(subject)
    target = read_reference(reference)
    if not reference:
        if "identifier" in subject:
            return "its subject is a reference by identifier alone, which is not looked up here."
        return "its subject is a text without a reference." if subject else "it has no subject."
    if target.form == "relative":
        return f"its subject is {with_article(target.type)}, and only a Patient can be assessed."
    return {
        "absolute": "its subject is an absolute URL, and what other servers hold is not read.",
        "contained": "its subject is a contained resource, which has no record of its own.",
        "urn": "its subject is a URN that is no fullUrl of the Bundle.",
    }.get(target.form, "its subject is no reference of the form Type/id.")
