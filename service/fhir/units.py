"""Units of measure: the few UCUM codes that findings are measured in, and exact conversion between them.

Factors and offsets are data (`terminology/units.csv`): the value in the base unit of a kind is (value + offset) x factor.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

from service.errors import Fault, KnowledgeBaseError
from service.records import dataclass

COLUMNS = ("unit", "kind", "offset", "factor", "name")
DIGITS = 12  # significant digits kept where a conversion does not come out even


@dataclass(frozen=True, slots=True)
class Unit:
    """One UCUM code. `name` is for people; two units of one `kind` can be converted into each other."""

    code: str
    kind: str
    offset: Fraction
    factor: Fraction
    name: str


class Units:
    """Lookup and conversion over the units of the table."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._units: Mapping[str, Unit] = {unit.code: unit for unit in units}

    def __contains__(self, code: object) -> bool:
        return code in self._units

    def name(self, code: str) -> str | None:
        """Wording of a unit for people, None if the table does not hold it."""
        unit = self._units.get(code)
        return unit.name if unit else None

    def convert(self, value: Decimal, from_unit: str, to_unit: str) -> Decimal | None:
        """The same quantity in another unit; None if either unit is unknown or they measure different things.

        Codes are case-sensitive, as in UCUM. A value in the unit asked for comes back untouched, digits and all;
        others are exact where the result is a finite decimal of at most `DIGITS` digits, and rounded to that many otherwise.
        """
        source, target = self._units.get(from_unit), self._units.get(to_unit)
        if source is None or target is None or source.kind != target.kind or not value.is_finite():
            return None
        if (source.offset, source.factor) == (target.offset, target.factor):
            return value
        base = (Fraction(value) + source.offset) * source.factor
        result = base / target.factor - target.offset
        context = Context(prec=DIGITS)
        quotient = context.divide(Decimal(result.numerator), Decimal(result.denominator))
        return Decimal(format(quotient.normalize(context), "f"))


def load_units(path: Path) -> Units:
    """The units of a table; KnowledgeBaseError naming every bad row."""
    faults: list[Fault] = []
    units: dict[str, Unit] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KnowledgeBaseError(Fault("structure", f"the table of units cannot be read: {error}", path.name)) from error
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise KnowledgeBaseError(Fault("structure", f"the columns must be {', '.join(COLUMNS)}", path.name))
    for line, row in enumerate(reader, start=2):
        where = f"{path.name}:{line}"
        try:
            unit = Unit(row["unit"], row["kind"], Fraction(row["offset"]), Fraction(row["factor"]), row["name"])
        except (ValueError, TypeError, ZeroDivisionError):
            faults.append(Fault("value", "offset and factor must be numbers such as 2.54 or 5/9", where))
            continue
        if not (unit.code and unit.kind and unit.name) or unit.factor <= 0:
            faults.append(Fault("value", "a unit needs a code, a kind, a name and a factor above zero", where))
        elif unit.code in units:
            faults.append(Fault("value", f"the unit {unit.code} is listed twice", where))
        units[unit.code] = unit
    if faults:
        raise KnowledgeBaseError(faults)
    return Units(units.values())
