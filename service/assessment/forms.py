"""Two use cases around forms: Observations taken out of a response, and a response filled in from a record.

Neither stores anything. Both answer with Parameters, because each has two results: what was asked for, and the issues.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from service.assessment.run import Parts
from service.errors import Fault, InvalidInput, MalformedInput
from service.fhir.bundles import Held, held_in_bundle
from service.fhir.outcomes import operation_outcome
from service.fhir.references import read_reference
from service.mapping.case import Reading, read_submission
from service.mapping.extraction import extract_observations
from service.mapping.population import populated_response
from service.mapping.reading import Notebook
from service.mapping.references import ReferenceIndex

Resource = dict[str, Any]
Find = Callable[[str], Mapping[str, Any] | None]


def extract(
    submitted: Resource | None, *, parts: Parts, warnings: Iterable[Fault] = (), stored: Resource | None = None
) -> Resource:
    """Parameters with `return`, a transaction Bundle that would create the Observations, and `issues`.

    `submitted` is a QuestionnaireResponse, or Parameters with one and perhaps its Questionnaire; `stored` is the response of
    the address when the operation is called on one. InvalidInput with every fault of the response.
    """
    notebook = Notebook(warnings=list(warnings))
    given = _Given()
    if stored is not None:
        given.responses.append(Held(stored, "QuestionnaireResponse", bundled=True))
    if submitted is not None:
        _collect_extract(submitted, given, notebook, instance=stored is not None)
    if notebook.faults:
        raise MalformedInput(notebook.faults)
    if len(given.responses) != 1:
        raise MalformedInput(
            Fault(
                "required" if not given.responses else "value",
                f"{len(given.responses)} responses were given.",
                where="Parameters.parameter",
                rule="One QuestionnaireResponse is extracted at a time.",
                repair="Send one QuestionnaireResponse, bare or in the parameter questionnaire-response.",
            )
        )
    response = given.responses[0]
    index = ReferenceIndex([response, *given.questionnaires])
    observations = extract_observations(response, index, parts.reading_context(parts.now()), notebook)
    if notebook.faults:
        raise InvalidInput(notebook.faults)
    if not observations:
        notebook.warn(
            "informational",
            "There is nothing to extract.",
            response.path,
            rule="Extracted is what is answered, coded and marked with observationExtract in the Questionnaire.",
            severity="information",
        )
    bundle: Resource = {"resourceType": "Bundle", "id": parts.new_id(), "type": "transaction"}
    if observations:
        bundle["entry"] = [
            {
                "fullUrl": f"urn:uuid:{parts.new_id()}",
                "resource": observation,
                "request": {"method": "POST", "url": "Observation"},
            }
            for observation in observations
        ]
    return _answer("return", bundle, notebook)


def populate(
    submitted: Resource,
    *,
    parts: Parts,
    find: Find,
    warnings: Iterable[Fault] = (),
    questionnaire_id: str | None = None,
    stored: Sequence[Held] | None = None,
) -> Resource:
    """Parameters with `response`, a QuestionnaireResponse in progress, and `issues`.

    `submitted` are Parameters with subject and context (or content); `find` gives a published Questionnaire by canonical
    address or id; `questionnaire_id` is that of the address, which outranks the parameters; `stored` are the resources of our
    own store that it names, None where nothing is stored.
    """
    notebook = Notebook(warnings=list(warnings))
    given = _Given()
    if submitted["resourceType"] != "Parameters":
        raise MalformedInput(
            Fault(
                "structure",
                f"{submitted['resourceType']} says neither whose form nor which form is to be filled in.",
                where=submitted["resourceType"],
                rule="$populate takes Parameters.",
                repair="Send Parameters with subject, questionnaire, and the record in context.content.",
            )
        )
    _collect_populate(submitted, given, notebook, storing=stored is not None)
    questionnaire = _chosen(given, find, questionnaire_id, notebook)
    if notebook.faults or questionnaire is None:
        raise MalformedInput(notebook.faults)
    asked: list[Resource] = [{"name": "bundle", "resource": _record(given, stored or ())}]
    if given.subject is not None:
        asked.append({"name": "subject", "valueReference": given.subject})
    context = parts.reading_context(parts.now())
    reading = read_submission(
        {"resourceType": "Parameters", "parameter": asked}, context=replace(context, stored=tuple(stored or ()), of_today=True)
    )
    notebook.warnings += _remarks(reading)
    populated = populated_response(questionnaire, reading, context, notebook)
    notebook.warn(
        "informational",
        f"{populated.filled} of {populated.questions} questions were filled in from the record.",
        "",
        repair="Look over every answer before the form is completed.",
        severity="information",
    )
    return _answer("response", populated.response, notebook)


def _record(given: _Given, stored: Sequence[Held]) -> Resource:
    """The content as one Bundle. A subject of whom nothing is held is put into it: there is an empty form for everybody."""
    held = list(given.content)
    literal = str((given.subject or {}).get("reference", ""))
    name = re.fullmatch(r"(https?://.+/)?Patient/([A-Za-z0-9\-.]{1,64})", literal)
    if name and ReferenceIndex([*held, *stored]).resolve({"reference": literal}, Held({}, "Parameters")) is None:
        held.append(Held({"resourceType": "Patient", "id": name[2]}, "Parameters", literal if name[1] else "", bundled=True))
    entries = [{**({"fullUrl": one.full_url} if one.full_url else {}), "resource": one.resource} for one in held]
    return {"resourceType": "Bundle", "type": "collection", **({"entry": entries} if entries else {})}


def _remarks(reading: Reading) -> list[Fault]:
    """What the reading left out and warned of, each once. Places in our own arrangement of the record would tell nothing."""
    said = Counter(f"{one.what}: {one.reason}" for one in reading.ignored)
    remarks = [
        Fault("informational", text + (f" ({count} times)" if count > 1 else ""), severity="information")
        for text, count in said.items()
    ]
    warnings = {fault.message: replace(fault, where="") for fault in reading.warnings if fault.severity == "warning"}
    return remarks + list(warnings.values())


@dataclass(slots=True)
class _Given:
    responses: list[Held] = field(default_factory=list)
    questionnaires: list[Held] = field(default_factory=list)
    content: list[Held] = field(default_factory=list)
    canonicals: list[tuple[str, str]] = field(default_factory=list)  # canonical or id, and the path of the parameter
    subject: Resource | None = None
    local: bool = False


def _collect_extract(submitted: Resource, given: _Given, notebook: Notebook, *, instance: bool) -> None:
    found = submitted["resourceType"]
    if found == "QuestionnaireResponse" and not instance:
        given.responses.append(Held(submitted, found))
        return
    if found != "Parameters":
        notebook.fault(
            "structure",
            f"Nothing can be extracted from {found} at this address.",
            found,
            rule="$extract takes one QuestionnaireResponse, bare or in Parameters; on a stored one, Parameters or no body.",
            repair="Send the QuestionnaireResponse.",
        )
        return
    for path, name, parameter in _entries(submitted):
        resource = parameter.get("resource", {})
        kind = resource.get("resourceType")
        if name == "questionnaire-response" and kind == "QuestionnaireResponse" and not instance:
            given.responses.append(Held(resource, f"{path}.resource", bundled=True))
        elif name == "questionnaire" and kind == "Questionnaire":
            given.questionnaires.append(Held(resource, f"{path}.resource", bundled=True))
        else:
            _unknown(name, path, "questionnaire-response (a QuestionnaireResponse), questionnaire (a Questionnaire)", notebook)


def _collect_populate(submitted: Resource, given: _Given, notebook: Notebook, *, storing: bool) -> None:
    for path, name, parameter in _entries(submitted):
        if name == "subject" and "valueReference" in parameter:
            given.subject = parameter["valueReference"]
        elif name in ("questionnaire", "canonical", "questionnaireRef") and _canonical(parameter):
            given.canonicals.append((_canonical(parameter), path))
        elif name == "questionnaire" and parameter.get("resource", {}).get("resourceType") == "Questionnaire":
            given.questionnaires.append(Held(parameter["resource"], f"{path}.resource"))
        elif name == "context":
            for number, part in enumerate(parameter.get("part", ())):
                if part.get("name") == "content":
                    _content(part, f"{path}.part[{number}]", given, notebook)
        elif name == "content":
            _content(parameter, path, given, notebook)
        elif name == "local" and "valueBoolean" in parameter:
            given.local = bool(parameter["valueBoolean"])
        else:
            _unknown(name, path, "subject, questionnaire, canonical, questionnaireRef, context, content, local", notebook)
    target = read_reference(str((given.subject or {}).get("reference", "")))
    if given.local and not (storing and (target.form, target.type) == ("relative", "Patient")):
        notebook.warn(
            "not-supported" if not storing else "business-rule",
            "What is stored here about the patient was not looked up.",
            "Parameters.parameter",
            rule="Looked up is the record of a subject that is a Patient of this server: Patient/id."
            if storing
            else "Nothing is stored here.",
            repair="Send the record in context.content.",
        )


def _content(parameter: Resource, path: str, given: _Given, notebook: Notebook) -> None:
    resource = parameter.get("resource")
    if resource is None:
        notebook.warn(
            "not-supported",
            "Content that is only referred to was not looked up.",
            path,
            rule="Looked up is what is stored here and referred to as Type/id.",
            repair="Send it as a resource.",
        )
    elif resource["resourceType"] == "Bundle":
        given.content.extend(held_in_bundle(resource, f"{path}.resource"))
    else:
        given.content.append(Held(resource, f"{path}.resource", bundled=True))


def _canonical(parameter: Resource) -> str:
    for name in ("valueUri", "valueCanonical", "valueUrl", "valueString"):
        if name in parameter:
            return str(parameter[name])
    return str(parameter.get("valueReference", {}).get("reference", "")).removeprefix("Questionnaire/")


def _chosen(given: _Given, find: Find, questionnaire_id: str | None, notebook: Notebook) -> Mapping[str, Any] | None:
    """The form to fill in; None with a fault in the notebook if there is not exactly one."""
    if questionnaire_id is not None:
        wanted = [(questionnaire_id, "Questionnaire")]
    else:
        if len(given.canonicals) + len(given.questionnaires) != 1:
            notebook.fault(
                "required" if not given.canonicals and not given.questionnaires else "value",
                f"{len(given.canonicals) + len(given.questionnaires)} forms were named.",
                "Parameters.parameter",
                rule="One form is filled in: named by its canonical address or sent along.",
                repair="Give the parameter questionnaire once, or call the operation on Questionnaire/[id].",
            )
            return None
        if given.questionnaires:
            return _with_address(given.questionnaires[0], notebook)
        wanted = given.canonicals
    found = find(wanted[0][0])
    if found is None:
        notebook.fault(
            "not-found",
            "The form is not known here.",
            wanted[0][1],
            rule="A form is published here, or sent along.",
            repair="Send the Questionnaire in the parameter questionnaire.",
        )
    return found


def _with_address(held: Held, notebook: Notebook) -> Resource | None:
    if held.resource.get("url"):
        return held.resource
    notebook.fault(
        "required",
        "The form has no canonical address.",
        f"{held.path}.url",
        rule="A response names the form it answers by its url.",
        repair="Give the Questionnaire a url.",
    )
    return None


def _entries(parameters: Resource) -> Iterable[tuple[str, str, Resource]]:
    for index, parameter in enumerate(parameters.get("parameter", ())):
        yield f"Parameters.parameter[{index}]", str(parameter.get("name", "")), parameter


def _unknown(name: str, path: str, known: str, notebook: Notebook) -> None:
    notebook.fault(
        "not-supported",
        "This operation has no parameter of that name and type.",
        f"{path}.name",
        rule=f"The parameters are: {known}.",
        repair="Rename the parameter to one of the list, give it the right type, or leave it out.",
    )


def _answer(name: str, result: Resource, notebook: Notebook) -> Resource:
    parameters: list[Resource] = [{"name": name, "resource": result}]
    if notebook.warnings:
        parameters.append({"name": "issues", "resource": operation_outcome(notebook.warnings)})
    return {"resourceType": "Parameters", "parameter": parameters}
