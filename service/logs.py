"""Logging set up for one process: one line per event on standard error, key=value, UTC."""

from __future__ import annotations

import logging
import sys
import time


def configure_logging(level: str) -> None:
    """Send what is at or above `level` to standard error."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ level=%(levelname)s logger=%(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Libraries at DEBUG would print what they handle, which is patient data here.
    for name in ("waitress", "werkzeug", "urllib3", "asyncio", "sqlalchemy", "alembic", "psycopg"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queued request is ordinary here
