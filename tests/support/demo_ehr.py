"""`make demo-ehr`: a record system and the service side by side. An encounter begins, a hip MRI is ordered, the cards are shown.

Both run on this machine and end with it: the stub record system in this process, the service in one of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

import requests  # noqa: E402
from support.hook_calls import case, order  # noqa: E402
from support.servers import LiveServer, announced_url, clean_environment  # noqa: E402
from support.stub_ehr import StubEhr, stub_ehr  # noqa: E402

Resource = dict[str, Any]

WIDTH = 100
HIP_MRI = "36013-1"


def main() -> None:
    """Play it through once; ends with an error if any step is not answered as it should be."""
    with tempfile.TemporaryDirectory() as folder, stub_ehr() as ehr:
        patient = {"resourceType": "Patient", "id": "example-spine", "gender": "male", "birthDate": "1972-05-04"}
        ehr.hold(*case("spine"), patient)
        service = started(ehr, Path(folder))
        try:
            say("The record system holds one patient. The service may call it and nobody else.")
            play(ehr, service)
        finally:
            service.stop()


def play(ehr: StubEhr, service: LiveServer) -> None:
    say("\nAn encounter begins. Nothing is prefetched: the service asks the record system.")
    for card in called(service, ehr, "encounter-start"):
        show(card)
    paths = sorted({asked.path.split("?")[0].removeprefix("/fhir/") for asked in ehr.asked})
    say(f"  It asked for: {', '.join(paths)}.")

    say("\nThe clinician orders an MRI of the hip (LOINC 36013-1).")
    (card,) = called(service, ehr, "order-select", order(HIP_MRI))
    show(card)
    for line in card["detail"].split("\n\n")[1].splitlines():
        say(f"  {line}")
    for suggestion in card["suggestions"]:
        say(f"  > {suggestion['label']}{' (recommended)' if suggestion.get('isRecommended') else ''}")
        for action in suggestion["actions"]:
            say(f"      {action['type']}: {action['description']}")

    say("\nThe clinician takes the first suggestion; the record system says so.")
    accepted = {"id": card["suggestions"][0]["uuid"]}
    entry = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [accepted],
        "outcomeTimestamp": "2026-03-02T09:31:00Z",
    }
    answer = requests.post(f"{service.url}/cds-services/order-select/feedback", json={"feedback": [entry]}, timeout=30)
    report = requests.get(f"{service.url}/reports/feedback", timeout=30).json()
    say(f"  {answer.status_code}; the report counts {report['total']['accepted']} of {report['total']['cards']} cards accepted.")


def called(service: LiveServer, ehr: StubEhr, hook: str, *drafts: Resource) -> list[Resource]:
    """The cards of a call as a record system makes it that gives a token and prefetches nothing."""
    context: Resource = {"userId": "Practitioner/1", "patientId": "example-spine", "encounterId": "example-spine"}
    if drafts:
        entries = [{"resource": one} for one in drafts]
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        context["selections"] = [f"ServiceRequest/{one['id']}" for one in drafts]
    body = {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "fhirServer": ehr.fhir,
        "fhirAuthorization": {
            "access_token": next(iter(ehr.tokens)),
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.rs",
            "subject": "hipspine",
        },
    }
    answer = requests.post(f"{service.url}/cds-services/{hook}", json=body, timeout=30)
    answer.raise_for_status()
    cards: list[Resource] = answer.json()["cards"]
    assert cards, "no card was shown"
    return cards


def started(ehr: StubEhr, folder: Path) -> LiveServer:
    """The service, which may call the record system."""
    assert ehr.host is not None
    log_file = folder / "stderr.log"
    environment = clean_environment(
        HIPSPINE_OUTBOUND_PRIVATE_HOSTS=f"127.0.0.1:{ehr.host.port}", HIPSPINE_DATA_FOLDER=str(folder / "data")
    )
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    return LiveServer(process, announced_url(process, log_file), log_file)


def show(card: Resource) -> None:
    say(f"  [{card['indicator']}] {card['summary']}")


def say(text: str) -> None:
    indent = " " * (len(text) - len(text.lstrip(" ")) + 2)
    first, body = ("\n", text[1:]) if text.startswith("\n") else ("", text)
    print(first + textwrap.fill(body.rstrip(), WIDTH, subsequent_indent=indent if body.startswith(" ") else ""))  # noqa: T201


if __name__ == "__main__":
    main()
