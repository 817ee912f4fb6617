"""Reading what a Reference points to, without ever fetching it."""

from __future__ import annotations

import re

from service.fhir.elements import resource_types
from service.records import dataclass

_END = re.compile(r"(?:^|/)([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_RELATIVE = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


@dataclass(frozen=True, slots=True)
class Target:
    """What the text of a reference says. `type` is empty where it does not tell."""

    form: str  # relative, absolute, contained, urn, other
    type: str = ""
    id: str = ""


def read_reference(reference: str) -> Target:
    """The form of a reference and, for ``Type/id`` at the end of a relative or absolute URL, its type and id.

    The type of a relative reference is given as written, be it a type of R4 or not; an absolute URL may belong to any server,
    so that its last two parts count only if they name a type of R4.
    """
    if reference.startswith("#"):
        return Target("contained", id=reference[1:])
    if reference.startswith("urn:"):
        return Target("urn")
    relative = _RELATIVE.fullmatch(reference)
    if relative:
        return Target("relative", relative[1], relative[2])
    end = _END.search(reference) if "://" in reference else None
    if end and end[1] in resource_types():
        return Target("absolute", end[1], end[2])
    return Target("absolute" if "://" in reference else "other")
