"""A real node: it serves without the console, starts without it, and says what Envoy says."""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import Installation, call, free_port, installation, wait_until

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, dict]]:
    home = tmp_path_factory.mktemp("node") / "home"
    with installation(home, GATEWRIGHT_SESSION_HOURS="1") as me:
        yield me, fill(me)


def fill(me: Installation, *more: str) -> dict:
    port = {
        n: u.rsplit(":", 1)[1]
        for n, u in (("PORT", me.console), ("GATEWAY_PORT", me.gateway), ("SAMPLE_PORT", me.sample))
    }
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")}
    env |= {f"GATEWRIGHT_{n}": p for n, p in port.items()} | {"GATEWRIGHT_HOME": str(me.home)}
    command = [sys.executable, "-m", "console", "demo", "--json", *(more or ("--rows", "200"))]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def token(world: dict, application: str, url: str) -> str:
    client = next(c for c in world["clients"] if c["application"] == application)
    api = next(a for a in world["apis"] if a["url"] == url)
    form = f"grant_type=client_credentials&client_id={client['client_id']}&client_secret={client['client_secret']}"
    form += f"&resource={api['audience']}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return json.loads(call(f"{world['issuer']}/oauth/token", "POST", headers, form.encode()).body)["access_token"]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_the_demo_world_can_be_called(demo: tuple[Installation, dict]) -> None:
    me, world = demo
    for version, parts in (("v1", 3), ("v2", 5)):
        url = f"{me.gateway}/orders/{version}"
        text = token(world, "Fjord Mobile", url)
        assert len(text.split(".")) == parts
        wait_until(lambda u=url, t=text: call(f"{u}/orders", headers=bearer(t)).status == 200, 5)
    key = next(k["key"] for k in world["api_keys"] if k["application"] == "Fjord Mobile")
    assert call(f"{me.gateway}/orders/v1/products", headers={"X-API-Key": key}).status == 200
    assert call(f"{me.gateway}/rates/v4/rates", headers={"X-API-Key": key}).status == 403


def test_a_plain_token_is_refused_where_encryption_is_required(demo: tuple[Installation, dict]) -> None:
    me, world = demo
    plain = token(world, "Fjord Mobile", f"{me.gateway}/orders/v1")
    refused = call(f"{me.gateway}/orders/v2/orders", headers=bearer(plain))
    assert refused.status == 401
    assert "encrypted tokens only" in refused.body


def test_a_token_for_another_api_is_refused(demo: tuple[Installation, dict]) -> None:
    me, world = demo
    other = token(world, "Fjord Mobile", f"{me.gateway}/tracking/v5")
    refused = call(f"{me.gateway}/orders/v1/orders", headers=bearer(other))
    assert (refused.status, "for another API" in refused.body) == (401, True)


def test_a_backend_that_does_not_answer_gets_a_problem_document(demo: tuple[Installation, dict]) -> None:
    me, world = demo
    os.kill(sample_of(me), signal.SIGSTOP)
    try:
        text = token(world, "Fjord Mobile", f"{me.gateway}/orders/v1")
        answer = call(f"{me.gateway}/orders/v1/orders", headers=bearer(text))
    finally:
        os.kill(sample_of(me), signal.SIGCONT)
    assert answer.status in (503, 504)
    assert answer.headers["content-type"] == "application/problem+json"


def sample_of(me: Installation) -> int:
    return child_of(me, "console.sample")


def child_of(me: Installation, words: str) -> int:
    for child in Path(f"/proc/{me.pid}/task/{me.pid}/children").read_text().split():
        if words in Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "):
            return int(child)
    raise AssertionError(f"no {words} under {me.pid}")


def test_a_node_serves_and_starts_without_the_console(tmp_path: Path, demo: tuple[Installation, dict]) -> None:
    """A second node is enrolled, stopped, and started where the console cannot be reached."""
    me, world = demo
    home, port = tmp_path / "edge", free_port()
    identity = json.loads((me.home / "node" / "node.json").read_text())
    home.mkdir()
    (home / "node.json").write_text(json.dumps(identity))
    text = token(world, "Fjord Mobile", f"{me.gateway}/orders/v1")
    run = [sys.executable, "-m", "console", "node", "run", "--home", str(home), "--port", str(port)]
    url = f"http://127.0.0.1:{port}/orders/v1/orders"
    with started(run, tmp_path / "first.log"):
        wait_until(
            lambda: reachable(url) and (home / "bundle.json").exists(), 20
        )  # kept once Envoy says it is in force
    (home / "node.json").write_text(json.dumps(identity | {"console": f"http://127.0.0.1:{free_port()}"}))
    with started(run, tmp_path / "second.log"):
        wait_until(lambda: reachable(url), 20)
        assert call(url, headers=bearer(text)).status == 200
        encrypted = token(world, "Fjord Mobile", f"{me.gateway}/orders/v2")
        refused = call(f"http://127.0.0.1:{port}/orders/v2/orders", headers=bearer(encrypted))
        assert refused.status == 503
        assert "retry-after" in refused.headers


def reachable(url: str) -> bool:
    try:
        return call(url).status == 401
    except OSError:
        return False


class started:
    def __init__(self, command: list[str], log: Path) -> None:
        self.command, self.log = command, log

    def __enter__(self) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")}
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, env=env)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0, self.log.read_text()


def test_up_serves_https_with_a_certificate_by_settings(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with installation(tmp_path / "home", GATEWRIGHT_TLS_CERT=str(cert), GATEWRIGHT_TLS_KEY=str(key)) as me:
        console = me.console.replace("http:", "https:")
        context = ssl.create_default_context(cafile=str(cert))
        with urllib.request.urlopen(f"{console}/login", context=context) as page:
            assert "max-age" in page.headers["Strict-Transport-Security"]
        wait_until(lambda: "applied generation" in me.said(), 10)  # the node trusts the same certificate


def certificate(folder: Path) -> tuple[Path, Path]:
    """Self-signed, for 127.0.0.1."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    san = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(today).not_valid_after(today + datetime.timedelta(days=2))
    builder = builder.add_extension(san, False).add_extension(x509.BasicConstraints(True, None), True)
    made = builder.sign(key, hashes.SHA256())
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(private)
    return folder / "tls.crt", folder / "tls.key"


def test_taken_ports_are_named(demo: tuple[Installation, dict], tmp_path: Path) -> None:
    me, _ = demo
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")}
    env |= {"GATEWRIGHT_PORT": me.console.rsplit(":", 1)[1], "GATEWRIGHT_HOME": str(tmp_path / "other")}
    done = subprocess.run(
        [sys.executable, "-m", "console", "up"], env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "is taken" in done.stderr


def test_the_demo_keeps_out_of_an_installation_in_use(tmp_path: Path) -> None:
    """And hands out fresh credentials when it is asked again in its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")} | {
        "GATEWRIGHT_HOME": str(tmp_path / "home")
    }
    command = [sys.executable, "-m", "console"]
    run = functools.partial(subprocess.run, env=env, capture_output=True, text=True, timeout=60, check=False)
    first, second = (json.loads(run([*command, "demo", "--rows", "50", "--json"]).stdout) for _ in range(2))
    assert first["people"][0]["password"] != second["people"][0]["password"]
    assert [a["url"] for a in first["apis"]] == [a["url"] for a in second["apis"]]
    database = sqlite3.connect(tmp_path / "home" / "gatewright.db")
    database.execute("UPDATE audit_entry SET action = 'team.created' WHERE action = 'demo.filled'")
    database.commit()
    refused = run([*command, "demo"])
    assert refused.returncode == 1
    assert "in use" in refused.stderr
