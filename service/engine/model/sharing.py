"""What is known about spinal levels and stages, which only share out what the posterior of the conditions says."""

from __future__ import annotations

from typing import Literal

from service.engine.model.kinds import LevelPart, SourceKind
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class LevelShare:
    """P(spinal level | this condition alone): one row of the table of levels; `level` is ``L1``..``S1`` or ``none``.

    `part` says what a level of this condition is: a nerve root, or the segment that hurts, named by its upper vertebra.
    """

    row_id: str
    condition_id: str
    part: LevelPart
    level: str
    p: float
    p_low: float
    p_high: float
    source_id: str
    source_kind: SourceKind
    note: str = ""


@dataclass(frozen=True, slots=True)
class LevelRate:
    """P(finding present | this root or segment); a level without a row has the background rate of the finding.

    Findings of one `group` tell the level by the same means.
    """

    row_id: str
    finding_id: str
    group: str
    part: LevelPart
    level: str
    p: float
    p_low: float
    p_high: float
    quality: Literal["A", "B", "C", "D"]
    source_id: str
    source_kind: SourceKind
    note: str = ""


@dataclass(frozen=True, slots=True)
class StageRate:
    """One number of the staging of the combined pattern.

    With `given` (``hip-and-spine``, or ``spine`` for a spine without a hip condition) P(stage) before any answer; else
    P(level of the observable | stage).
    """

    row_id: str
    given: Literal["", "hip-and-spine", "spine"]
    observable_id: str
    level: str
    stage: int
    p: float
    p_low: float
    p_high: float
    quality: Literal["A", "B", "C", "D"]
    source_id: str
    source_kind: SourceKind
    note: str = ""
