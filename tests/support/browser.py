"""A headless Chromium that opens a file, and what can be asked of it.

Debian's packages chromium and chromium-driver, through Selenium. The browser resolves no host name,
so a page that asks for one gets nothing, and the request is seen all the same.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = "needs chromium and chromium-driver"
"""Why a test was skipped, in words that .ci/run looks for."""

SCREENSHOTS = "PYTEST_ENERGY_SCREENSHOTS"
"""Environment variable: a folder for the screenshots of a run; unset, none are taken."""

WIDTHS = {"phone": 360, "laptop": 900, "wide": 1600}
"""Widths in pixels at which a page is looked at."""

_HARMLESS = ("data:", "blob:", "about:", "chrome-error:")
"""Schemes with which nothing is asked for outside the page."""

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # root in a container has no user namespace for it
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",  # they would take from the width on some systems
    "--force-device-scale-factor=1",
    "--lang=en-US",
    "--no-first-run",
    "--remote-debugging-pipe",  # whose end is the browser's: none outlives a driver that was killed
)


class Browser:
    """One page at a time in a browser of its own; every `open` begins with a clean record.

    Args:
        driver: Selenium's, with the logs `browser` and `performance` on.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._opened = ""
        self._console: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []

    def open(self, path: Path, ready: str = "") -> None:
        """Open a file; returns when it has loaded.

        Args:
            path: of an HTML file.
            ready: an expression in JavaScript to wait for as well; empty for none.
        """
        self.driver.get("about:blank")
        self._drain()
        self._console, self._events = [], []
        self._opened = path.resolve().as_uri()
        self.driver.get(self._opened)
        if ready:
            self.until(ready)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns: `return document.title`."""
        return self.driver.execute_script(script, *arguments)

    def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until an expression in JavaScript is true.

        Raises:
            AssertionError: it did not become so; says what the console had meanwhile.
        """
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        wait = WebDriverWait(self.driver, seconds, poll_frequency=0.02)
        try:
            wait.until(lambda _: self.run(f"return Boolean({expression})"))
        except TimeoutException:
            said = "\n".join(self.console()) or "nothing"
            message = f"not true after {seconds:g} s: {expression}\nthe console has: {said}"
            raise AssertionError(message) from None

    def find(self, selector: str) -> Any:
        """The first element that a CSS selector names."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        """Every element that a CSS selector names."""
        return list(self.driver.find_elements("css selector", selector))

    def _drain(self) -> None:
        """Take what the driver has logged since, and what the page has just begun as well."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))"
        )
        # The driver hands each line out once.
        self._console += self.driver.get_log("browser")
        logged = self.driver.get_log("performance")
        self._events += [json.loads(line["message"])["message"] for line in logged]

    def console(self) -> list[str]:
        """Everything in the console since `open`, uncaught exceptions too: `SEVERE: words`."""
        self._drain()
        return [f"{line['level']}: {line['message']}" for line in self._console]

    def errors(self) -> list[str]:
        """What the console has as an error or a warning since `open`."""
        return [line for line in self.console() if line.startswith(("SEVERE", "WARNING"))]

    def requests(self) -> list[str]:
        """Addresses that the page has asked for since `open`, beside the file itself."""
        self._drain()
        asked = [_address(event) for event in self._events]
        own = self._opened
        return [url for url in asked if url and url.split("#")[0] != own and not _is_harmless(url)]

    def viewport(self, width: int, height: int = 900) -> None:
        """Show the page in so many CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def overflow(self) -> int:
        """CSS pixels by which the page is wider than the window; 0 where it fits."""
        return int(
            self.run(
                "const page = document.documentElement;"
                "return Math.max(0, page.scrollWidth - page.clientWidth)"
            )
        )

    def color_scheme(self, name: str) -> None:
        """What the reader's system prefers: `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def press(self, *keys: str) -> None:
        """Press keys one after another, wherever the focus is: `press(Keys.TAB, Keys.ENTER)`."""
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self) -> str:
        """What has the focus, as a selector: `button#theme`; `body` where nothing has."""
        return str(
            self.run(
                "const one = document.activeElement || document.body;"
                "return one.localName + (one.id ? '#' + one.id : '')"
            )
        )

    def violations(self, selector: str = "") -> list[str]:
        """What axe-core finds to be inaccessible, a line for each element.

        Args:
            selector: the part of the page to look at; empty for all of it.
        """
        if not self.run("return 'axe' in window"):
            self.driver.execute_script(axe_source())
        found = self.driver.execute_async_script(
            "const [selector, done] = arguments;"
            "axe.run(selector || document, { resultTypes: ['violations'] })"
            ".then((found) => done(found.violations), (error) => done(String(error)));",
            selector,
        )
        if isinstance(found, str):
            raise AssertionError(f"axe-core failed: {found}")
        return [_violation(one, node) for one in found for node in one["nodes"]]

    def screenshot(self, name: str) -> Path | None:
        """The whole page as a picture in the folder that `SCREENSHOTS` names; None without one."""
        folder = os.environ.get(SCREENSHOTS)
        if not folder:
            return None
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
        )
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path


def _address(event: dict[str, Any]) -> str:
    """What an event of the network says was asked for; empty for any other event."""
    of = event["params"]
    if event["method"] == "Network.requestWillBeSent":
        return str(of["request"]["url"])
    if event["method"] in ("Network.webSocketCreated", "Network.webTransportCreated"):
        return str(of["url"])
    return ""


def _is_harmless(url: str) -> bool:
    return url.startswith(_HARMLESS)


def _violation(rule: dict[str, Any], node: dict[str, Any]) -> str:
    """`color-contrast (serious) at p.fine: Element has …`."""
    where = ", ".join(str(one) for one in node["target"])
    why = " ".join(node.get("failureSummary", "").split())
    return f"{rule['id']} ({rule['impact']}) at {where}: {rule['help']}. {why}"


def axe_source() -> str:
    """axe-core, from the distribution axe-playwright-python: the newest that a wheel ships.

    The distribution is not imported: it would bring Playwright along, which nothing here uses.
    """
    spec = find_spec("axe_playwright_python")
    if spec is None or not spec.submodule_search_locations:
        raise AssertionError("axe-core is missing: pip install --group test")
    return Path(spec.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")


def _end_with_this_process() -> None:
    """Have Linux end the driver when the process that started it is killed (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """A browser that ends with the block.

    Args:
        folder: for its profile and what it leaves behind.
    """
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip(NEEDED)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location, driver_path = map(str, programs)
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option(
        "perfLoggingPrefs", {"enableNetwork": True, "enablePage": False}
    )
    # Chromium's socket lies there, and the path of a socket has 107 bytes at most: a folder of
    # pytest's in a process of pytest-xdist is too long.
    with tempfile.TemporaryDirectory(prefix="b", ignore_cleanup_errors=True) as short:
        environment = os.environ | {"TMPDIR": short, "TZ": "UTC"}
        service = webdriver.ChromeService(
            driver_path, env=environment, popen_kw={"preexec_fn": _end_with_this_process}
        )
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_script_timeout(60)
            yield Browser(driver)
        finally:
            driver.quit()
