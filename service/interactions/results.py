"""What an interaction did, for the door that answers: nothing here knows statuses or headers."""

from __future__ import annotations

from typing import Any, Literal

from service.errors import Fault, ServiceError
from service.records import dataclass
from service.storage.store import Version

Effect = Literal["created", "updated", "deleted", "unchanged", "found"]


@dataclass(frozen=True, slots=True)
class Done:
    """`version` is the version that is now the newest, or the one that was asked for.

    unchanged: a condition said that nothing was to be written, and `version` is what was there. A deletion that found nothing
    to delete has no version. `resource` is what a reading interaction answers that is no version (a Bundle).
    """

    effect: Effect
    version: Version | None = None
    warnings: tuple[Fault, ...] = ()
    resource: dict[str, Any] | None = None
    not_modified: bool = False  # found, and the caller said that it holds this version already


@dataclass(frozen=True, slots=True)
class Answered:
    """What an operation answered that an entry of a batch called: its status, and a resource or an OperationOutcome."""

    status: int
    resource: dict[str, Any] | None = None
    location: str = ""


EntryResult = Done | Answered | ServiceError
