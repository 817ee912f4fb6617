"""LHC-Forms, as its package ships it, behind a small server: a page onto which a test puts a Questionnaire."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>LHC-Forms</title>
<link rel="stylesheet" href="/webcomponent/styles.css">
</head>
<body>
<div id="form"></div>
<script src="/webcomponent/assets/lib/zone.min.js"></script>
<script src="/webcomponent/lhc-forms.js"></script>
<script src="/fhir/R4/lformsFHIR.min.js"></script>
</body>
</html>
"""


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Say nothing: a test prints what went wrong, not every file that was read."""


@contextlib.contextmanager
def served(package: Path) -> Iterator[str]:
    """The address of the page, while it lasts. `package` is the unpacked npm package."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(package / "dist" / "lforms")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join(5)
