"""Age and sex of the case: the Patient resource outranks the form."""

from __future__ import annotations

from service.engine.ages import band_of, years_of
from service.engine.model import Finding
from service.engine.network import AGE_FINDING, SEX_FINDING
from service.mapping.merge import Merged
from service.mapping.readers.patient import Demographics
from service.mapping.reading import Notebook, ReadingContext


def settle_demographics(
    merged: tuple[Merged, ...], patient: Demographics, context: ReadingContext, notebook: Notebook
) -> tuple[Merged, ...]:
    """The answers without those about age and sex that the Patient resource contradicts; warnings say so."""
    bands = next((finding for finding in context.knowledge.findings if finding.id == AGE_FINDING), None)
    if bands is not None and patient.age_years is not None:
        _warn_of_young_age(patient.age_years, patient.path, bands, notebook)
    return tuple(one for one in merged if not _contradicted(one, patient, bands, notebook))


def _warn_of_young_age(age_years: float, path: str, bands: Finding, notebook: Notebook) -> None:
    lowest = min((years_of(band)[0] for band in bands.choices), default=0)
    if age_years < lowest:
        notebook.warn(
            "business-rule",
            f"The patient is younger than {lowest} years, for whom the figures of this service were not made.",
            f"{path}.birthDate",
            rule=f"The assessment speaks of people of {lowest} years and over.",
            repair="Do not rely on the probabilities; the red flags hold at any age.",
        )


def _contradicted(one: Merged, patient: Demographics, bands: Finding | None, notebook: Notebook) -> bool:
    statement = one.decisive
    said: str | None = None
    if statement.finding_id == AGE_FINDING and patient.age_years is not None and bands is not None:
        said = band_of(patient.age_years, bands.choices)
        if said == statement.value:
            return False
        what = "age"
    elif statement.finding_id == SEX_FINDING and patient.sex is not None:
        what = "sex"
        if patient.sex == statement.value:
            return False
    else:
        return False
    if statement.value is None:
        return True
    reason = f"The Patient resource states another {what}, and it goes before the form."
    notebook.ignore(statement.source, reason, statement.where)
    notebook.warn(
        "conflict",
        reason,
        statement.where,
        rule="Age and sex are taken from the Patient resource where it states them.",
        repair="Correct the form or the Patient.",
    )
    return True
