"""What a stored resource says today, to tell whether an answer that was once read from it still stands."""

from __future__ import annotations

from service.engine.model import AnswerValue
from service.fhir.bundles import Held, Resource
from service.mapping.case import READERS, carries_modifier
from service.mapping.reading import Notebook, ReadingContext
from service.mapping.references import ReferenceIndex


def stated_by(resource: Resource, context: ReadingContext) -> frozenset[tuple[str, AnswerValue]]:
    """The answers that the readers find in it, by finding; none in what was retracted or cannot be read."""
    held = Held(resource, str(resource["resourceType"]))
    reader = READERS.get(held.type)
    notebook = Notebook()
    if reader is not None and not carries_modifier(resource):
        reader(held, ReferenceIndex([held]), context, notebook)
    if notebook.faults:
        return frozenset()
    return frozenset((one.finding_id, one.value) for one in notebook.statements if one.value is not None)
