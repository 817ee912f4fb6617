"""What is published as pages to read: an index, and one page for every profile, extension, operation and list of codes.

Made from the compiled definitions when they are asked for, so that they cannot be out of date. Plain HTML, no script and nothing
from elsewhere: they work offline. Everything is escaped by the templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, render_template, request, url_for

from service.errors import Fault, NotFound
from service.fhir import definition_rows as rows
from service.fhir.conformance import Definitions, Published
from service.records import dataclass
from service.web.address import FHIR_PATH
from service.web.responses import resource_response

Resource = dict[str, Any]
PATH = "/profiles"
HEADINGS: Mapping[str, str] = {
    "profile": "Profiles",
    "extension": "Extensions",
    "OperationDefinition": "Operations",
    "SearchParameter": "Search parameters",
    "CapabilityStatement": "Capabilities required",
    "ValueSet": "Value sets",
    "CodeSystem": "Code systems",
}
TYPES = ("StructureDefinition", "OperationDefinition", "SearchParameter", "CapabilityStatement", "ValueSet", "CodeSystem")
# No script can run, nothing is loaded, nobody can frame it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the index."""

    type_name: str
    id: str
    title: str
    description: str


def definition_pages(definitions: Definitions, examples: Callable[[], Iterable[Published]]) -> Blueprint:
    """/profiles/ and below it a page per definition; of the `examples` only those are read that a page shows.

    Nothing is kept: the pages are seldom read, and all examples at once would cost tens of megabytes for good.
    """
    blueprint = Blueprint("definitions", __name__, url_prefix=PATH, template_folder="templates")
    urls = {one.url: one for one in definitions if one.type_name in TYPES and one.url}

    def link(address: str) -> str:
        """Where to read about an address: here, in R4, or nowhere."""
        bare = address.partition("|")[0]
        if bare in urls:
            return url_for("definitions.definition", type_name=urls[bare].type_name, resource_id=urls[bare].id)
        name = bare.removeprefix("http://hl7.org/fhir/") if bare.startswith("http://hl7.org/fhir/") else ""
        kind, _, last = name.partition("/")
        if kind == "ValueSet":
            return f"https://hl7.org/fhir/R4/valueset-{quote(last.lower())}.html"
        if kind == "StructureDefinition":
            return f"https://hl7.org/fhir/R4/{'extension-' if '-' in last else ''}{quote(last.lower())}.html"
        return ""

    def said_of(address: str) -> str:
        """What one of our own extensions is for, in a sentence."""
        published = urls.get(address.partition("|")[0])
        return str(published.load()["description"]) if published is not None else ""

    def page(template: str, **values: Any) -> Response:
        text = render_template(template, link=link, fhir=request.script_root + FHIR_PATH, **values)
        response = Response(text, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @blueprint.get("/")
    def index() -> Response:
        sections: dict[str, list[Entry]] = {name: [] for name in HEADINGS}
        for published in definitions:
            if published.type_name in TYPES:
                resource = published.load()
                sections[_section(resource)].append(
                    Entry(published.type_name, published.id, _title(resource), resource.get("description", ""))
                )
        return page("definitions.html", sections=sections, headings=HEADINGS)

    @blueprint.get("/<type_name>/<fhir_id:resource_id>")
    def definition(type_name: str, resource_id: str) -> Response:
        if type_name not in TYPES:
            raise _no_page()
        resource = definitions.read(type_name, resource_id)
        return page(
            "definition.html",
            title=_title(resource),
            section=_section(resource),
            headings=HEADINGS,
            example_ids={(one.type_name, one.id) for one in examples()},
            resource=resource,
            said_of=cache(said_of),
            **_content(resource, definitions, examples()),
        )

    @blueprint.get("/examples/<type_name>/<fhir_id:resource_id>")
    def example(type_name: str, resource_id: str) -> Response:
        for one in examples():
            if (one.type_name, one.id) == (type_name, resource_id):
                return resource_response(one.load())
        raise _no_page()

    return blueprint


def _content(resource: Resource, definitions: Definitions, examples: Iterable[Published]) -> dict[str, Any]:
    """What the template of one definition shows beside its head."""
    kind = _section(resource)
    if kind == "profile":
        return {
            "rows": rows.element_rows(resource, whole=False),
            "all_rows": rows.element_rows(resource, whole=True),
            "rules": rows.rules(resource),
            "examples": list(_whole_examples(resource, examples)),
        }
    if kind == "extension":
        return {
            "rows": rows.extension_rows(resource),
            "rules": rows.rules(resource),
            "examples": list(_fragments(resource, chain(examples, _terminology(definitions)))),
        }
    if kind == "OperationDefinition":
        return {"parameters": rows.parameter_rows(resource)}
    if kind in ("ValueSet", "CodeSystem"):
        return {"codes": list(_codes(resource, definitions))}
    return {"printed": rows.printed(resource)}


def _whole_examples(profile: Resource, examples: Iterable[Published]) -> Iterator[tuple[Resource, str]]:
    for one in (published.load() for published in examples if published.type_name == profile["type"]):
        if any(name.partition("|")[0] == profile["url"] for name in one.get("meta", {}).get("profile", ())):
            yield one, rows.printed(rows.shortened(one))


def _fragments(extension: Resource, examples: Iterable[Published]) -> Iterator[tuple[Resource, str]]:
    """One: the first that is found, since the same in another answer says nothing new."""
    for one in (published.load() for published in examples):
        for fragment in rows.fragments(one, extension["url"]):
            yield one, rows.printed(rows.shortened(fragment, listed=12))
            return


def _terminology(definitions: Definitions) -> Iterator[Published]:
    return (one for one in definitions if one.type_name in ("CodeSystem", "ValueSet", "ConceptMap"))


def _codes(resource: Resource, definitions: Definitions) -> Iterator[tuple[str, Resource]]:
    """System and concept of every code listed, with the definitions of the code system where it is ours."""
    if resource["resourceType"] == "CodeSystem":
        yield from ((resource["url"], concept) for concept in resource.get("concept", ()))
        return
    for include in resource.get("compose", {}).get("include", ()):
        system = definitions.find("CodeSystem", include.get("system", ""))
        defined = {concept["code"]: concept for concept in (system or {}).get("concept", ())}
        for concept in include.get("concept") or defined.values():
            yield include.get("system", ""), defined.get(concept["code"], {}) | concept


def _section(resource: Resource) -> str:
    if resource["resourceType"] != "StructureDefinition":
        return str(resource["resourceType"])
    return "extension" if resource["type"] == "Extension" else "profile"


def _title(resource: Resource) -> str:
    return str(resource.get("title") or resource.get("name") or resource["id"])


def _no_page() -> NotFound:
    return NotFound(
        Fault(
            "not-found",
            "There is no such page here.",
            rule="There is a page for every definition that is published.",
            repair="GET /profiles/ lists them.",
        )
    )
