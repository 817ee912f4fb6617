"""Published search expressions, read by a general FHIRPath engine: the judge of our own reading."""

from __future__ import annotations

import re
from functools import cache
from typing import Any


@cache
def engine(expression: str, type_name: str) -> Any:
    """The general engine's reading of an expression. It has no resolve(): what that asks is said in other words."""
    import fhirpathpy
    from fhirpathpy.models import models

    text = re.sub(r"\bResource\b", type_name, expression)
    text = re.sub(r"resolve\(\) is (\w+)", r"reference.matches('(^|.*/)\1/[A-Za-z0-9.-]+(/_history/.*)?$') or type = '\1'", text)
    text = re.sub(r"\((\S+) as (\w+)\)", r"\1.ofType(\2)", text)  # `as` is for one value at a time
    return fhirpathpy.compile(text, models["r4"])
