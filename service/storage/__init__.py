"""Resources at rest, in SQLite or PostgreSQL."""
