"""$assess over HTTP: the body is parsed once, checked against the form of the address, and handed to the use case."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from flask import Response, request

from service.assessment.run import NOTHING_MORE, OPTION_NAMES, AssessOptions
from service.errors import Fault, MalformedInput
from service.fhir.parameters import printable
from service.storage.store import ResourceStore
from service.web.parameters import MOST_NAMED, SHAPING
from service.web.preferences import read_preferences
from service.web.responses import resource_response

Resource = dict[str, Any]


class Assess(Protocol):
    """The use case as this door calls it: body, type of the address (None for the system), options and id of the address.

    `store` is where what the submission names is looked for.
    """

    def __call__(
        self,
        raw: bytes,
        type_name: str | None,
        options: AssessOptions = ...,
        *,
        resource_id: str | None = ...,
        store: ResourceStore | None = ...,
    ) -> Resource: ...


# What can be assessed. Other types in Parameters (the Patient, an Encounter) are context and welcome on every form.
_ASSESSABLE = ("QuestionnaireResponse", "Observation", "Bundle")


def assess_view(assess: Assess, languages: Sequence[str], type_name: str | None) -> Callable[..., Response]:
    """The view of one form of the operation: of the system (`type_name` None), or of one resource type.

    `languages` are those an answer can be worded in, the default first; Accept-Language chooses.
    """

    def view(resource_id: str | None = None) -> Response:
        wanted = language_for(list(request.accept_languages), languages)
        strict = read_preferences(request.headers.get("Prefer")).strict
        options = replace(read_options(request.args.to_dict(flat=False), strict=strict), language=wanted)
        answer = assess(request.get_data(cache=False), type_name, options, resource_id=resource_id)
        response = resource_response(answer)
        response.content_language.add(wanted)
        response.vary.add("Accept-Language")
        return response

    return view


def language_for(accepted: Sequence[tuple[str, float]], languages: Sequence[str]) -> str:
    """The language to answer in: of the tags, best first with their quality, the first one we have, shortened if need be.

    Lookup of RFC 4647, section 3.4. Werkzeug's own match prefers any exact tag to a shortened one: `de-AT, en;q=0.4` is German.
    """
    refused = {tag.lower() for tag, quality in accepted if not quality}
    for tag, quality in accepted:
        if tag == "*" and quality:
            return next((language for language in languages if language not in refused), languages[0])
        subtags = tag.lower().split("-")
        ours = [shorter for end in range(len(subtags), 0, -1) if (shorter := "-".join(subtags[:end])) in languages]
        if ours and quality:
            return ours[0]
    return languages[0]


def read_options(query: dict[str, list[str]], *, strict: bool = False) -> AssessOptions:
    """What the query of the address asks for; MalformedInput with every option that is neither true nor false.

    Names that are none of ours are left out and remarked on; a `strict` caller wants them refused.
    """
    faults = [
        Fault(
            "value",
            f"The parameter {name} of the address is neither true nor false.",
            where=f"?{name}",
            rule=f"{name} is taken once, as true or false.",
            repair=f"Write ?{name}=true, or leave it out.",
        )
        for name in OPTION_NAMES
        if query.get(name, ["false"]) not in (["true"], ["false"])
    ]
    unknown = [_unknown(printable(name)) for name in query if name not in OPTION_NAMES and name not in SHAPING][:MOST_NAMED]
    if faults or (strict and unknown):
        raise MalformedInput([*faults, *(unknown if strict else ())])
    asked = NOTHING_MORE.asking({field: query.get(name) == ["true"] for name, field in OPTION_NAMES.items()})
    return replace(asked, remarks=tuple(replace(fault, severity="warning") for fault in unknown))


def _unknown(shown: str) -> Fault:
    return Fault(
        "not-supported",
        f"The parameter {shown} of the address is none of $assess; it has no effect.",
        where=f"?{shown}",
        rule=f"The parameters are {', '.join(OPTION_NAMES)}, _format and _pretty. An assessment is given whole, red flags first.",
        repair="Correct the name or leave it out.",
    )


def check_form(resource: Resource, type_name: str, *, also: Collection[str] = ()) -> None:
    """Nothing if the type form may take the resource: one of that type, or Parameters that hold such, or name one of ours.

    `also` are the types of what the store adds. MalformedInput otherwise, with every place that holds something else to assess.
    """
    found = resource["resourceType"]
    if found == type_name:
        return
    if found != "Parameters":
        raise MalformedInput(_other_type(found, found, type_name))
    held = [
        (f"Parameters.parameter[{index}].resource", parameter["resource"]["resourceType"])
        for index, parameter in enumerate(resource.get("parameter", ()))
        if "resource" in parameter
    ]
    others = [(where, name) for where, name in held if name in _ASSESSABLE and name != type_name]
    if others:
        raise MalformedInput(_other_type(where, name, type_name) for where, name in others)
    if all(name != type_name for _, name in held) and type_name not in also:
        raise MalformedInput(
            Fault(
                "required",
                f"The Parameters hold no {type_name}.",
                where="Parameters.parameter",
                rule=f"{type_name}/$assess takes one {type_name}.",
                repair=f"Put the {type_name} into parameter.resource, or send it bare.",
            )
        )


def _other_type(where: str, found: str, type_name: str) -> Fault:
    return Fault(
        "structure",
        f"{found} cannot be assessed at the address of {type_name}.",
        where=where,
        rule=f"{type_name}/$assess takes one {type_name}, bare or in Parameters.",
        repair="Send everything else to $assess of the system.",
    )
