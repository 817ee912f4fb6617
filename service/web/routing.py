"""How addresses are matched: werkzeug's rules, without the work that only building addresses needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


class LazyRule(Rule):
    """A rule that generates the code which builds its address when an address is built for the first time.

    werkzeug does so for every rule as it is added. The pages build eight addresses, and there are three hundred rules: that was
    a tenth of a second of every start.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        made: list[Builder] = []

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            if not made:
                made.append(super(LazyRule, self)._compile_builder(append_unknown))
            return made[0](rule, **values)

        return build
