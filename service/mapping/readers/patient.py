"""Age and sex from the Patient resource."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from service.fhir.bundles import Held
from service.mapping.reading import Notebook
from service.records import dataclass

Sex = Literal["female", "male"]
# Nobody on record grew older than 122; a birth date before that stands for a missing one (1800-01-01, 0001-01-01).
_OLDEST = 130


@dataclass(frozen=True, slots=True)
class Demographics:
    """What the Patient resource says; None where it says nothing this service can use."""

    age_years: float | None = None
    sex: Sex | None = None
    path: str = "Patient"


def read_patient(held: Held, assessed_at: datetime, notebook: Notebook) -> Demographics:
    """Age in completed years on the day of the assessment, and administrative gender where it is female or male."""
    gender = held.resource.get("gender")
    sex: Sex | None = "female" if gender == "female" else "male" if gender == "male" else None
    return Demographics(_age(held, assessed_at.date(), notebook), sex, held.path)


def _age(held: Held, today: date, notebook: Notebook) -> float | None:
    text = held.resource.get("birthDate")
    if not text:
        return None
    year, month, day = (*(int(part) for part in str(text).split("-")), 0, 0)[:3]
    where = f"{held.path}.birthDate"
    if month == 0 or (day == 0 and month == today.month):
        # Whether this year's birthday has passed cannot be told; counting it as passed errs by at most a year.
        notebook.warn(
            "informational",
            "The birth date is not exact, so the age may be one year too high.",
            where,
            repair="Give the birth date with its day if it is known.",
            severity="information",
        )
    years = today.year - year - (bool(month) and (today.month, today.day) < (month, day))
    if years < 0:
        notebook.warn(
            "value",
            "The birth date lies after the assessment, so the age is not used.",
            where,
            repair="Correct Patient.birthDate.",
        )
        return None
    if years > _OLDEST:
        notebook.warn(
            "value",
            f"The birth date lies more than {_OLDEST} years back, so the age is not used.",
            where,
            repair="Correct Patient.birthDate.",
        )
        return None
    return float(years)
