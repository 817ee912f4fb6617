"""Bulk export: what is stored, by type, as files of one resource per line, for those who analyse it.

A job is a folder: `job.json` says what was asked and how far it is, beside it lie the files. So jobs outlive a restart: what was
not finished is begun anew. One job is worked on at a time, in one view of the store, page by page: its memory is that of a page.
Source: http://hl7.org/fhir/uv/bulkdata
"""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from service.errors import Fault, NotFound, Unavailable
from service.fhir.search import SearchContext, read_query
from service.fhir.times import instant
from service.records import dataclass
from service.storage.store import Reader, ResourceStore

log = logging.getLogger("service.export")

Resource = dict[str, Any]
Level = Literal["system", "patient"]
State = Literal["waiting", "running", "completed", "failed"]

PAGE = 500
MOST_UNFINISHED = 10
_JOB = "job.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One export: what was asked for (`request` is its address), how far it is, and the number of lines of each type so far."""

    id: str
    level: Level
    types: tuple[str, ...]
    since: str
    request: str
    created: str
    state: State = "waiting"
    transaction_time: str = ""
    total: int = 0
    written: Mapping[str, int] = field(default_factory=dict)
    finished: str = ""

    @property
    def progress(self) -> str:
        """In words, for X-Progress."""
        if self.state == "waiting":
            return "waiting for other exports"
        done = sum(self.written.values())
        return f"{done} of {self.total} resources ({100 * done // max(self.total, 1)} %)"


class Exports:
    """The export jobs of one folder. `context` is what searches are read against, `now` gives an aware datetime."""

    def __init__(
        self,
        store: ResourceStore,
        folder: Path,
        *,
        context: Callable[[], SearchContext],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        keep: timedelta = timedelta(hours=24),
    ) -> None:
        self._store = store
        self._folder = folder
        self._context = context
        self._now = now
        self._new_id = new_id
        self._keep = keep
        self._work = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    # --- what callers ask ------------------------------------------------------------------------------------------

    def ask(self, level: Level, types: Sequence[str], since: str, *, request: str) -> Job:
        """A new job, which waits for its turn. Unavailable if too many wait already."""
        if sum(job.state in ("waiting", "running") for job in self._jobs()) >= MOST_UNFINISHED:
            raise Unavailable(
                Fault("transient", "Too many exports are under way.", rule=f"At most {MOST_UNFINISHED} wait at a time.",
                      repair="Ask again later, or cancel one (DELETE its status address).")
            )
        job = Job(self._new_id(), level, tuple(types), since, request, instant(self._now()))
        (self._folder / job.id).mkdir(mode=0o700, parents=True)
        self._save(job)
        with self._work:
            self._work.notify()
        return job

    def status(self, job_id: str) -> Job:
        """The job as it is; NotFound if there is none (any more)."""
        job = self._load(self._folder / job_id)
        if job is None:
            raise _unknown()
        return job

    def cancel(self, job_id: str) -> None:
        """Nothing; the job and its files are gone. NotFound if they were already."""
        self.status(job_id)
        shutil.rmtree(self._folder / job_id, ignore_errors=True)

    def file(self, job_id: str, name: str) -> Path:
        """One file of a completed job; NotFound if there is none of that name."""
        job = self.status(job_id)
        if job.state != "completed" or name not in {f"{kind}.ndjson" for kind in job.written}:
            raise _unknown()
        return self._folder / job_id / name

    def expires(self, job: Job) -> datetime:
        """When the files of a completed job are removed."""
        return datetime.fromisoformat(job.finished) + self._keep

    # --- the work --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Work off the jobs in the background, those that an earlier process left unfinished too."""
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Stop at the next page; the job is begun anew by the next process."""
        with self._work:
            self._stopping = True
            self._work.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def work_once(self) -> bool:
        """Whether there was a job to do. Of several processes with one folder, one works at a time."""
        if not self._jobs():
            return False
        with (self._folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return self._work_on_next()

    def _work_on_next(self) -> bool:
        self._tidy()
        # One that is running, with the lock in our hands, was left by a process that ended.
        unfinished = [job for job in self._jobs() if job.state in ("waiting", "running")]
        if not unfinished:
            return False
        job = replace(min(unfinished, key=lambda one: one.created), written={})
        try:
            self._export(job)
        except _Given:
            log.info("export was cancelled or interrupted")
        except Unavailable:
            log.warning("export waits for the database")
            return False  # it is begun anew at the next turn
        except Exception as error:  # noqa: BLE001  (whatever it was: who asked has to be told, without its text)
            log.error("export failed error=%s", type(error).__name__)
            self._save(replace(self._load(self._folder / job.id) or job, state="failed", finished=instant(self._now())))
        return True

    def _run(self) -> None:
        while not self._stopping:
            try:
                busy = self.work_once()
            except Exception as error:  # noqa: BLE001  (a full disk, say: a thread that ends would leave all jobs lying)
                log.error("export worker error=%s", type(error).__name__)
                busy = False
            if not busy:
                with self._work:
                    if not self._stopping:
                        self._work.wait(2.0)

    def _export(self, job: Job) -> None:
        started = instant(self._now())
        # Whoever began to write before now has finished when this returns. Else what is written with an earlier time, and stored
        # after the view was taken, would be neither in this export nor in the next one, of what came since.
        self._store.transact(lambda _: None, conditional=job.types)
        with self._store.reading() as reader:
            total = sum(self._count(reader, job, kind) for kind in job.types)
            job = replace(job, state="running", transaction_time=started, total=total)
            self._save(job)
            written: dict[str, int] = {}
            for kind in job.types:
                path = self._folder / job.id / f"{kind}.ndjson"
                with path.open("wb") as file:
                    path.chmod(0o600)
                    for lines in self._pages(reader, job, kind):
                        file.write(b"".join(line + b"\n" for line in lines))
                        written[kind] = written.get(kind, 0) + len(lines)
                        job = replace(job, written=dict(written))
                        self._save(job)
                if not written.get(kind):
                    path.unlink()
        self._save(replace(job, state="completed", finished=instant(self._now())))

    def _pages(self, reader: Reader, job: Job, kind: str) -> Iterator[list[bytes]]:
        cursor = ""
        while True:
            if self._stopping or not (self._folder / job.id / _JOB).exists():
                raise _Given
            page = reader.search(self._query(job, kind, cursor))
            if page.versions:
                yield [version.body for version in page.versions if version.body is not None]
            cursor = page.next
            if not cursor:
                return

    def _count(self, reader: Reader, job: Job, kind: str) -> int:
        query = self._query(job, kind, "")
        return int(reader.search(replace(query, results=replace(query.results, count=0, total="accurate"))).total or 0)

    def _query(self, job: Job, kind: str, cursor: str) -> Any:
        pairs = [("_lastUpdated", f"ge{job.since}")] if job.since else []
        if job.level == "patient" and kind != "Patient":
            pairs.append(("patient:missing", "false"))
        query = read_query(kind, pairs, context=self._context(), strict=True)
        return replace(query, results=replace(query.results, count=PAGE, total="none", cursor=cursor))

    def _tidy(self) -> None:
        for job in self._jobs():
            if job.finished and self.expires(job) < self._now():
                shutil.rmtree(self._folder / job.id, ignore_errors=True)

    # --- jobs on disk ------------------------------------------------------------------------------------------------

    def _jobs(self) -> list[Job]:
        if not self._folder.is_dir():
            return []
        return [job for path in self._folder.iterdir() if (job := self._load(path)) is not None]

    @staticmethod
    def _load(folder: Path) -> Job | None:
        try:
            read = json.loads((folder / _JOB).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return Job(**{**read, "types": tuple(read["types"])})

    def _save(self, job: Job) -> None:
        folder = self._folder / job.id
        if not folder.is_dir():
            raise _Given  # cancelled meanwhile
        content = {name: getattr(job, name) for name in Job.__dataclass_fields__}
        new = folder / f"{_JOB}.new"
        new.write_text(json.dumps(content), encoding="utf-8")
        new.chmod(0o600)
        new.replace(folder / _JOB)  # in one step: a reader sees the old or the new one


class _Given(Exception):
    """The job was given up: cancelled, or the process ends."""


def _unknown() -> NotFound:
    return NotFound(
        Fault("not-found", "There is no export of that address.", rule="Exports are kept for a time, then removed.",
              repair="Ask for a new one with $export.")
    )


