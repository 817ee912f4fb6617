"""What can go wrong, in plain words.

No HTTP status and no FHIR here: each door translates once (`service/web/errors.py`, the command line).
An error carries every fault of one input, so that the caller can repair all of them in one go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from service.records import dataclass

FaultKind = Literal[
    "structure",      # not JSON, or not the shape the standard prescribes
    "value",          # right place, wrong content
    "invalid",        # the content fits no question or element it could belong to
    "required",       # something is missing
    "invariant",      # a rule between elements is broken
    "code-invalid",   # a code outside its list
    "business-rule",  # valid, but this service cannot work on it
    "not-found",
    "not-supported",
    "too-long",
    "too-costly",
    "conflict",
    "deleted",        # it was there once
    "multiple-matches",
    "transient",      # another server failed; the same request may work later
    "security",       # not under this name, or not from there
    "login",          # the caller did not prove who it is
    "incomplete",     # data that were needed could not be had
    "informational",
]
Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one place of an input.

    `message` is one sentence without patient text; `rule` says what is demanded, `repair` how to mend it;
    `where` is the path of the element (``Observation.code``, ``Bundle.entry[2].resource``), empty for the whole input;
    `key` is the standard's name of the rule (``obs-6``) and `spec` the address of its text, where there is one.
    """

    kind: FaultKind
    message: str
    where: str = ""
    rule: str = ""
    repair: str = ""
    key: str = ""
    spec: str = ""
    severity: Severity = "error"


class ServiceError(Exception):
    """Base of everything this service raises on purpose. `faults` is never empty."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("; ".join(f"{fault.where + ': ' if fault.where else ''}{fault.message}" for fault in self.faults))


class InvalidInput(ServiceError):
    """The input is well formed but breaks a rule or cannot be worked on."""


class MalformedInput(InvalidInput):
    """The input is not JSON, or not the JSON the standard prescribes."""


class TooLarge(InvalidInput):
    """The input is larger than the service accepts."""


class NotFound(ServiceError):
    """There is nothing at that address."""


class Gone(ServiceError):
    """There was something at that address; it was deleted."""


class VersionConflict(ServiceError):
    """What the request relies on is no longer so: the version it names, or how many resources meet its condition."""


class Unavailable(ServiceError):
    """Something this service needs does not answer. Nothing was acknowledged; the request may be sent again."""


class NotSupported(ServiceError):
    """The request is understood, but this service does not do that."""


class MissingData(ServiceError):
    """Data that the answer needs were not sent and cannot be fetched."""


class NotAuthenticated(ServiceError):
    """The caller did not prove who it is. What was wrong with its proof is for the log, not for the caller."""


class OutboundRefused(ServiceError):
    """An address that this service will not call: its host is not listed, or stands for an address it may not."""


class UpstreamFailed(ServiceError):
    """A server that this service had to ask did not answer, or not in a way that can be used."""


class KnowledgeBaseError(ServiceError):
    """The tables or the terminology are inconsistent. Stops the start, never a request."""
