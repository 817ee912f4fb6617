"""The table of docs/search.md: which type is searched by which parameters, from the registry itself.

    python -m tests.support.search_page

brings the page up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

from support.readme import with_section  # noqa: E402

from service.fhir.resource_types import offered_types  # noqa: E402
from service.fhir.search_parameters import parameters_of  # noqa: E402

PAGE = ROOT / "docs" / "search.md"


def parameter_table() -> str:
    """Stored types, and those that are published, each with its parameters by kind."""
    shared = sorted(parameters_of("Resource"))
    lines = [f"Every type: {', '.join(f'`{code}`' for code in shared)}.", "", "| type | parameters |", "|---|---|"]
    for offered in offered_types(storing=True):
        if "search-type" not in offered.interactions:
            continue
        by_kind: dict[str, list[str]] = {}
        for code, parameter in parameters_of(offered.name).items():
            if code not in shared:
                by_kind.setdefault(parameter.type, []).append(f"`{code}`")
        told = "; ".join(f"{kind} {' '.join(sorted(codes))}" for kind, codes in sorted(by_kind.items()))
        lines.append(f"| {offered.name}{'' if offered.stored else ' (published)'} | {told} |")
    return "\n".join(lines)


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_section(text, "parameters", parameter_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
