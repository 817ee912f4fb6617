"""Rules that match at once and learn to build addresses only when asked."""

from __future__ import annotations

import pytest
from werkzeug.routing import Map, Rule

from service.web.routing import LazyRule


def test_a_rule_generates_the_code_that_builds_its_address_at_the_first_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """werkzeug's own method is counted: were it renamed, ours would no longer stand in for it."""
    generated: list[bool] = []
    original = Rule._compile_builder

    def counted(self: Rule, append_unknown: bool = True) -> object:
        generated.append(append_unknown)
        return original(self, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", counted)
    adapter = Map([LazyRule("/fhir/<kind>/<id>", endpoint="read")]).bind("example.org")
    assert adapter.match("/fhir/Patient/1") == ("read", {"kind": "Patient", "id": "1"})
    assert generated == []
    assert adapter.build("read", {"kind": "Patient", "id": "a b", "rule": "x"}) == "/fhir/Patient/a%20b?rule=x"
    assert adapter.build("read", {"kind": "Patient", "id": "2"}) == "/fhir/Patient/2"
    assert generated == [True]
