"""The trail as a file: another machine checks it with the public key and nothing else."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from console.audit import proof
from console.audit.actions import record
from console.audit.check import check
from console.audit.checkpoints import public_key, sign, verify
from console.audit.export import lines, take_away
from console.audit.models import Action
from console.audit.proof import Fault, Said, canonical
from console.cli import cli
from console.config import Config
from console.db import db, unit_of_work
from tests.conftest import SignIn, trail
from tests.homes import SERVER

Lines = list[bytes]


def write(count: int) -> None:
    for n in range(count):
        record(Action.TEAM_CREATED, None, name=f"team {n}", changes={"name": ["", f"Ünï {n} 𝄞 \n"], "limit": 2.5})


@pytest.fixture
def exported(app: Flask) -> Lines:
    """The first line, four entries, a checkpoint, four more, a checkpoint, the export's own entry, its checkpoint."""
    with app.app_context():
        for _ in range(2):
            with unit_of_work():
                write(4)
                sign()
        with unit_of_work():
            last = take_away()
        return list(lines(last))


@pytest.fixture
def public(app: Flask) -> str:
    with app.app_context():
        return public_key()


def broken(exported: Lines, key: str = "") -> tuple[int, Fault] | None:
    problem = check(io.BytesIO(b"".join(exported)), key).verdict.broken
    return (problem.entry, problem.fault) if problem else None


def test_it_holds(exported: Lines, public: str) -> None:
    kinds = [json.loads(line)["type"] for line in exported]
    assert kinds == ["export", *["entry"] * 4, "checkpoint", *["entry"] * 4, "checkpoint", "entry", "checkpoint"]
    for key in ("", public, proof.key_id(public)):
        assert broken(exported, key) is None


def said(place: int, **values: object) -> Callable[[Lines], Lines]:
    """Change members of one line."""

    def change(exported: Lines) -> Lines:
        line = json.loads(exported[place]) | values
        return [*exported[:place], canonical(line) + b"\n", *exported[place + 1 :]]

    return change


def without(*places: int) -> Callable[[Lines], Lines]:
    return lambda exported: [line for n, line in enumerate(exported) if n not in places]


def moved(place: int, to: int) -> Callable[[Lines], Lines]:
    def change(exported: Lines) -> Lines:
        rest = without(place)(exported)
        return [*rest[:to], exported[place], *rest[to:]]

    return change


def again(place: int, to: int) -> Callable[[Lines], Lines]:
    return lambda exported: [*exported[:to], exported[place], *exported[to:]]


def anew(change: Callable[[Lines], Lines], key: proof.Ed25519PrivateKey | None = None) -> Callable[[Lines], Lines]:
    """Tampered, and every public link made anew; with a ``key`` every signature, too: all that a forger can do."""

    def changed(exported: Lines) -> Lines:
        out, hash, entries, checkpoints = [], "", 0, 0
        for line in map(json.loads, change(exported)):
            if line["type"] == "entry":
                entries += 1
                line |= {"id": entries}
                line["hash"] = hash = proof.link(hash, {k: v for k, v in line.items() if k != "hash"})
            elif line["type"] == "checkpoint" and key:
                checkpoints += 1
                line |= {"number": checkpoints, "entry": entries, "hash": hash}
            out.append(line)
        out[0] |= {"entries": entries, "hash": hash, "checkpoints": checkpoints} if key else {}
        return [canonical(_signed(line, key) if key else line) + b"\n" for line in out]

    return changed


def _signed(line: Said, key: proof.Ed25519PrivateKey) -> Said:
    if line["type"] == "entry":
        return line
    public = proof.public_half(key)
    bare = {k: v for k, v in line.items() if k != "signature"} | {"kid": proof.key_id(public)}
    bare |= {"key": public} if line["type"] == "export" else {}
    return bare | {"signature": proof.sign(bare, key)}


MALLORY = proof.Ed25519PrivateKey.generate()
FIRST, SECOND, LAST = 5, 10, 12  # where the checkpoints stand
TAMPERED: dict[str, tuple[Callable[[Lines], Lines], int, Fault]] = {
    "a field": (said(3, subject="x"), 3, Fault.ALTERED),
    "the changes": (said(3, changes={}), 3, Fault.ALTERED),
    "the actor": (said(3, actor="eve@example.org"), 3, Fault.ALTERED),
    "the time": (said(3, at="2026-01-01T00:00:00.000000+00:00"), 3, Fault.ALTERED),
    "the session": (said(3, session="0" * 12), 3, Fault.ALTERED),
    "a member more": (said(3, note="x"), 3, Fault.ALTERED),
    "the link": (said(3, hash="0" * 64), 3, Fault.ALTERED),
    "a number": (said(3, id=7), 3, Fault.REMOVED),
    "a number that is none": (said(3, id=True), 0, Fault.FILE),
    "the first is removed": (without(1), 1, Fault.REMOVED),
    "one is removed": (without(3), 3, Fault.REMOVED),
    "the last is removed": (without(11), 8, Fault.REORDERED),
    "one is removed, the rest renumbered": (anew(without(3)), 3, Fault.REORDERED),
    "two change places": (moved(2, 3), 2, Fault.REORDERED),
    "two change places, chained anew": (anew(moved(2, 3)), 1, Fault.ALTERED),
    "one is there twice": (again(3, 4), 3, Fault.INSERTED),
    "one is slipped in": (lambda e: said(3, actor="eve@example.org")(again(3, 3)(e)), 3, Fault.INSERTED),
    "one is slipped in, chained anew": (anew(again(3, 4)), 5, Fault.REORDERED),
    "one is altered, chained anew": (anew(said(7, actor="eve@example.org")), 5, Fault.ALTERED),
    "the tail is cut": (lambda e: e[: SECOND + 1], 9, Fault.CUT),
    "the tail is cut within": (lambda e: e[:8], 7, Fault.CUT),
    "all but the first line is cut": (lambda e: e[:1], 1, Fault.CUT),
    "the first checkpoint is removed": (without(FIRST), 5, Fault.CHECKPOINT_REMOVED),
    "the last checkpoint is removed": (without(LAST), 9, Fault.CHECKPOINT_REMOVED),
    "a checkpoint is there twice": (again(SECOND, SECOND), 8, Fault.REORDERED),
    "a checkpoint is moved": (moved(FIRST, 4), 3, Fault.REORDERED),
    "a checkpoint's link": (said(FIRST, hash="0" * 64), 4, Fault.CHECKPOINT_ALTERED),
    "a checkpoint's time": (said(FIRST, at="2026-01-01T00:00:00.000000+00:00"), 4, Fault.CHECKPOINT_ALTERED),
    "a checkpoint's signature": (said(SECOND, signature="A" * 86), 8, Fault.CHECKPOINT_ALTERED),
    "a checkpoint of another key": (said(SECOND, kid=proof.key_id(proof.public_half(MALLORY))), 8, Fault.OTHER_KEY),
    "the first line is removed": (without(0), 0, Fault.FILE),
    "the count": (said(0, entries=8), 0, Fault.FILE),
    "the key": (said(0, key=proof.public_half(MALLORY)), 0, Fault.OTHER_KEY),
    "all of it is signed with another key": (anew(said(3, actor="eve@example.org"), MALLORY), 0, Fault.OTHER_KEY),
    "another export behind it": (lambda e: [*e, *e], 10, Fault.FILE),
    "nothing": (lambda e: [], 0, Fault.FILE),
    "what is no JSON": (lambda e: [*e, b"[" * 100_000], 0, Fault.FILE),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_found_and_named(exported: Lines, public: str, name: str) -> None:
    tamper, place, fault = TAMPERED[name]
    assert broken(tamper(exported), public) == (place, fault)


def test_without_the_key_a_file_vouches_only_for_itself(exported: Lines) -> None:
    assert broken(anew(said(3, actor="eve@example.org"), MALLORY)(exported)) is None


def test_no_byte_can_change(exported: Lines, public: str) -> None:
    whole = b"".join(exported)
    for place in range(0, len(whole), 7):
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        assert check(io.BytesIO(changed), public).verdict.broken, place


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}\n", b"null\n"])
def test_nothing_is_added(exported: Lines, more: bytes) -> None:
    assert broken([*exported, more]) == broken([more, *exported]) == (0, Fault.FILE)


def test_entries_of_another_installation_do_not_fit(exported: Lines, public: str) -> None:
    theirs = anew(said(1, subject="x"), MALLORY)(exported)
    assert broken([*exported[: FIRST + 1], *theirs[FIRST + 1 :]], public) == (5, Fault.ALTERED)
    assert broken([exported[0], *theirs[1:]], public) == (4, Fault.OTHER_KEY)


class TestThePage:
    @pytest.mark.parametrize("name", ["alice", "dora"])
    def test_it_is_taken_away_with_proof(self, app: Flask, sign_in: SignIn, public: str, name: str) -> None:
        answer = sign_in(name).get("/audit/proof")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-proof.ndjson"'
        assert broken(answer.data.splitlines(keepends=True), public) is None
        assert trail(app)[-1] == "audit.exported"
        with app.app_context():
            assert (verify().signed, verify().broken) == (len(trail(app)), None)

    def test_developers_may_not(self, sign_in: SignIn) -> None:
        assert sign_in("bob").get("/audit/proof").status_code == 403

    def test_a_broken_trail_is_not_signed(self, app: Flask, sign_in: SignIn) -> None:
        dora = sign_in("dora")
        with app.app_context(), unit_of_work():
            db.session.execute(db.text("UPDATE audit_entry SET actor = 'eve' WHERE id = 1"))
        answer = dora.get("/audit/proof")
        assert (answer.status_code, "broken, so it is not signed" in answer.text) == (409, True)
        assert trail(app) == ["session.opened"]

    def test_the_public_key_is_shown(self, client: FlaskClient, sign_in: SignIn, public: str) -> None:
        jwk = client.get("/.well-known/gatewright-audit.json").json["keys"][0]
        assert (jwk["x"], jwk["kid"], "d" in jwk) == (public, proof.key_id(public), False)
        assert public in sign_in("dora").get("/audit").text


@pytest.mark.skipif(bool(SERVER), reason="the command line finds SQLite by its home")
def test_the_command_line_takes_it_away_and_checks_it(app: Flask, config: Config, public: str, tmp_path: Path) -> None:
    with app.app_context(), unit_of_work():
        write(3)
    file, environ = tmp_path / "audit.ndjson", {"GATEWRIGHT_HOME": str(config.home)}
    said = CliRunner().invoke(cli, ["audit", "export", "--out", str(file)], env=environ)
    assert said.exit_code == 0, said.output
    elsewhere = {"GATEWRIGHT_HOME": str(tmp_path / "elsewhere"), "GATEWRIGHT_ENV": "production"}  # would not start
    for key in ([], ["--key", public]):
        said = CliRunner().invoke(cli, ["audit", "check", str(file), *key], env=elsewhere)
        assert (
            said.exit_code,
            "4 entries, every link holds; checkpoints: 1, signed up to entry 4." in said.output,
        ) == (
            0,
            True,
        )
    said = CliRunner().invoke(cli, ["audit", "check", str(file), "--key", "x"], env=elsewhere)
    assert (said.exit_code, "not with the one you gave" in str(said.exception)) == (1, True)
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture(scope="module")
def snippet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in docs/audit.md, as its reader saves it."""
    text = (Path(__file__).parent.parent / "docs" / "audit.md").read_text()
    file = tmp_path_factory.mktemp("snippet") / "check.py"
    file.write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0])
    return file


def run(snippet: Path, exported: Lines, public: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "audit.ndjson").write_bytes(b"".join(exported))
    command = [sys.executable, "-I", str(snippet), str(tmp_path / "audit.ndjson"), public]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)


class TestThePlainProgram:
    def test_it_holds(self, snippet: Path, exported: Lines, public: str, tmp_path: Path) -> None:
        said = run(snippet, exported, public, tmp_path)
        assert (said.returncode, said.stdout) == (0, "9 entries, every link holds.\n"), said.stderr

    @pytest.mark.parametrize("name", TAMPERED)
    def test_tampering_is_found(self, snippet: Path, exported: Lines, public: str, tmp_path: Path, name: str) -> None:
        assert run(snippet, TAMPERED[name][0](exported), public, tmp_path).returncode == 1
