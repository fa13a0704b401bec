"""A real browser for tests: Debian's chromium, driven by Playwright, that tells what a page did."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_QUIET = (
    "--no-sandbox",  # containers give none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_ROOT = Path(__file__).parents[1]


@dataclass
class Opened:
    """A page, and what it did.

    Attributes:
        page: Playwright's page.
        errors: what it wrote to the console as an error, and exceptions that nothing caught.
        requests: the addresses of everything it loaded: not data:, not blob:, not pages that the tab itself went to.
    """

    page: object
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium():
    """Start a browser, and yield `open_page(address, **options) -> Opened`; the test is skipped where there is none.

    The options are those of a Playwright context, such as `color_scheme="dark"` or `viewport={"width": 390, ...}`. Each
    page has a context, that is cookies, of its own.

        @pytest.fixture(scope="module")
        def open_page():
            with chromium() as open_page:
                yield open_page
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="the tests in a browser need playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("the tests in a browser need Debian's chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=_QUIET)

        def open_page(address, **options):
            opened = Opened(browser.new_page(**options))
            _watch(opened)
            opened.page.goto(address)
            return opened

        yield open_page
        browser.close()


def violations(page):
    """Return what axe-core finds wrong for people with disabilities in a page and its frames, one line for each."""
    axe = _axe()
    page.emulate_media(reduced_motion="reduce")  # colours that fade into others have less contrast on the way
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    found = []
    for frame in page.frames:
        frame.evaluate(axe)
        result = frame.evaluate("axe.run(document, { iframes: false, resultTypes: ['violations'] })")
        found += [
            f"{rule['id']}: {rule['help']}: {node['html'][:200]}: {node.get('failureSummary', '')}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]
    return found


def _axe():
    path = Path(os.environ.get("AXE") or _ROOT / "node_modules" / "axe-core" / "axe.min.js")
    if not path.is_file():
        pytest.skip("the rules for people with disabilities need axe-core: npm install --no-save axe-core@4")
    return path.read_text(encoding="utf-8")


def _watch(opened):
    page = opened.page
    page.on("console", lambda line: opened.errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url) if _loads(page, request) else None)


def _loads(page, request):
    itself = request.is_navigation_request() and request.frame == page.main_frame
    return not itself and not request.url.startswith(("data:", "blob:"))
