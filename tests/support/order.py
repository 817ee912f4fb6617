"""The order in which test files run, and which tests the coverage tracer leaves alone.

A file is run by one worker. The longest go first, so that no worker is still in one of them while the others have nothing left.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

# Most of the first is Java beside the tests of other files. The third waits for it on the same worker, which keeps the tests
# under load away from it.
LONGEST_FIRST = (
    "conformance/test_harvest.py",
    "contract/test_subscriptions.py",
    "contract/test_server.py",
    "oracle/test_engine_agrees.py",
    "packaging/test_wheel.py",
    "storage/test_kill.py",
    "conformance/test_compiled_profiles.py",
    "conformance/test_mutations.py",
    "evaluation/test_figures.py",
    "evaluation/test_methods.py",
    "contract/test_assessment_content.py",
    "unit/engine/test_what_if.py",
    "oracle/test_properties.py",
    "oracle/test_other_tables.py",
    "contract/test_conditional.py",
    "contract/test_openapi.py",
    "conformance/test_package_in_sushi.py",
    "clients/test_clients.py",
    "storage/test_search.py",
)

# Bulk over what the quick tests cover line by line: under the tracer it would take twice as long and add no line.
NOT_TRACED = ("conformance", "evaluation", "oracle", "vignettes")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file, otherwise as collected; mark what is not traced.

    Of one test with many parameters the first is traced: the others seldom reach another line, and the tracer doubles their time.
    """
    ranks = {TESTS / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    gone = [str(path) for path in ranks if not path.exists()]
    if gone:
        raise pytest.UsageError(f"tests/support/order.py names files that are not there: {', '.join(gone)}")
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    seen: set[str] = set()
    for item in items:
        function = item.nodeid.partition("[")[0]
        if function in seen or item.get_closest_marker("slow") or item.path.relative_to(TESTS).parts[0] in NOT_TRACED:
            item.add_marker("no_cover")
        seen.add(function)
