"""What a bulk export is asked with, and how a finished one is told.

Source: http://hl7.org/fhir/uv/bulkdata
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from service.errors import Fault
from service.fhir.parameters import Inputs
from service.interactions.exporting import Job, Level

Resource = dict[str, Any]

EXPORTED = ("RiskAssessment", "QuestionnaireResponse", "Observation")
FORMATS = ("application/fhir+ndjson", "application/ndjson", "ndjson")


def read_types(inputs: Inputs, offered: Sequence[str], faults: list[Fault]) -> tuple[str, ...]:
    """The types to export: those asked for, in their order, or all; to `faults` is added what is not offered."""
    names = [name.strip() for text in inputs.many("_type") for name in text.split(",") if name.strip()]
    if any(name not in offered for name in names):
        faults.append(
            Fault("not-supported", "A type is not exported here.", where=inputs.where("_type"),
                  rule=f"Exported are {', '.join(offered)}.", repair="Leave the others out of _type.")
        )
    return tuple(dict.fromkeys(names)) or tuple(offered)


def check_format(inputs: Inputs, faults: list[Fault]) -> None:
    """Nothing; to `faults` is added a form in which files are not written."""
    if inputs.one("_outputFormat", FORMATS[0]).replace(" ", "+") not in FORMATS:
        faults.append(
            Fault("not-supported", "The files are not written in that form.", where=inputs.where("_outputFormat"),
                  rule=f"Files are {FORMATS[0]}.", repair="Leave _outputFormat out.")
        )


def check_async(respond_async: bool, faults: list[Fault]) -> None:
    """Nothing; to `faults` is added that the caller does not say that it knows the answer comes later."""
    if not respond_async:
        faults.append(
            Fault("required", "An export is not answered at once.", where="Prefer",
                  rule="The request has the header Prefer: respond-async.", repair="Add it.",
                  spec="http://hl7.org/fhir/R4/async.html")
        )


def manifest(job: Job, *, address: str) -> Resource:
    """The answer of a completed job; `address` is that of the job."""
    return {
        "transactionTime": job.transaction_time,
        "request": job.request,
        "requiresAccessToken": False,
        "output": [
            {"type": kind, "url": f"{address}/{kind}.ndjson", "count": count} for kind, count in job.written.items()
        ],
        "error": [],
    }


def request_address(base: str, level: Level, pairs: Sequence[tuple[str, str]]) -> str:
    """The address of a kick-off, as the manifest repeats it."""
    place = f"{base}/$export" if level == "system" else f"{base}/Patient/$export"
    return f"{place}?{urlencode(pairs)}" if pairs else place
