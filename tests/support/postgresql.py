"""A PostgreSQL server of the test run's own, in a temporary folder, started as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

USER = "hipspine"
# Root may not run PostgreSQL; any user without rights will do.
UNPRIVILEGED = "nobody"


def programs_folder() -> Path | None:
    """Where initdb and postgres are; None if PostgreSQL is not installed. Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found and Path(found).resolve().with_name("postgres").exists():
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return folders[-1].parent if folders else None


@dataclass
class PostgresServer:
    """One running server. `kill` ends it as a power cut would end its processes; `start` brings it back."""

    programs: Path
    folder: Path
    port: int
    durable: bool = True
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls, programs: Path, *, durable: bool = True) -> PostgresServer:
        """A new server, running. One that is not durable waits for no disk, and is for tests that do not kill it."""
        folder = Path(tempfile.mkdtemp(prefix="hipspine-postgresql-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = cls(programs, folder, port, durable)
        if os.geteuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
        command = [programs / "initdb", "-D", folder / "data", "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "-N"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **server._as_user())
        assert done.returncode == 0, done.stderr[-2000:]
        server.start()
        return server

    def start(self) -> None:
        """Run the server and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder,
                    *([] if self.durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]),
                    "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=120", "-c", "shared_buffers=32MB",
                ],
                cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **self._as_user(),
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._ready():
                return
            if self.process.poll() is not None:  # the socket of a server killed a moment ago may still be there
                break
            time.sleep(0.05)
        raise AssertionError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End every process of the server at once with SIGKILL."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        # The children die with their group; until the last of them has, a new server finds the memory in use.
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and _group_lives(self.process.pid):
            time.sleep(0.02)

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # at once: nobody wants its data
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """The URL of a new, empty database."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def _ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _as_user(self) -> dict[str, object]:
        return {"user": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
