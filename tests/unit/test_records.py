"""Our dataclass against that of the standard library: what one does, the other does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import Any

import pytest

from service import records


def _made(decorate: Any) -> type:
    @decorate(frozen=True, slots=True)
    class Answer:
        """An answer."""

        finding: str
        value: float = 1.0
        notes: list[str] = field(default_factory=list)
        missing: dict[str, int] = field(default_factory=dict)
        secret: str = field(default="", repr=False)
        seen: bool = field(default=False, compare=False)

        @property
        def doubled(self) -> float:
            return self.value * 2

    return Answer


OURS, THEIRS = _made(records.dataclass), _made(dataclasses.dataclass)


@records.dataclass(frozen=True, slots=True)
class Kept:
    """At the top of a module, so that it can be pickled."""

    name: str
    inside: tuple[int, ...] = ()


def test_equality_order_of_fields_defaults_and_text_are_those_of_the_standard_library() -> None:
    for arguments in ({"finding": "fadir"}, {"finding": "fadir", "value": 2.0, "missing": {"a": 1}, "secret": "s"}):
        ours, theirs = OURS(**arguments), THEIRS(**arguments)
        assert repr(ours) == repr(theirs)
        assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
        assert ours.doubled == theirs.doubled
    assert OURS("a", 1.0) == OURS("a", seen=True)
    assert OURS("a") != OURS("a", secret="s")
    assert OURS("a") != THEIRS("a")
    assert OURS.__match_args__ == THEIRS.__match_args__
    assert OURS.__doc__ == THEIRS.__doc__
    assert [one.name for one in dataclasses.fields(OURS)] == [one.name for one in dataclasses.fields(THEIRS)]


def test_a_default_that_is_made_is_made_for_each() -> None:
    one, other = OURS("a"), OURS("a")
    one.notes.append("x")
    assert other.notes == []


def test_equal_values_have_one_hash_and_what_holds_a_list_has_none() -> None:
    assert hash(Kept("a", (1,))) == hash(Kept("a", (1,)))
    assert len({Kept("a"), Kept("a"), Kept("b")}) == 2
    with pytest.raises(TypeError):
        hash(OURS("a"))


@pytest.mark.parametrize("made", [OURS, THEIRS])
def test_nothing_can_be_set_or_deleted(made: type) -> None:
    held = made("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'value'"):
        held.value = 2.0
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):  # TypeError is a slip of Python 3.11's
        held.other = 2.0
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'value'"):
        del held.value
    assert not hasattr(held, "__dict__")


def test_a_copy_a_changed_copy_and_one_that_travelled_are_whole() -> None:
    held = Kept("a", (1, 2))
    assert copy.copy(held) == copy.deepcopy(held) == pickle.loads(pickle.dumps(held)) == held
    assert dataclasses.replace(held, name="b") == Kept("b", (1, 2))
    match held:
        case Kept(name, inside):
            assert (name, inside) == ("a", (1, 2))


@pytest.mark.parametrize("made", [OURS, THEIRS])
def test_what_is_missing_or_unknown_is_refused(made: type) -> None:
    for arguments in ({}, {"finding": "a", "unknown": 1}):
        with pytest.raises(TypeError):
            made(**arguments)


def test_methods_of_the_class_itself_stay() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Loud:
        """Says itself how it looks, and is equal to all of its kind."""

        name: str

        def __repr__(self) -> str:
            return self.name.upper()

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Loud)

        def __hash__(self) -> int:
            return 7

    assert repr(Loud("a")) == "A"
    assert Loud("a") == Loud("b")
    assert hash(Loud("a")) == 7


@pytest.mark.parametrize("decorate", [records.dataclass, dataclasses.dataclass])
def test_an_heir_has_all_fields_and_is_as_frozen(decorate: Any) -> None:
    @decorate(frozen=True, slots=True)
    class Heir(Kept):
        """Kept, with an age."""

        age: int = 0

    held = Heir("a", age=3)
    assert (held.name, held.inside, held.age) == ("a", (), 3)
    assert held == Heir("a", (), 3) != Kept("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.name = "b"  # type: ignore[misc]


def test_identity_is_kept_where_equality_is_not_wanted() -> None:
    @records.dataclass(frozen=True, slots=True, eq=False)
    class Single:
        """One of its kind."""

        name: str

    assert Single("a") != Single("a")
    assert len({Single("a"), Single("a")}) == 2


def test_a_field_that_is_no_plain_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="needs the dataclass of the standard library"):

        @records.dataclass(frozen=True, slots=True)
        class Odd:
            """Has a field that its caller cannot give."""

            name: str = field(default="", init=False)
