"""The invariants of resources, for `invariants.py`: clinical ones, and those of the definitions this service publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from service.fhir.rules import (
    TERMINOLOGY,
    UCUM,
    Invariant,
    Node,
    coded,
    distinct,
    has,
    has_choice,
    in_order,
    number,
    objects,
    positions,
    text,
    when,
)

_WITH_REQUEST = ("batch", "transaction", "history")
_WITH_RESPONSE = ("batch-response", "transaction-response", "history")


def clinical() -> dict[str, list[Invariant]]:
    """The rules of clinical and messaging resources, by structure."""
    return {**_observation_and_forms(), **_bundle_and_parameters(), **_records()}


def _observation_and_forms() -> dict[str, list[Invariant]]:
    def component_repeats_code(observation: Node) -> Iterator[str]:
        if not has_choice(observation, "value"):
            return
        own = _codings(observation)
        if own and any(own & _codings(component) for component in objects(observation, "component")):
            yield ""

    def is_percent(prediction: Node) -> bool:
        return all(
            text(end, "code") == "%" and text(end, "system") == UCUM
            for span in objects(prediction, "probabilityRange") for name in ("low", "high") for end in objects(span, name)
        )

    def at_most_hundred(prediction: Node) -> bool:
        value = number(prediction, "probabilityDecimal")
        return value is None or value <= 100

    return {
        "Observation": [
            when("obs-6", "dataAbsentReason is only given where value[x] is not.",
                  lambda o: not (has(o, "dataAbsentReason") and has_choice(o, "value")),
                  "Keep either the value or dataAbsentReason."),
            Invariant("obs-7", "An Observation with a value has no component of the same code.", component_repeats_code,
                      "Move the value into the component, or leave the component out."),
        ],
        "ObservationReferenceRange": [when(
            "obs-3", "A reference range has at least low, high or text.",
            lambda r: has(r, "low") or has(r, "high") or has(r, "text"), "Add low, high or text, or leave the range out.")],
        "QuestionnaireResponseItem": [when(
            "qrs-1", "An item has nested items either beneath itself (a group) or beneath its answers (a question), not both.",
            lambda i: not (has(i, "answer") and has(i, "item")), "Move the nested items into the answer they belong to.")],
        "RiskAssessmentPrediction": [
            when("ras-2", "probabilityDecimal is a percentage of at most 100.", at_most_hundred, "Give a percentage."),
            Invariant("ras-1", "The ends of probabilityRange are percentages (UCUM code %).",
                      lambda p: () if is_percent(p) else ("probabilityRange",), f"Give system {UCUM} and code %."),
        ],
        "ServiceRequest": [when("prr-1", "orderDetail goes with a code.",
                                 lambda s: not has(s, "orderDetail") or has(s, "code"), "Add code.")],
    }


def _codings(node: Node) -> set[tuple[str, str]]:
    return {
        (text(coding, "system"), text(coding, "code"))
        for concept in objects(node, "code") for coding in objects(concept, "coding") if text(coding, "code")
    }


def _bundle_and_parameters() -> dict[str, list[Invariant]]:
    def presence(name: str, kinds: tuple[str, ...]) -> Callable[[Node], Iterator[str]]:
        def broken(bundle: Node) -> Iterator[str]:
            demanded = text(bundle, "type") in kinds
            return positions(bundle, "entry", lambda entry: has(entry, name) != demanded)
        return broken

    def stray_search(bundle: Node) -> Iterator[str]:
        if text(bundle, "type") != "searchset":
            yield from positions(bundle, "entry", lambda entry: has(entry, "search"))

    def repeated_full_url(bundle: Node) -> Iterator[str]:
        if text(bundle, "type") == "history":
            return
        seen: set[tuple[str, str]] = set()
        entries = bundle.get("entry")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, dict) or not text(entry, "fullUrl"):
                continue
            meta = [meta for resource in objects(entry, "resource") for meta in objects(resource, "meta")]
            identity = (text(entry, "fullUrl"), text(meta[0], "versionId") if meta else "")
            if identity in seen:
                yield f"entry[{index}]"
            seen.add(identity)

    def first_is(kind: str, type_name: str) -> Callable[[Node], bool]:
        def holds(bundle: Node) -> bool:
            first = objects(bundle, "entry")[:1]
            return text(bundle, "type") != kind or any(
                text(resource, "resourceType") == type_name for entry in first for resource in objects(entry, "resource"))
        return holds

    def one_content(parameter: Node) -> bool:
        return [has_choice(parameter, "value"), has(parameter, "resource"), has(parameter, "part")].count(True) == 1

    return {
        "Bundle": [
            when("bdl-1", "total is only given in a searchset or history.",
                  lambda b: not has(b, "total") or text(b, "type") in ("searchset", "history"), "Leave out total."),
            Invariant("bdl-2", "entry.search is only given in a searchset.", stray_search, "Leave out entry.search."),
            Invariant("bdl-3", "entry.request is given in each entry of a batch, transaction or history, and nowhere else.",
                      presence("request", _WITH_REQUEST), "Add request with method and url, or leave it out in other Bundles."),
            Invariant("bdl-4", "entry.response is given in each entry of a batch-response, transaction-response or history, "
                      "and nowhere else.", presence("response", _WITH_RESPONSE),
                      "Add response, or leave it out in other Bundles."),
            Invariant("bdl-7", "fullUrl is unique in a Bundle, unless the entries differ in meta.versionId.", repeated_full_url,
                      "Give each entry a fullUrl of its own."),
            when("bdl-9", "A document has an identifier with system and value.",
                  lambda b: text(b, "type") != "document" or any(
                      has(i, "system") and has(i, "value") for i in objects(b, "identifier")), "Add identifier."),
            when("bdl-10", "A document has a timestamp.", lambda b: text(b, "type") != "document" or "timestamp" in b,
                  "Add timestamp."),
            when("bdl-11", "A document starts with a Composition.", first_is("document", "Composition"),
                  "Put the Composition first, or use type collection."),
            when("bdl-12", "A message starts with a MessageHeader.", first_is("message", "MessageHeader"),
                  "Put the MessageHeader first, or use type collection."),
        ],
        "BundleEntry": [
            when("bdl-5", "An entry holds a resource, unless it is a request or response.",
                  lambda e: has(e, "resource") or has(e, "request") or has(e, "response"),
                  "Add the resource or leave out the entry."),
            Invariant("bdl-8", "fullUrl names a resource, not one version of it.",
                      lambda e: ("fullUrl",) if "/_history/" in text(e, "fullUrl") else (),
                      "Cut off /_history/ and what follows."),
        ],
        "ParametersParameter": [when("inv-1", "A parameter has exactly one of value[x], resource and part.", one_content,
                                      "Keep one of value[x], resource and part.")],
    }


def _records() -> dict[str, list[Invariant]]:
    condition_status = f"{TERMINOLOGY}/condition-ver-status"
    allergy_status = f"{TERMINOLOGY}/allergyintolerance-verification"

    def wrong_condition(c: Node) -> bool:
        return coded(c, "verificationStatus", condition_status, "entered-in-error")

    def wrong_allergy(a: Node) -> bool:
        return coded(a, "verificationStatus", allergy_status, "entered-in-error")

    def on_problem_list(c: Node) -> bool:
        return any(text(coding, "code") == "problem-list-item" for category in objects(c, "category")
                   for coding in objects(category, "coding"))

    def at_home(name: str) -> Callable[[Node], Iterator[str]]:
        return lambda organization: positions(organization, name, lambda item: text(item, "use") == "home")

    def any_of(*names: str) -> Callable[[Node], bool]:
        return lambda node: any(has(node, name) for name in names)

    return {
        "PatientContact": [when(
            "pat-1", "A contact has a name, telecom, address or organization.",
            any_of("name", "telecom", "address", "organization"), "Add one of them.")],
        "Condition": [
            when("con-3", "An item of the problem list has a clinicalStatus, unless entered in error.",
                  lambda c: has(c, "clinicalStatus") or wrong_condition(c) or not on_problem_list(c), "Add clinicalStatus.",
                  warning=True),
            when("con-4", "A condition that has abated is inactive, resolved or in remission.",
                  lambda c: not has_choice(c, "abatement") or coded(
                      c, "clinicalStatus", f"{TERMINOLOGY}/condition-clinical", "resolved", "remission", "inactive"),
                  "Set clinicalStatus to inactive, resolved or remission, or leave out abatement[x]."),
            when("con-5", "A condition entered in error has no clinicalStatus.",
                  lambda c: not (wrong_condition(c) and has(c, "clinicalStatus")), "Leave out clinicalStatus."),
        ],
        "ConditionStage": [when("con-1", "A stage has a summary or an assessment.", any_of("summary", "assessment"), "Add one.")],
        "ConditionEvidence": [when("con-2", "Evidence has a code or details.", any_of("code", "detail"), "Add one.")],
        "AllergyIntolerance": [
            when("ait-1", "An allergy has a clinicalStatus, unless entered in error.",
                  lambda a: wrong_allergy(a) or has(a, "clinicalStatus"), "Add clinicalStatus."),
            when("ait-2", "An allergy entered in error has no clinicalStatus.",
                  lambda a: not (wrong_allergy(a) and has(a, "clinicalStatus")), "Leave out clinicalStatus."),
        ],
        "FamilyMemberHistory": [
            when("fhs-1", "Either age[x] or born[x] is given, not both.",
                  lambda f: not (has_choice(f, "age") and has_choice(f, "born")), "Keep one."),
            when("fhs-2", "estimatedAge goes with age[x].", lambda f: not has(f, "estimatedAge") or has_choice(f, "age"),
                  "Leave out estimatedAge."),
        ],
        "Organization": [
            when("org-1", "An organization has a name or an identifier.", any_of("name", "identifier"), "Add name."),
            Invariant("org-2", "The address of an organization is not a home.", at_home("address"), "Change use."),
            Invariant("org-3", "The telecom of an organization is not of a home.", at_home("telecom"), "Change use."),
        ],
        "CompositionSection": [
            when("cmp-1", "A section has text, entries or sections.", any_of("text", "entry", "section"), "Add one of them."),
            when("cmp-2", "emptyReason is given only where there are no entries.",
                  lambda s: not (has(s, "emptyReason") and has(s, "entry")), "Leave out emptyReason."),
        ],
        "CarePlanActivity": [when("cpl-3", "An activity has a detail or a reference, not both.",
                                   lambda a: not (has(a, "detail") and has(a, "reference")), "Keep one.")],
        "GoalTarget": [when("gol-1", "A target with a detail has a measure.",
                             lambda t: not has_choice(t, "detail") or has(t, "measure"), "Add measure.")],
        "ImmunizationEducation": [when("imm-1", "Education has a documentType or a reference.",
                                        any_of("documentType", "reference"), "Add one.")],
        "List": [
            when("lst-1", "emptyReason is given only where there are no entries.",
                  lambda x: not (has(x, "emptyReason") and has(x, "entry")), "Leave out emptyReason."),
            Invariant("lst-2", "entry.deleted is only used in a list of changes.",
                      lambda x: () if text(x, "mode") == "changes" else positions(x, "entry", lambda e: has(e, "deleted")),
                      "Leave out deleted."),
            Invariant("lst-3", "entry.date is only used in a working list.",
                      lambda x: () if text(x, "mode") == "working" else positions(x, "entry", lambda e: has(e, "date")),
                      "Leave out date."),
        ],
        "Task": [when("inv-1", "lastModified is not before authoredOn.",
                       lambda t: not (text(t, "authoredOn") and text(t, "lastModified"))
                       or in_order(text(t, "authoredOn"), text(t, "lastModified")), "Correct one of the two times.")],
    }


def conformance() -> dict[str, list[Invariant]]:
    """The rules of the definitions this service publishes, by structure."""
    def kind(statement: Node) -> str:
        return text(statement, "kind")

    def types_once(rest: Node) -> bool:
        return distinct(text(resource, "type") for resource in objects(rest, "resource"))

    def codes(concepts: Node) -> Iterator[Any]:
        for concept in objects(concepts, "concept"):
            yield text(concept, "code")
            yield from codes(concept)

    def include_rules() -> list[Invariant]:
        return [
            when("vsd-1", "An include or exclude names a system or a value set.",
                  lambda i: has(i, "valueSet") or has(i, "system"), "Add system."),
            when("vsd-2", "Concepts and filters go with a system.",
                  lambda i: has(i, "system") or not (has(i, "concept") or has(i, "filter")), "Add system."),
            when("vsd-3", "Either concepts or filters are given, not both.",
                  lambda i: not (has(i, "concept") and has(i, "filter")), "Split it into two includes."),
        ]

    return {
        **_questionnaire(),
        "CapabilityStatement": [
            when("cpb-1", "There is at least one of rest, messaging and document.",
                  lambda c: has(c, "rest") or has(c, "messaging") or has(c, "document"), "Add rest."),
            when("cpb-2", "There is at least one of description, software and implementation.",
                  lambda c: has(c, "description") or has(c, "software") or has(c, "implementation"), "Add description."),
            when("cpb-14", "A statement of kind instance describes its implementation.",
                  lambda c: kind(c) != "instance" or has(c, "implementation"), "Add implementation."),
            when("cpb-15", "A statement of kind capability has software and no implementation.",
                  lambda c: kind(c) != "capability" or (has(c, "software") and not has(c, "implementation")), "Correct kind."),
            when("cpb-16", "A statement of kind requirements has neither software nor implementation.",
                  lambda c: kind(c) != "requirements" or not (has(c, "software") or has(c, "implementation")), "Correct kind."),
        ],
        "CapabilityStatementRest": [when("cpb-9", "Each resource type is described once.", types_once, "Merge the entries.")],
        "CapabilityStatementRestResource": [when(
            "cpb-12", "The search parameters of a resource have different names.",
            lambda r: distinct(text(parameter, "name") for parameter in objects(r, "searchParam")), "Keep one of them.")],
        "CodeSystem": [when("csd-1", "Each code is defined once.", lambda c: distinct(codes(c)), "Leave out the second.")],
        "ValueSetComposeInclude": include_rules(),
        "ValueSetExpansionContains": [
            when("vsd-6", "A member has a code or a display.", lambda c: has(c, "code") or has(c, "display"), "Add code."),
            when("vsd-9", "A member without a code is abstract.",
                  lambda c: has(c, "code") or c.get("abstract") is True, "Add code."),
            when("vsd-10", "A member with a code has a system.", lambda c: not has(c, "code") or has(c, "system"), "Add system."),
        ],
        "ConceptMapGroupElementTarget": [when(
            "cmd-1", "A narrower or inexact map has a comment.",
            lambda t: has(t, "comment") or text(t, "equivalence") not in ("narrower", "inexact"), "Add comment.")],
        "ConceptMapGroupUnmapped": [
            when("cmd-2", "Mode fixed has a code.", lambda u: text(u, "mode") != "fixed" or has(u, "code"), "Add code."),
            when("cmd-3", "Mode other-map has a url.", lambda u: text(u, "mode") != "other-map" or has(u, "url"), "Add url."),
        ],
        "OperationDefinitionParameter": [
            when("opd-1", "A parameter has a type or parts.", lambda p: has(p, "type") or has(p, "part"), "Add type."),
            when("opd-2", "searchType is only given for type string.",
                  lambda p: not has(p, "searchType") or text(p, "type") == "string", "Leave out searchType."),
            when("opd-3", "targetProfile is only given for type Reference or canonical.",
                  lambda p: not has(p, "targetProfile") or text(p, "type") in ("Reference", "canonical"),
                  "Leave out targetProfile."),
        ],
    }


def _questionnaire() -> dict[str, list[Invariant]]:
    with_length = ("boolean", "decimal", "integer", "string", "text", "url", "open-choice")
    with_options = ("choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity")

    def link_ids(node: Node) -> Iterator[str]:
        for item in objects(node, "item"):
            yield text(item, "linkId")
            yield from link_ids(item)

    def kind(item: Node) -> str:
        return text(item, "type")

    def nests_rightly(item: Node) -> bool:
        return has(item, "item") if kind(item) == "group" else not (kind(item) == "display" and has(item, "item"))

    def not_for_display(*names: str) -> Callable[[Node], bool]:
        return lambda item: kind(item) != "display" or not any(has(item, name) for name in names)

    return {
        "Questionnaire": [when("que-2", "Each linkId is used once.", lambda q: distinct(link_ids(q)), "Rename the second.")],
        "QuestionnaireItem": [
            when("que-1", "A group has items; a display has none.", nests_rightly, "Correct type or item."),
            when("que-3", "A display has no code.", not_for_display("code"), "Leave out code."),
            when("que-4", "Either answerOption or answerValueSet is given, not both.",
                  lambda i: not (has(i, "answerOption") and has(i, "answerValueSet")), "Keep one."),
            when("que-5", "Only questions with a choice of values have answer options or an answer value set.",
                  lambda i: kind(i) in with_options or not (has(i, "answerOption") or has(i, "answerValueSet")), "Correct type."),
            when("que-6", "A display is neither required nor repeating.", not_for_display("required", "repeats"),
                 "Leave them out."),
            when("que-8", "Groups and displays have no initial value.",
                  lambda i: kind(i) not in ("group", "display") or not has(i, "initial"), "Leave out initial."),
            when("que-9", "A display is not read-only.", not_for_display("readOnly"), "Leave out readOnly."),
            when("que-10", "maxLength is only given for simple questions.",
                  lambda i: not has(i, "maxLength") or kind(i) in with_length, "Leave out maxLength."),
            when("que-11", "An item with answer options marks one as initiallySelected; it has no initial.",
                  lambda i: not (has(i, "answerOption") and has(i, "initial")), "Use initialSelected."),
            when("que-12", "Several enableWhen need an enableBehavior.",
                  lambda i: len(objects(i, "enableWhen")) < 2 or has(i, "enableBehavior"), "Add enableBehavior."),
            when("que-13", "Only a repeating item has several initial values.",
                  lambda i: i.get("repeats") is True or len(objects(i, "initial")) < 2, "Keep one initial value."),
        ],
        "QuestionnaireItemEnableWhen": [when(
            "que-7", "The operator exists is compared with a boolean.",
            lambda w: text(w, "operator") != "exists" or has(w, "answerBoolean"), "Use answerBoolean.")],
    }
