"""`make demo-ehr`: a record system and HipSpine side by side, told in the terminal and shown in the browser.

An encounter begins, a hip MRI is ordered, the patient goes home, and the next one is an emergency. Both run on this machine and
end with it: the record system in this process, HipSpine in one of its own. `--once` ends after the story and keeps no page.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

import requests  # noqa: E402
from support.demo_record import SCENES, DemoRecord  # noqa: E402
from support.other_hosts import other_host  # noqa: E402
from support.servers import LiveServer, announced_url, clean_environment  # noqa: E402

from service.clients.smart import new_key_pair  # noqa: E402

Resource = dict[str, Any]

WIDTH = 100
SECONDS_TO_ARRIVE = 20.0


def main(*arguments: str) -> None:
    """Play it through once, then keep the page until Ctrl-C; ends with an error if any step is not answered as it should be."""
    with demonstration() as (record, service):
        say("A record system with two example patients, and HipSpine beside it. Starting ... it runs.")
        tell(record, service)
        if "--once" in arguments:
            return
        record.begin()
        for number in (signal.SIGINT, signal.SIGTERM):  # either way HipSpine is stopped too, in a shell's background as well
            signal.signal(number, signal.default_int_handler)
        say(f"\nNow play it yourself: {record.url}/ (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


@contextmanager
def demonstration() -> Iterator[tuple[DemoRecord, LiveServer]]:
    """The record system and HipSpine, which know each other, while open."""
    with tempfile.TemporaryDirectory() as name, other_host(lambda handler, asked: record.behave(handler, asked)) as host:
        folder = Path(name)
        record = DemoRecord(host)
        private, record.client_keys = new_key_pair("demonstration")
        (folder / "key.json").write_text(json.dumps(private), encoding="utf-8")
        record.begin()
        service = started(record, folder)
        record.service = service.url
        try:
            yield record, service
        finally:
            service.stop()


def started(record: DemoRecord, folder: Path) -> LiveServer:
    """HipSpine, which may call the record system and nobody else, and writes its assessments into it."""
    assert record.host is not None
    log_file = folder / "stderr.log"
    environment = clean_environment(
        HIPSPINE_OUTBOUND_PRIVATE_HOSTS=f"127.0.0.1:{record.host.port}",
        HIPSPINE_DATA_FOLDER=str(folder / "data"),
        HIPSPINE_EHR_WRITE_BACK="on",
        HIPSPINE_EHR_FHIR_URL=record.fhir,
        HIPSPINE_EHR_TOKEN_URL=f"{record.url}/token",
        HIPSPINE_EHR_PRIVATE_KEY=str(folder / "key.json"),
        HIPSPINE_EHR_WRITE_TYPES="Provenance",  # orders are for the clinician to take up
    )
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # so that Ctrl-C ends this process first, which then stops it
        )
    return LiveServer(process, announced_url(process, log_file), log_file)


def tell(record: DemoRecord, service: LiveServer) -> None:
    """The four moments, each with its cards, and what became of them."""
    for number, scene in enumerate(SCENES, 1):
        say(f"\n{number}. {scene.title}. {scene.told}")
        found = record.play(scene)
        assert found["cards"], "no card was shown"
        if scene.id == "encounter":
            kinds = sorted({path.split("?")[0] for path in found["read"]})
            say(f"  HipSpine reads: {', '.join(kinds)}.")
        for card in found["cards"]:
            say(f"  [{card['indicator']}] {card['summary']}")
            for suggestion in card.get("suggestions", ()):
                say(f"    > {suggestion['label']}{' (recommended)' if suggestion.get('isRecommended') else ''}")
        if scene.id == "encounter":
            arrived(record, "RiskAssessment")
            say("  The assessment is in the record now: RiskAssessment and Provenance, written back by HipSpine.")
        elif scene.id == "order":
            taken(record, found["cards"][0])
        elif scene.id == "discharge":
            for line in plan_of(found["cards"][0])[:3]:
                say(f"    - {line}")
        elif scene.id == "emergency":
            (line, *_) = [line for line in found["cards"][0]["detail"].splitlines() if line.startswith("- ")]
            say(f"    {line.removeprefix('- ').replace('**', '')}")
    report = counted(service, len(record.shown))
    total, cards = report["total"], sum(report["cardsShown"].values())
    say(f"\nHipSpine counts: {cards} cards shown, feedback on {total['cards']}, {total['accepted']} of them accepted.")
    say(f"  Feedback: {service.url}/reports/feedback")
    say(f"  Services: {service.url}/cds-services")


def taken(record: DemoRecord, card: Resource) -> None:
    """The recommended suggestion taken, and what it did to the orders."""
    chosen = next(one for one in card["suggestions"] if one.get("isRecommended"))
    before = drafts(record)
    result = record.take(card["uuid"], chosen["uuid"])
    say(f"  The clinician takes the first. Draft orders before: {before}; after: {drafts(record)}.")
    assert result["status"] == 200


def drafts(record: DemoRecord) -> str:
    return ", ".join(one["code"]["text"] for one in record.of_type("ServiceRequest")) or "none"


def plan_of(card: Resource) -> list[str]:
    """The lines of the plan, each cut to its first sentence or two."""
    section = card["detail"].split("### Plan to consider")[1].split("###")[0]
    return [line.removeprefix("- ").split(" (")[0] for line in section.splitlines() if line.startswith("- ")]


def arrived(record: DemoRecord, kind: str) -> None:
    """Nothing, once a resource of the type was written into the record."""
    until = time.monotonic() + SECONDS_TO_ARRIVE
    while not record.of_type(kind):
        assert time.monotonic() < until, f"no {kind} was written back"
        time.sleep(0.05)


def counted(service: LiveServer, cards: int) -> Resource:
    """The report on feedback, once it counts that many cards: they are remembered after they were answered."""
    until = time.monotonic() + SECONDS_TO_ARRIVE
    while True:
        report: Resource = requests.get(f"{service.url}/reports/feedback", timeout=30).json()
        if sum(report["cardsShown"].values()) == cards:
            return report
        assert time.monotonic() < until, "not every card was counted"
        time.sleep(0.05)


def say(text: str) -> None:
    indent = " " * (len(text) - len(text.lstrip(" ")) + 2)
    first, body = ("\n", text[1:]) if text.startswith("\n") else ("", text)
    told = textwrap.fill(body.rstrip(), WIDTH, subsequent_indent=indent if body.startswith(" ") else "")
    print(first + told, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
