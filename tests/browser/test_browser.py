"""The browser's own helpers: each has to see what is planted in a page for it to see."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from support import browser as support

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A page</title><style>{style}</style></head>
<body><main><h1>A page</h1>{body}</main>{end}</body>
</html>
"""


@pytest.fixture
def page(browser, tmp_path):
    """Open a page of this body, style and end."""

    def opened(body="<p>Text.</p>", style="", end="", name="page.html"):
        path = tmp_path / name
        path.write_text(PAGE.format(body=body, style=style, end=end), encoding="utf-8")
        browser.open(path)
        return browser

    return opened


def test_a_sound_page_has_no_errors_no_requests_and_no_violations(page):
    opened = page()
    assert (opened.errors(), opened.requests(), opened.violations()) == ([], [], [])
    assert opened.overflow() == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("console.error('planted')", "planted"),
        ("console.warn('planted')", "planted"),
        ("throw new Error('planted')", "planted"),
        ("Promise.reject(new Error('planted'))", "planted"),
    ],
)
def test_an_error_in_the_console_is_seen(page, script, words):
    opened = page(end=f"<script>{script}</script>")
    (error,) = opened.errors()
    assert words in error
    assert opened.errors() == [error]  # asking again loses nothing


def test_what_is_only_logged_is_no_error(page):
    opened = page(end="<script>console.log('planted')</script>")
    assert opened.errors() == []
    assert any("planted" in line for line in opened.console())


@pytest.mark.parametrize(
    ("planted", "url"),
    [
        ('<img alt="" src="http://e.invalid/a.png">', "http://e.invalid/a.png"),
        ('<link rel="stylesheet" href="https://e.invalid/a.css">', "https://e.invalid/a.css"),
        ('<script src="http://e.invalid/a.js"></script>', "http://e.invalid/a.js"),
        (
            "<script>fetch('http://e.invalid/data').catch(() => 0)</script>",
            "http://e.invalid/data",
        ),
        ("<script>navigator.sendBeacon('http://e.invalid/b')</script>", "http://e.invalid/b"),
        ("<script>new WebSocket('ws://e.invalid/w')</script>", "ws://e.invalid/w"),
        ("<style>@font-face { font-family: f; src: url(http://e.invalid/f.woff2) }"
         "h1 { font-family: f }</style>", "http://e.invalid/f.woff2"),
    ],
)  # fmt: skip
def test_a_request_that_leaves_is_seen(page, planted, url):
    opened = page(end=planted)
    opened.run("return document.body.offsetWidth")
    assert opened.requests() == [url]


def test_another_file_beside_the_page_is_a_request_as_well(page, tmp_path):
    (tmp_path / "other.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    opened = page(end='<img alt="" src="other.svg">')
    assert opened.requests() == [(tmp_path / "other.svg").as_uri()]


def test_a_picture_inside_the_page_and_a_place_in_it_are_no_requests(page):
    svg = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
    opened = page(end=f'<img alt="" src="{svg}"><script>location.hash = "x"</script>')
    assert opened.requests() == []


def test_what_an_earlier_page_did_is_no_matter_of_the_next(page):
    planted = "<script>console.error('planted')</script>"
    first = page(end=f'{planted}<img alt="" src="http://e.invalid/a.png">')
    assert first.errors()
    assert first.requests()
    second = page(name="second.html")
    assert (second.errors(), second.requests()) == ([], [])


def test_a_violation_is_told_with_its_rule_and_place(page):
    opened = page(body='<p id="pale">Text.</p>', style="#pale { color: #ddd; background: #fff }")
    (violation,) = opened.violations()
    assert violation.startswith("color-contrast (serious) at #pale: ")
    assert "#dddddd" in violation


def test_violations_of_a_part_leave_the_others_out(page):
    opened = page(body='<img src="data:,"><form id="form"><input></form>')
    assert [line.split()[0] for line in opened.violations("#form")] == ["label"]
    assert {line.split()[0] for line in opened.violations()} >= {"label", "image-alt"}


def test_axe_runs_where_the_page_s_policy_allows_no_script(page):
    policy = "default-src 'none'; script-src 'none'"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    opened = page(body='<img src="data:,">', style=f"</style>{meta}<style>")
    assert any(line.startswith("image-alt") for line in opened.violations())


@pytest.mark.parametrize("width", support.WIDTHS.values())
def test_a_page_that_is_wider_than_the_window_is_seen(page, width):
    opened = page(body='<div id="wide"></div>', style="body { margin: 0 } #wide { height: 9px }")
    opened.viewport(width)
    assert opened.run("return innerWidth") == width
    assert opened.overflow() == 0
    opened.run("document.getElementById('wide').style.width = arguments[0] + 'px'", width + 7)
    assert opened.overflow() == 7


def test_the_system_s_colors_are_what_the_test_says(page):
    opened = page(style="@media (prefers-color-scheme: dark) { h1 { color: rgb(1, 2, 3) } }")
    color = "return getComputedStyle(document.querySelector('h1')).color"
    assert opened.run(color) == "rgb(0, 0, 0)"
    opened.color_scheme("dark")
    assert opened.run(color) == "rgb(1, 2, 3)"


def test_keys_go_where_the_focus_is(page):
    from selenium.webdriver import Keys

    opened = page(body='<button id="a" onclick="this.id = \'c\'">A</button><input id="b">')
    assert opened.focused() == "body"
    opened.press(Keys.TAB)
    assert opened.focused() == "button#a"
    opened.press(Keys.ENTER, Keys.TAB, "x", "y")
    assert opened.focused() == "input#b"
    assert opened.find("#b").get_property("value") == "xy"
    assert len(opened.all("#c")) == 1


def test_waiting_in_vain_says_what_the_console_has(page):
    opened = page(end="<script>console.error('planted')</script>")
    opened.until("document.title === 'A page'")
    with pytest.raises(AssertionError, match=r"not true after 0\.1 s: false\n.*planted"):
        opened.until("false", seconds=0.1)


def test_screenshots_are_taken_into_a_folder_that_the_environment_names(
    page, tmp_path, monkeypatch
):
    opened = page(style="main { height: 3000px }")
    monkeypatch.delenv(support.SCREENSHOTS, raising=False)
    assert opened.screenshot("page") is None
    monkeypatch.setenv(support.SCREENSHOTS, str(tmp_path / "shots"))
    taken = opened.screenshot("page")
    assert taken == tmp_path / "shots" / "page.png"
    png = taken.read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    assert width == 1280
    assert height > 3000  # the whole page, not what the window shows


def test_without_a_browser_a_test_is_skipped_with_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.skip.Exception, match="needs chromium and chromium-driver"):
        support.started(tmp_path).__enter__()


STARTS_A_BROWSER = """
import sys, time
from pathlib import Path
from support.browser import started
with started(Path(sys.argv[1])) as browser:
    print(browser.driver.service.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux: elsewhere a killed run leaves some")
@pytest.mark.usefixtures("shared_browser")  # skips where there is none
def test_no_browser_outlives_a_run_that_was_killed(tmp_path):
    command = [sys.executable, "-c", STARTS_A_BROWSER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    driver = psutil.Process(int(run.stdout.readline()))
    left = [driver, *driver.children(recursive=True)]
    assert len(left) > 2
    run.send_signal(signal.SIGKILL)
    run.communicate()
    _, alive = psutil.wait_procs(left, timeout=20)
    # Nothing may have reaped them: in a container without an init they stay as zombies.
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
