"""What tests need of Node: present or skipped with the reason, and never skipped in continuous integration."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ROOT / "profiles"


def require_toolchain() -> str:
    """The node command, once the toolchain of profiles/ is installed; otherwise the test is skipped, or fails where CI is set."""
    node = shutil.which("node")
    if node and (PROFILES / "node_modules" / "fsh-sushi").is_dir():
        return node
    reason = "needs Node" if not node else "needs `npm ci` in profiles/ (make profiles does it)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and continuous integration must have it")
    pytest.skip(reason)
