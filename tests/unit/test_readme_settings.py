"""README holds the settings table as the code prints it."""

from __future__ import annotations

import re
from pathlib import Path

from service.settings import settings_table

README = Path(__file__).resolve().parents[2] / "README.md"


def test_readme_holds_the_settings_as_they_are() -> None:
    """Mend it with: python -m service settings --markdown, between the two marks."""
    held = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", README.read_text(encoding="utf-8"), re.DOTALL)
    assert held is not None, "README.md lacks the marks <!-- settings --> and <!-- /settings -->"
    assert held.group(1).strip() == settings_table()
