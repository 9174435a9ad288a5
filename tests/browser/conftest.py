"""A real Chromium, watched: what it complains about fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from programs import Installation, installation, need

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    path = need("chromium", "apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("up") / "home") as me:
        yield me


class Watched:
    """A browser window of one person; every page it opens is checked."""

    def __init__(self, context, console: str) -> None:
        self.page = context.new_page()
        self.console = console
        self.complaints: list[str] = []
        self.examined: set[str] = set()
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", self.note_foreign)

    def note_foreign(self, request) -> None:
        if not request.url.startswith((self.console, "data:", "about:", "blob:")):
            self.complaints.append(f"asked another host: {request.url}")

    def open(self, path: str) -> None:
        self.page.goto(self.console + path)
        self.check()

    def click(self, name: str, role: str = "button") -> None:
        self.page.get_by_role(role, name=name, exact=True).first.click()
        self.page.wait_for_load_state()
        self.check()

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.locator(f"[name={name}]").first.fill(value)

    def check(self) -> None:
        """axe finds nothing, nothing was logged to the console, nothing is wider than the window."""
        assert not self.complaints, (self.page.url, self.complaints)
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, (self.page.url, too_wide)
        self.examine()

    def examine(self) -> None:
        """With axe, each kind of page once: it takes half a second."""
        from axe_playwright_python.sync_playwright import Axe

        kind = self.page.title() + self.page.get_by_role("heading", level=1).first.inner_text()
        if kind in self.examined:
            return
        self.examined.add(kind)
        found = Axe().run(self.page).response["violations"]
        assert not found, [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in found] + [self.page.url]


@pytest.fixture
def window(chromium, running: Installation) -> Iterator[Callable[..., Watched]]:
    contexts = []

    def fresh(**options) -> Watched:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}} | options)
        contexts.append(context)
        return Watched(context, running.console)

    yield fresh
    for context in contexts:
        context.close()
