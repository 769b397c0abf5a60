"""The server as a browser's network sees it: who is let in, what a page gets, what it may ask, what it cannot break."""

import argparse
import asyncio
import json
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from realtime.cli.view import add_arguments, has_display, options_of
from realtime.viewer.hub import ViewerOptions
from realtime.viewer.server import MOST_PAGES, Viewer
from realtime.web.access import BadAddress, Listen
from realtime.web.responses import CannotServe
from realtime.wire.messages import Pose3D, decode, split
from tests.support.live import live
from tests.support.publisher import FakePipeline, free_address
from tests.support.viewing import serving

SILENT = "tcp://127.0.0.1:1"


def get(viewer, path="", **headers):
    """As a browser that was let in."""
    headers = {"Cookie": cookie(viewer)} | headers
    try:
        with urllib.request.urlopen(urllib.request.Request(base(viewer) + path, headers=headers), timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def base(viewer):
    return f"http://127.0.0.1:{viewer.access.listen.port}"


def cookie(viewer):
    return f"{viewer.access.cookie_name}={viewer.access.token}"


def stream(viewer, origin=None, path="/stream", **headers):
    origin = base(viewer) if origin is None else origin
    headers = {"Cookie": cookie(viewer)} | headers
    return connect(
        base(viewer).replace("http", "ws") + path, origin=origin or None, additional_headers=headers, close_timeout=1
    )


def binary(socket, wanted, count=1, limit_s=8.0):
    """The first `count` messages of a topic, acknowledged as a page does."""
    found, received, end = [], 0, time.monotonic() + limit_s
    while len(found) < count:
        data = socket.recv(timeout=max(0.1, end - time.monotonic()))
        if isinstance(data, str):
            continue
        received += 1
        socket.send(json.dumps({"ack": received}))
        if split(data)[0] == wanted:
            found.append(data)
    return found


def told(socket, key, limit_s=5.0):
    end = time.monotonic() + limit_s
    while True:
        data = socket.recv(timeout=max(0.1, end - time.monotonic()))
        if isinstance(data, str) and key in (plain := json.loads(data)):
            return plain[key]


def test_the_page_comes_with_its_policy_and_nothing_else_does():
    with serving(SILENT) as viewer:
        status, headers, body = get(viewer)
        assert status == 200 and b'<canvas id="scene"' in body
        assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Frame-Options"] == "DENY"
        assert get(viewer, "/etc/passwd")[0] == get(viewer, "/../pyproject.toml")[0] == 404


def test_names_and_origins_that_are_not_its_own_are_refused():
    with serving(SILENT) as viewer:
        assert get(viewer, Host="evil.example")[0] == 403
        for origin in ("http://evil.example", "null", ""):
            with pytest.raises(InvalidStatus) as refused, stream(viewer, origin):
                pass
            assert refused.value.response.status_code == 403


def test_a_page_gets_the_published_bytes_and_who_speaks_at_once():
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        with stream(viewer) as socket:
            data = binary(socket, "pose3d", 5)
            poses = [decode(Pose3D, one) for one in data]
            assert [p.stamp.seq for p in poses] == sorted({p.stamp.seq for p in poses})
        with stream(viewer) as later:
            began = time.monotonic()
            assert binary(later, "hello") and time.monotonic() - began < 0.9


def test_a_page_that_never_acknowledges_is_sent_little_and_disturbs_no_other():
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        with stream(viewer) as lazy, stream(viewer) as keen:
            binary(keen, "pose3d", 40)
            lazy.send(json.dumps({"ping": 1}))
            binaries = 0
            while not (isinstance(data := lazy.recv(timeout=5), str) and "pong" in data):
                binaries += isinstance(data, bytes)
        assert 0 < binaries <= 12


def test_the_clock_is_answered_and_nonsense_is_not():
    with serving(SILENT) as viewer, stream(viewer) as socket:
        for nonsense in (
            "",
            "{",
            "[]",
            "{}",
            "[" * 1500,
            '{"ack": "x"}',
            '{"record": 3}',
            '{"shutdown": true}',
            b"\x00",
        ):
            socket.send(nonsense)
        socket.send(json.dumps({"ping": 12.5}))
        assert told(socket, "pong") == 12.5
        assert told(socket, "server")["recording"] is None


def test_a_request_that_is_too_large_ends_that_page_only():
    with serving(SILENT) as viewer, stream(viewer) as good:
        with stream(viewer) as bad, pytest.raises(ConnectionClosed):  # noqa: PT012
            bad.send("x" * 100_000)
            for _ in range(100):
                bad.recv(timeout=5)
        good.send(json.dumps({"ping": 1}))
        assert told(good, "pong") == 1


def test_there_is_a_limit_of_pages():
    with serving(SILENT) as viewer, ExitStack() as pages:
        for _ in range(MOST_PAGES):
            told(pages.enter_context(stream(viewer)), "server")
        with pytest.raises(InvalidStatus) as refused, stream(viewer):
            pass
        assert refused.value.response.status_code == 503


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_token_opens_the_door_and_stays_in_a_cookie(host):
    with serving(SILENT, host=host) as viewer:
        token, port = viewer.access.token, viewer.access.listen.port
        assert token and token in viewer.address
        assert get(viewer, Cookie="")[0] == get(viewer, "/?token=guess", Cookie="")[0] == 403
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(f"{base(viewer)}/?token={token}", timeout=5) as answer:
            assert answer.status == 200 and "token" not in answer.url
        with pytest.raises(InvalidStatus), stream(viewer, Cookie=""):
            pass
        with stream(viewer, Cookie=f"{viewer.access.cookie_name}={token}") as socket:
            assert told(socket, "server")["pages"] == 1
        with pytest.raises(InvalidStatus), stream(viewer, "http://evil.example", Cookie=f"steadypose-{port}={token}"):
            pass


@contextmanager
def filmed(with_video):
    with FakePipeline(video=True) as pipeline, serving(pipeline.address, with_video=with_video) as viewer:
        yield viewer


def test_pictures_come_only_when_allowed_and_asked_for():
    with filmed(with_video=True) as viewer, stream(viewer) as socket:
        assert told(socket, "server")["video"] is True
        binary(socket, "pose3d", 10)
        assert viewer.feed.picture_width == 0
        socket.send(json.dumps({"video": 300}))
        picture = binary(socket, "picture")[0]
        assert b"\xff\xd8\xff" in picture and len(picture) < 60_000
    with filmed(with_video=False) as viewer, stream(viewer) as socket:
        socket.send(json.dumps({"video": 300}))
        kinds = {split(data)[0] for data in binary(socket, "pose3d", 20)}
        assert kinds == {"pose3d"} and viewer.feed.picture_width == 0


def test_a_film_shows_its_pictures_each_with_its_own_pose(monkeypatch):
    """`--view --with-video` with a file was an empty box: only capture put pictures where viewers find them."""
    values = {"source.spec": "demo", "source.every_frame": True, "view.with_video": True}
    with live(monkeypatch, values, detect_s=0.03) as run, serving(run.bind, with_video=True) as viewer:
        assert "file" in run.table
        with stream(viewer) as socket:
            socket.send(json.dumps({"video": 300}))
            body = msgpack.unpackb(split(binary(socket, "picture", limit_s=20)[0])[2])
            assert body["jpeg"][:3] == b"\xff\xd8\xff"
            run.peer.wait(lambda: any(m["seq"] == body["seq"] and not m["live"] for _, m in run.peer.poses), 8)


def test_a_recording_is_made_on_request_and_told(tmp_path):
    with FakePipeline() as pipeline, serving(pipeline.address, record_dir=tmp_path) as viewer, stream(viewer) as socket:
        binary(socket, "pose3d", 2)
        socket.send(json.dumps({"record": True}))
        wait_for(lambda: viewer.hub.recorder and viewer.hub.recorder.records > 10)
        socket.send(json.dumps({"record": False}))
        wait_for(lambda: not viewer.hub.recorder.running)
        assert viewer.hub.recorder.error == "" and len(list(tmp_path.glob("steadypose-*.sp"))) == 1


def test_a_recording_that_cannot_be_made_is_told_and_the_stream_goes_on(tmp_path):
    missing = tmp_path / "gone"
    with FakePipeline() as pipeline, serving(pipeline.address, record_dir=missing) as viewer, stream(viewer) as socket:
        socket.send(json.dumps({"record": True}))
        wait_for(lambda: viewer.hub.recorder and viewer.hub.recorder.error)
        assert "mkdir -p" in viewer.hub.recorder.error
        assert binary(socket, "pose3d", 3)


def wait_for(done, limit_s=8.0):
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_taken_port_is_one_clear_error():
    with serving(SILENT) as first:
        port = first.access.listen.port
        with pytest.raises(CannotServe, match=rf"127.0.0.1:{port} cannot be served: .*--http 127.0.0.1:{port + 1}"):
            start_and_fail(port)
    assert CannotServe.exit_code == 3


def start_and_fail(port):
    asyncio.run(Viewer(ViewerOptions(SILENT, Listen("127.0.0.1", port))).start())


def arguments(**changed):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return argparse.Namespace(**{**vars(parser.parse_args([])), **changed})


@pytest.mark.parametrize("changed", [{"http": "0.0.0.0:8008"}, {"connect": "tcp://192.168.1.5:5555"}])
def test_pictures_of_people_stay_on_their_machine(changed):
    with pytest.raises(BadAddress, match="on their own machine only"):
        options_of(arguments(with_video=True, **changed))
    assert options_of(arguments(**changed)).with_video is False


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [({}, "linux", False), ({"DISPLAY": ":0"}, "linux", True), ({"WAYLAND_DISPLAY": "w"}, "linux", True),
     ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, "linux", False), ({}, "darwin", True), ({}, "win32", True)],
)  # fmt: skip
def test_a_browser_is_opened_only_where_somebody_sees_it(environment, platform, seen):
    assert has_display(environment, platform) is seen


def test_the_publisher_may_come_later_and_come_again():
    address = free_address()
    with serving(address) as viewer, stream(viewer) as socket:
        with FakePipeline(address=address, stream=1):
            assert decode(Pose3D, binary(socket, "pose3d")[0]).stamp.stream == 1
        with FakePipeline(address=address, stream=2):
            end = time.monotonic() + 8
            while decode(Pose3D, binary(socket, "pose3d")[0]).stamp.stream != 2:
                assert time.monotonic() < end
