"""What went into an assessment: the answers used, what was ignored and why, what nobody answered, and inputs to contain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.engine.model import Assessment
from service.engine.network import AGE_FINDING, SEX_FINDING
from service.mapping.reading import Reading, UsedAnswer
from service.mapping.writers.extensions import clean, nested, part
from service.mapping.writers.vocabulary import Vocabulary

Resource = dict[str, Any]
Extension = dict[str, Any]


def input_extensions(
    assessment: Assessment, reading: Reading, assessed: str, unanswered: Sequence[str], vocabulary: Vocabulary
) -> list[Extension]:
    """Used, ignored and missing, and the warnings of the reading.

    `assessed` is the date of the assessment; `unanswered` are the findings of `missing`.
    """
    several = len({reference for one in reading.used for reference in one.inputs}) > 1
    without_effect = set(assessment.without_effect)
    ignored, warning = vocabulary.structure("ignored-input"), vocabulary.structure("warning")
    extensions = [_used(one, several, assessed, one.finding_id in without_effect, vocabulary) for one in reading.used]
    extensions += _derived(assessment, reading, vocabulary)
    extensions += [
        nested(
            ignored,
            part("what", "valueString", clean(one.what) or "?"),
            part("where", "valueString", clean(one.where) or "?"),
            part("reason", "valueString", clean(one.reason)),
        )
        for one in reading.ignored
    ]
    if unanswered:
        extensions.append(
            nested(vocabulary.structure("missing-finding"), *(part("finding", "valueCode", one) for one in unanswered))
        )
    extensions += [
        nested(
            warning,
            part("message", "valueString", clean(fault.message)),
            *([part("where", "valueString", clean(fault.where))] if clean(fault.where) else []),
        )
        for fault in reading.warnings
    ]
    return extensions


def _used(one: UsedAnswer, several: bool, assessed: str, without_effect: bool, vocabulary: Vocabulary) -> Extension:
    parts = [part("finding", "valueCoding", vocabulary.coding("finding", one.finding_id))]
    parts.append(part("value", *(("valueCode", "unknown") if one.value is None else vocabulary.value(one.value))))
    if one.comparator:
        parts.append(part("comparator", "valueCode", one.comparator))
    if one.side:
        parts.append(part("side", "valueCode", one.side))
    if one.effective and (several or not one.effective.startswith(assessed)):
        parts.append(part("effective", "valueDateTime", one.effective))
    if several:  # with one input there is nothing to tell apart: it is the one basis
        parts += [part("input", "valueReference", {"reference": reference}) for reference in one.inputs]
    if without_effect:
        parts.append(part("without-effect", "valueBoolean", True))
    return nested(vocabulary.structure("used-finding"), *parts)


def _derived(assessment: Assessment, reading: Reading, vocabulary: Vocabulary) -> list[Extension]:
    """Counts worked out from their parts (positive sacroiliac tests): nobody answered them, yet they are weighed."""
    answered = [one.finding_id for one in reading.used if one.value is not None]
    derived: list[Extension] = []
    counted = {
        **vocabulary.knowledge.clusters,
        **{name: tuple(finding_id for finding_id, _ in cluster.items) for name, cluster in vocabulary.clusters.items()},
    }
    for one in assessment.spine_versus_hip.contributions:
        cluster = counted.get(one.finding_id, ())
        if cluster and one.finding_id not in answered:
            derived.append(
                nested(
                    vocabulary.structure("used-finding"),
                    part("finding", "valueCoding", vocabulary.coding("finding", one.finding_id)),
                    part("value", *vocabulary.value(one.value)),
                    *(part("derived-from", "valueCode", finding_id) for finding_id in cluster if finding_id in answered),
                )
            )
    return derived


def missing(assessment: Assessment, reading: Reading, vocabulary: Vocabulary) -> list[str]:
    """Ids of the findings without a known answer, the most informative first, the others in the order of the form."""
    answered = {answer.finding_id for answer in reading.case.answers} | set(assessment.used)
    for count, parts_of_it in vocabulary.knowledge.clusters.items():
        if count in answered:  # given the count, its parts would tell nothing more
            answered.update(parts_of_it)
    if reading.case.age_years is not None:
        answered.add(AGE_FINDING)
    if reading.case.sex is not None:
        answered.add(SEX_FINDING)
    ranked = [one.finding_id for one in assessment.next_findings if one.finding_id not in answered]
    listed = answered | set(ranked)
    return ranked + [finding_id for finding_id in vocabulary.findings if finding_id not in listed]


# --- inputs without an address ---------------------------------------------------------------------------------------


def contained_inputs(reading: Reading) -> list[Resource]:
    """What the references of the answer need inside it: inputs without an address, and what the subject refers to.

    A contained resource may hold neither contained ones (dom-2) nor versions and labels in meta (dom-4, dom-5): inner ones
    move beside it under a name of their own, and what pointed to them is renamed.
    """
    found: list[Resource] = [dict(resource) for resource in reading.contained]
    present = {f"#{resource['id']}" for resource in found}
    for one in reading.inputs:
        if one.reference.startswith("#") and one.reference not in present:
            found += _flattened(one.resource, one.reference[1:])
    return found


def _flattened(resource: Resource, local_id: str) -> list[Resource]:
    inner = resource.get("contained", ())
    names = {f"#{one['id']}": f"#{local_id}-{number}" for number, one in enumerate(inner, 1) if "id" in one}
    names["#"] = f"#{local_id}"  # to the container, which is no longer the outermost resource
    outer = _renamed({key: value for key, value in resource.items() if key != "contained"}, names)
    moved = [_renamed(one, names) | {"id": f"{local_id}-{number}"} for number, one in enumerate(inner, 1)]
    return [_without_server_meta(outer | {"id": local_id}), *map(_without_server_meta, moved)]


def _renamed(element: Any, names: dict[str, str]) -> Any:
    if isinstance(element, str):
        return names.get(element, element)
    if isinstance(element, dict):
        # Most values are texts: asking here spares a call for each of them.
        return {
            key: names.get(value, value) if isinstance(value, str) else _renamed(value, names)
            for key, value in element.items()
        }
    if isinstance(element, list):
        return [_renamed(value, names) for value in element]
    return element


def _without_server_meta(resource: Resource) -> Resource:
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in ("security", "versionId", "lastUpdated")}
    bare = {key: value for key, value in resource.items() if key != "meta"}
    return bare | {"meta": meta} if meta else bare
