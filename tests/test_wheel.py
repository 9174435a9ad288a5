"""The wheel stands alone: templates, static files, migrations and the Envoy script are inside, and it runs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from programs import PROJECT, call, installation

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(PROJECT))
    return next(out.glob("gatewright-*.whl"))


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_it_holds_what_stands_at_the_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for part in ("_templates/base.html", "_static/app.css", "_static/vendor/htmx.min.js", "_migrations/env.py"):
        assert f"console/{part}" in names
    for part in ("apis/schemas/openapi-3.1.json", "gateway/envoy/credential.lua", "sample/openapi.yaml"):
        assert f"console/{part}" in names
    assert not [n for n in names if n.startswith(("tests/", "templates/"))]


def test_it_runs_where_nothing_else_is(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    pip = [str(tmp_path / "venv/bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "-r", str(PROJECT / "requirements.lock"))
    run(*pip, "--no-deps", str(wheel))
    with installation(tmp_path / "home", (str(tmp_path / "venv/bin/gatewright"),), PYTHONPATH="") as me:
        page = call(f"{me.console}/login")
        assert page.status == 200
        assert "/static/app.css" in page.body
        assert call(f"{me.console}/static/app.css").status == 200
        assert call(f"{me.gateway}/nothing").status == 404
