"""Takes a submission apart: the resources in it and what its Parameters ask for."""

from __future__ import annotations

from service.fhir.bundles import Held, Resource, held_in_bundle, newest_versions
from service.fhir.parameters import Parameter, read_parameters
from service.fhir.wording import with_article
from service.mapping.options import NOTHING_MORE, OPTION_NAMES, AssessOptions
from service.mapping.reading import Notebook
from service.mapping.references import Reference
from service.records import dataclass

ACCEPTED = ("QuestionnaireResponse", "Observation", "Bundle", "Parameters")
_ACCEPTED_TEXT = "a QuestionnaireResponse, an Observation, a Bundle of them, or Parameters that hold them"
# Parameter names that hold a resource, with the type each of them promises (empty: any).
_RESOURCE_PARAMETERS = {
    "questionnaire-response": "QuestionnaireResponse",
    "observation": "Observation",
    "condition": "Condition",
    "patient": "Patient",
    "bundle": "Bundle",
    "earlier-assessment": "RiskAssessment",
    "resource": "",
}
STORED = "stored"  # names a resource in the store; by the time a submission is read, the resource stands in its place
_REFERENCE_PARAMETERS = {"subject": "Patient", "encounter": "Encounter"}


@dataclass(frozen=True, slots=True)
class Selection:
    """A reference that the caller's Parameters name, and the path of the parameter."""

    reference: Reference
    path: str


@dataclass(frozen=True, slots=True)
class Submission:
    """All resources handed in, in their order, and what the caller selected: subject, encounter, further parts of the answer."""

    held: tuple[Held, ...]
    subject: Selection | None = None
    encounter: Selection | None = None
    options: AssessOptions = NOTHING_MORE

    def of_type(self, resource_type: str) -> tuple[Held, ...]:
        return tuple(held for held in self.held if held.type == resource_type)


def unpack(resource: Resource, notebook: Notebook, stored: tuple[Held, ...] = ()) -> Submission:
    """The submission in its parts, with what is `stored` after what was sent.

    Faults go to the notebook: a type we do not assess, a parameter we do not know.
    """
    resource_type = str(resource.get("resourceType", ""))
    if resource_type == "Bundle":
        return Submission(_newest([*held_in_bundle(resource), *stored], notebook))
    if resource_type == "Parameters":
        return _unpack_parameters(resource, notebook, stored)
    if resource_type not in ACCEPTED:
        notebook.fault(
            "not-supported",
            f"{resource_type or 'A resource without resourceType'} alone cannot be assessed.",
            resource_type,
            rule=f"This operation takes {_ACCEPTED_TEXT}.",
            repair=f"Send {_ACCEPTED_TEXT}.",
        )
        return Submission(())
    return Submission((Held(resource, resource_type), *stored))


def _unpack_parameters(parameters: Resource, notebook: Notebook, stored: tuple[Held, ...]) -> Submission:
    held: list[Held] = []
    selections: dict[str, Selection] = {}
    options: dict[str, bool] = {}
    for parameter in read_parameters(parameters):
        if parameter.name in _RESOURCE_PARAMETERS:
            held.extend(_held(parameter, notebook))
        elif parameter.name in _REFERENCE_PARAMETERS:
            selection = _selection(parameter, notebook)
            if parameter.name in selections:
                _more_than_once(parameter, notebook)
            elif selection is not None:
                selections[parameter.name] = selection
        elif parameter.name in OPTION_NAMES:
            if parameter.name in options:
                _more_than_once(parameter, notebook)
            else:
                options[parameter.name] = _option(parameter, notebook)
        else:
            known = ", ".join((STORED, *_RESOURCE_PARAMETERS, *_REFERENCE_PARAMETERS, *OPTION_NAMES))
            notebook.fault(
                "not-supported",
                "This operation has no parameter of that name.",
                f"{parameter.path}.name",
                rule=f"The parameters are: {known}.",
                repair="Rename the parameter to one of the list, or leave it out.",
            )
    return Submission(
        _newest([*held, *stored], notebook),
        selections.get("subject"),
        selections.get("encounter"),
        NOTHING_MORE.asking({OPTION_NAMES[name]: asked for name, asked in options.items()}),
    )


def _more_than_once(parameter: Parameter, notebook: Notebook) -> None:
    notebook.fault(
        "value",
        f"The parameter {parameter.name} occurs more than once.",
        parameter.path,
        rule=f"{parameter.name} is taken at most once.",
        repair="Leave one of them out.",
    )


def _option(parameter: Parameter, notebook: Notebook) -> bool:
    """Whether the parameter asks for its part of the answer."""
    if parameter.value_type == "valueBoolean":
        return bool(parameter.value)
    notebook.fault(
        "value",
        f"The parameter {parameter.name} holds no valueBoolean.",
        f"{parameter.path}.value",
        rule=f"{parameter.name} carries a valueBoolean.",
        repair="Give true or false as valueBoolean, or leave the parameter out.",
    )
    return False


def _held(parameter: Parameter, notebook: Notebook) -> list[Held]:
    resource, path = parameter.resource, f"{parameter.path}.resource"
    if resource is None:
        notebook.fault(
            "required",
            f"The parameter {parameter.name} holds no resource.",
            path,
            rule=f"{parameter.name} carries a resource.",
            repair="Put the resource into the parameter's resource element.",
        )
        return []
    promised, found = _RESOURCE_PARAMETERS[parameter.name], str(resource.get("resourceType", ""))
    if promised and found != promised:
        notebook.fault(
            "value",
            f"The parameter {parameter.name} holds {found}.",
            path,
            rule=f"{parameter.name} carries {with_article(promised)}.",
            repair="Name the parameter resource, or put the right resource into it.",
        )
        return []
    if found == "Bundle":
        return list(held_in_bundle(resource, path))
    return [Held(resource, path, bundled=True)]


def _selection(parameter: Parameter, notebook: Notebook) -> Selection | None:
    path, target = f"{parameter.path}.value", _REFERENCE_PARAMETERS[parameter.name]
    if parameter.value_type == "valueReference":
        return Selection(parameter.value, path)
    if parameter.value_type in ("valueString", "valueUri", "valueUrl", "valueId"):
        text = str(parameter.value)
        bare_id = "/" not in text and ":" not in text
        return Selection({"reference": f"{target}/{text}" if bare_id else text}, path)
    notebook.fault(
        "value",
        f"The parameter {parameter.name} holds neither a reference nor a text.",
        path,
        rule=f"{parameter.name} carries valueReference, or valueString with a reference such as {target}/1.",
        repair="Give the reference as valueReference.",
    )
    return None


def _newest(held: list[Held], notebook: Notebook) -> tuple[Held, ...]:
    newest, older = newest_versions(held)
    for one in older:
        notebook.ignore(one, "Another version of the same resource in this submission is newer or comes first.")
    return tuple(newest)
