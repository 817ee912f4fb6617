"""The rules of our profiles in FHIRPath, evaluated by fhirpathpy. Loaded when the first rule is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any


class FhirPathRules:
    """Whether rules hold. Parsing an expression takes milliseconds, so each is parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[str, Callable[[Any, dict[str, Any]], list[Any]]] = {}

    @cached_property
    def _library(self) -> tuple[Callable[..., Any], Callable[..., Any], Any]:
        from fhirpathpy import compile as parse  # a third of a second: not before it is needed
        from fhirpathpy.engine.nodes import ResourceNode
        from fhirpathpy.models import models

        return parse, ResourceNode.create_node, models["r4"]

    def hold(self, value: Any, path: str, expression: str) -> bool:
        """Whether an expression is true of a value of the element at `path`. Nothing is false, as validators have it."""
        parse, typed, model = self._library
        if expression not in self._parsed:
            self._parsed[expression] = parse(expression, model)
        try:
            return self._parsed[expression](typed(value, path), {}) == [True]
        except Exception:  # noqa: BLE001 - whatever a strange value does to the library, the rule was not shown to hold
            return False
