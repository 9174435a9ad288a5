"""docs/rest.md says what is so: its commands are run with curl against a server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from console.accounts.access_token_models import MEANINGS
from console.rest.document import REFUSALS
from tests.conftest import ORDERS, Cast, trail
from tests.programs import PROJECT, lack
from tests.rest import ROOT, make_token

TEXT = (PROJECT / "docs" / "rest.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app.wsgi_app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_the_commands_do_what_they_say(app: Flask, cast: Cast, server: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        lack("needs curl: apt-get install curl")
    (tmp_path / "openapi.yaml").write_text(ORDERS)
    script = "\n".join(COMMANDS).replace("http://127.0.0.1:8000", server).replace("gwp_…", make_token(app, cast.alice))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    answers = _values(done.stdout)
    assert len(answers) == len(re.findall(r"^ *curl", script, re.MULTILINE)) + 1, "the loop sends twice"
    assert [a.get("email", a.get("state", a.get("revision"))) for a in answers[:4]] == [
        "alice@example.org",
        "draft",
        "draft",
        1,
    ]
    assert (answers[4]["number"], answers[5] == answers[6]) == (1, True)
    assert answers[8]["state"] == "active"
    assert [a for a in trail(app) if a.startswith(("version", "application", "subscription"))] == [
        "version.imported",
        "version.changed",
        "version.published",
        "application.created",
        "subscription.requested",
        "subscription.approved",
    ]


def _values(text: str) -> list[dict[str, object]]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def test_every_scope_and_status_is_there() -> None:
    assert [s for s, about in MEANINGS.items() if f"| `{s}` | {about} |" not in TEXT] == []
    assert [s for s in REFUSALS if s != 500 and not re.search(rf"^\|[ \d,]*\b{s}\b[ \d,]*\|", TEXT, re.MULTILINE)] == []
    assert ROOT in TEXT
