"""The kinds of cells a table has: text, word, number, list, statement, rule. Each refuses what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from marshmallow import ValidationError, fields

from service.engine.model import Test

Held = TypeVar("Held")


class Cell(fields.Field[Held]):
    """A cell that every row has. `read` gives what is in it, or refuses it with ValidationError."""

    def __init__(self) -> None:
        super().__init__(required=True)

    def read(self, value: Any) -> Held:
        raise NotImplementedError

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Held:
        return self.read(value)


class Text(Cell[str]):
    """A cell of text; `empty` says whether it may be blank."""

    def __init__(self, *, empty: bool = False) -> None:
        super().__init__()
        self.empty = empty

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if value != value.strip():
            raise ValidationError("must not begin or end with a space")
        if not value and not self.empty:
            raise ValidationError("must not be empty")
        return value


class Word(Cell[str]):
    """A cell that holds one of a few words."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = frozenset(words)
        self.listed = ", ".join(word or "(empty)" for word in words)

    def read(self, value: Any) -> str:
        if value not in self.words:
            raise ValidationError(f"must be one of {self.listed}")
        return str(value)


class YesNo(Cell[bool]):
    """``yes`` or ``no``."""

    def read(self, value: Any) -> bool:
        if value not in ("yes", "no"):
            raise ValidationError("must be yes or no")
        return bool(value == "yes")


class Number(Cell[float | None]):
    """A number between two bounds, or None for an empty cell where `empty` allows it."""

    def __init__(self, least: float, most: float, *, empty: bool = False) -> None:
        super().__init__()
        self.least, self.most, self.empty = least, most, empty

    def read(self, value: Any) -> float | None:
        if value == "":
            if self.empty:
                return None
            raise ValidationError("must not be empty")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValidationError("must be a number") from None
        if not self.least <= number <= self.most:
            raise ValidationError(f"must lie between {self.least:g} and {self.most:g}")
        return number


class Items(Cell[tuple[str, ...]]):
    """A cell with several values, parted by `separator`; only values `among` a closed set, where one is given."""

    def __init__(self, separator: str = ";", *, empty: bool = True, among: Collection[str] = ()) -> None:
        super().__init__()
        self.separator, self.empty, self.among = separator, empty, among

    def read(self, value: Any) -> tuple[str, ...]:
        items = tuple(value) if isinstance(value, list) else tuple(value.split(self.separator)) if value else ()
        if not items and not self.empty:
            raise ValidationError("must not be empty")
        if not all(isinstance(item, str) and item and item == item.strip() for item in items):
            raise ValidationError("holds an empty value or a stray space")
        if len(set(items)) != len(items):
            raise ValidationError("names a value twice")
        if self.among and not set(items) <= set(self.among):
            raise ValidationError(f"must be among {', '.join(self.among)}")
        return items


class Statement(Cell[Test | None]):
    """A statement about one answer, or None for an empty cell where `empty` allows it."""

    def __init__(self, *, empty: bool = False) -> None:
        super().__init__()
        self.empty = empty

    def read(self, value: Any) -> Test | None:
        if value == "" and self.empty:
            return None
        try:
            return Test.parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Expression(Cell[Mapping[str, Any]]):
    """A nested rule: finding and test, age and test, sex, or ``all`` / ``any`` of a list of rules."""

    def read(self, value: Any) -> Mapping[str, Any]:
        self._look(value)
        return dict(value)

    def _look(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise ValidationError("a rule must be an object")
        keys = frozenset(value)
        if keys in (frozenset({"all"}), frozenset({"any"})):
            (parts,) = value.values()
            if not isinstance(parts, list) or not parts:
                raise ValidationError("all and any need a list with at least one rule")
            for part in parts:
                self._look(part)
        elif keys - {"if_done"} == frozenset({"finding", "is"}):
            self._parse(value["is"])
            if not isinstance(value.get("if_done", True), bool):
                raise ValidationError("if_done must be true or false")
        elif keys == frozenset({"age"}):
            self._parse(value["age"])
        elif keys == frozenset({"sex"}):
            if value["sex"] not in ("female", "male"):
                raise ValidationError("sex must be female or male")
        else:
            raise ValidationError(f"not a rule: {', '.join(sorted(keys)) or 'empty object'}")

    @staticmethod
    def _parse(text: Any) -> None:
        try:
            Test.parse(str(text))
        except ValueError as error:
            raise ValidationError(str(error)) from None


def share(*, empty: bool = False) -> Number:
    """A fraction 0..1."""
    return Number(0.0, 1.0, empty=empty)


def ratio() -> Number:
    """A likelihood ratio as printed; 0 stands for a zero cell."""
    return Number(0.0, 1000.0, empty=True)
