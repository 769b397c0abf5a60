"""`bridge ws`: a real browser draws the poses; strangers, other sites and floods stay outside; the client is typed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, closing

import pytest

from realtime.bridges.pose_server import MOST_PAGES, PoseServer, read_files
from realtime.cli import main as cli
from realtime.web.access import Access, Listen
from tests.support.consumers.bridge_command import BridgeCommand
from tests.support.paths import ROOT
from tests.support.people import whole_body
from tests.support.publisher import FakePipeline, free_address
from tests.support.viewing import chromium

sync = pytest.importorskip("websockets.sync.client")
exceptions = pytest.importorskip("websockets.exceptions")
PAGE = ROOT / "realtime" / "bridges" / "page"
TOKEN = "a-token-of-the-tests-0123"


@pytest.fixture
def server():
    access = Access(Listen("127.0.0.1", 0), TOKEN, ("http://localhost:5173",), programs=True)
    with closing(PoseServer(access)) as found:
        found.start()
        yield found


def opened(server, token=TOKEN, **options):
    address = f"ws://127.0.0.1:{server.access.listen.port}/stream?token={token}"
    return sync.connect(address, compression=None, proxy=None, **options)


def test_a_page_that_opens_gets_hello_and_the_newest_pose_at_once(server):
    server.spread("hello", '{"type":"hello"}')
    server.spread("pose", '{"seq":1}')
    server.spread("pose", '{"seq":2}')
    with opened(server) as page:
        assert [json.loads(page.recv(5)) for _ in range(2)] == [{"type": "hello"}, {"seq": 2}]
        server.spread("pose", '{"seq":3}')
        assert json.loads(page.recv(5)) == {"seq": 3}


def status_of(server, **options):
    try:
        with opened(server, **options):
            return 101
    except exceptions.InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 101),  # a program with the token
        ({"token": "wrong"}, 403),
        ({"token": ""}, 403),  # another user of this machine
        ({"origin": "http://localhost:5173"}, 101),  # a page that was allowed
        ({"origin": "http://evil.example"}, 403),  # a hostile page, even with the token
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:5174"}, 403),
    ],
)
def test_who_may_open_the_stream(server, options, status):
    assert status_of(server, **options) == status


def test_a_name_that_merely_points_here_is_refused(server):
    assert status_of(server, additional_headers={"Host": "evil.example"}) in (400, 403)


def test_pages_are_limited_and_what_they_say_is_bounded(server):
    with ExitStack() as stack:
        pages = [stack.enter_context(opened(server)) for _ in range(MOST_PAGES)]
        while len(server.pages) < MOST_PAGES:
            time.sleep(0.01)
        assert status_of(server) == 503
        pages[0].send("x" * 5000)
        with pytest.raises(exceptions.ConnectionClosedError):
            pages[0].recv(5)


def test_a_page_that_does_not_read_gets_the_newest_later_and_delays_nobody(server):
    text = json.dumps({"filled": "x" * 20_000})
    with opened(server, max_queue=1) as slow, opened(server) as quick:
        for i in range(300):
            server.spread("pose", json.dumps({"seq": i, "filled": "x" * 20_000}))
            assert json.loads(quick.recv(5))["seq"] <= i
        got = []
        while not got or got[-1] < 299:
            got.append(json.loads(slow.recv(5))["seq"])
    assert len(got) < 300 and len(text) * len(got) < 6_000_000


def test_a_port_that_is_taken_and_an_origin_that_is_none_are_explained(server, capsys):
    taken = f"127.0.0.1:{server.access.listen.port}"
    assert cli.main(["bridge", "ws", "--http", taken]) == 3
    assert "choose another: --http" in capsys.readouterr().err
    assert cli.main(["bridge", "ws", "--allow-origin", "localhost"]) == 2
    assert "http://localhost:5173" in capsys.readouterr().err


def test_the_page_loads_its_own_files_only():
    assert set(read_files()) == {"/", "/page.css", "/page.js", "/steadypose.js"}


@pytest.mark.browser
def test_a_browser_draws_the_poses_and_goes_on_after_the_stream_and_the_bridge_were_gone():
    http = "127.0.0.1:" + free_address().rpartition(":")[2]
    address = free_address()
    flags = ("ws", "--connect", address, "--http", http)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 700, "height": 500})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        with BridgeCommand(*flags, STEADYPOSE_VIEWER_TOKEN=TOKEN) as bridge:
            bridge.said("waiting for poses")
            page.goto(f"http://{http}/?token={TOKEN}")
            with FakePipeline(whole_body.walking, address, hello=whole_body.HELLO):
                page.wait_for_selector("body[data-people='1']", timeout=30_000)
                assert blue_pixels(page) > 100
                first = int(page.get_attribute("body", "data-frame"))
                page.wait_for_selector(f"body:not([data-frame='{first}'])", timeout=30_000)
                assert "37 joints" in page.text_content("#said")
            page.wait_for_selector("body[data-status=STALE]", timeout=30_000)
            assert blue_pixels(page) == 0
            assert bridge.stop() == 0
        page.wait_for_selector("#state:text('waiting: the bridge does not answer')", timeout=30_000)
        with (
            BridgeCommand(*flags, STEADYPOSE_VIEWER_TOKEN=TOKEN),
            FakePipeline(whole_body.walking, address, hello=whole_body.HELLO),
        ):
            page.wait_for_selector("body[data-status=OK]", timeout=40_000)
        assert errors == []


def blue_pixels(page):
    """Of the person's left side."""
    return page.evaluate("""() => {
      const canvas = document.getElementById('room');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i] < 110 && data[i + 1] > 140 && data[i + 2] > 220) count++;
      return count;
    }""")


def test_ctrl_c_is_heeded_when_it_was_started_with_an_ampersand():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with BridgeCommand("ws", "--http", "127.0.0.1:0", "--connect", free_address()) as bridge:
            bridge.said("waiting for poses")
            bridge.process.send_signal(signal.SIGINT)
            assert bridge.process.wait(10) == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_client_is_typed():
    """By TypeScript's compiler, strictly, where npm has it or can get it."""
    tsc = shutil.which("tsc")
    command = [tsc] if tsc else ["npx", "--yes", "--package", "typescript", "tsc"]
    if not tsc and not shutil.which("npx"):
        pytest.skip("neither tsc nor npx is installed: npm install --global typescript")
    flags = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022",
             "--module", "es2022", "--moduleResolution", "bundler", "--lib", "es2022,dom"]  # fmt: skip
    files = [str(PAGE / name) for name in ("steadypose.js", "page.js")]
    try:
        done = subprocess.run([*command, *flags, *files], capture_output=True, text=True, timeout=100, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm is slow: TypeScript did not come in 100 s")
    if "npm error" in done.stderr or "npm ERR" in done.stderr:
        pytest.skip(f"npm has no TypeScript: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stdout
