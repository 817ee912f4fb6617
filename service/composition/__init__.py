"""The composition root: every part of one process put together from the settings; `service/app.py` wires them to routes."""
