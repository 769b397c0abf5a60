"""Group G, keys: only whom the list names reads the poses, the log says why others do not, secrets are looked after."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time

import pytest
import zmq

from realtime import PoseClient
from realtime.cli import main as cli
from realtime.client.pose_client import NoStream
from realtime.config import loader
from realtime.config.yaml_file import ConfigError
from realtime.recording.recorder import StreamRecorder
from realtime.transport import keys
from realtime.transport.authenticator import AllowList, Authenticator, guard
from realtime.transport.bus import Bus
from realtime.transport.keys import BadKeys, client_keys, publisher_keys
from realtime.viewer.feed import Feed
from tests.support.keyed import make_folders, station
from tests.support.other_user import NOBODY, as_root
from tests.support.paths import ROOT
from tests.support.peer import free_address, raw_socket, until

OUT = {  # client -> how it counts, what the publisher's log says, what the client is told
    "wrong": ("wrong_key", "another publisher's public key", "has another key than"),
    "unlisted": ("unlisted", "to let it in: realtime keys allow", "does not know the key of"),
    "": ("no_keys", "came without keys; it needs --keys", "name your folder of them: --keys DIR"),
}


@pytest.fixture
def folders(runtime_dir):
    return make_folders(runtime_dir)


def test_g4_the_right_key_reads(folders, runtime_dir):
    with station(folders["publisher"], runtime_dir) as one:
        for who in ("listed", "publisher"):  # another machine; the publisher's own, with the client's key made for it
            with PoseClient(one.address, keys=folders[who]) as client:
                until(lambda: client.latest().status == "OK")
                assert client.refusal == "" and client.hello().source == "cam0"
        assert one.port.turned_away.total() == 0


@pytest.mark.parametrize("who", OUT)
def test_g4_whoever_has_no_right_key_gets_nothing_and_the_log_says_why_within_a_second(
    who, folders, runtime_dir, caplog
):
    kind, logged, told = OUT[who]
    with station(folders["publisher"], runtime_dir) as one, caplog.at_level(logging.WARNING):
        began = time.monotonic()
        with PoseClient(one.address, keys=folders[who] if who else None) as client:
            until(lambda: any(logged in record.message for record in caplog.records), 3.0)
            assert time.monotonic() - began < 1.0
            until(lambda: told in client.refusal, 4.0)
            with pytest.raises(NoStream, match=re.escape(told)):
                client.hello(0.2)
            assert client.latest().status == "STALE" and all(one.count == 0 for one in client._listeners.values())
        assert one.turned_away(kind) >= 1


def test_g4_a_camera_s_key_does_not_read_poses(folders, runtime_dir):
    with station(folders["publisher"], runtime_dir) as one, PoseClient(one.address, keys=folders["camera"]) as client:
        until(lambda: one.turned_away("unlisted") and "does not know" in client.refusal)
        assert client.latest().status == "STALE"


def test_g4_keys_where_the_publisher_has_none_are_told(runtime_dir, folders):
    bus = Bus(runtime_dir)
    address = free_address()
    bus.public(address)
    with PoseClient(address, keys=folders["listed"]) as client:
        until(lambda: "has no keys; leave --keys out" in client.refusal)
    bus.close()


def test_g4_the_viewer_and_the_recorder_read_with_keys_and_say_what_is_wrong_without(folders, runtime_dir):
    with station(folders["publisher"], runtime_dir) as one:
        kinds: dict[str, set[str]] = {"listed": set(), "": set()}
        for who, seen in kinds.items():
            own = client_keys(folders[who]) if who else None
            feed = Feed(one.address, lambda kind, _, seen=seen: seen.add(kind), False, own)
            recorder = StreamRecorder(one.address, runtime_dir / f"{who or 'none'}.sp", own)
            feed.start()
            recorder.start()
            if who:
                until(lambda seen=seen, recorder=recorder: {"pose3d", "hello"} <= seen and recorder.records > 5)
            else:
                until(
                    lambda feed=feed, recorder=recorder: OUT[""][2] in feed.refusal and OUT[""][2] in recorder.refusal
                )
            feed.close()
            recorder.close()
        assert not kinds[""] and (runtime_dir / "listed.sp").exists() and not (runtime_dir / "none.sp").exists()


def test_g4_every_command_that_reads_a_stream_takes_keys():
    for words in (["view"], ["record", "f"], ["render", "tcp://h:1", "-o", "o.mp4"], ["bridge", "osc"], ["health"]):
        assert cli.parser_for(words[0]).parse_args([*words, "--keys", "k"]).keys == "k"


def test_g4_the_list_is_obeyed_while_it_runs(folders, runtime_dir):
    """Whoever is added comes in, whoever is removed has to go, without a start anew."""
    late = client_keys(folders["unlisted"])
    with station(folders["publisher"], runtime_dir) as one, PoseClient(one.address, keys=folders["unlisted"]) as client:
        until(lambda: one.turned_away("unlisted"))
        keys.allow(folders["publisher"], "late", late.own.public, "allowed")
        until(lambda: client.latest().status == "OK")
        keys.remove(folders["publisher"], "late")
        until(lambda: "does not know" in client.refusal, 6.0)
        until(lambda: client.latest().status == "STALE")
        with PoseClient(one.address, keys=folders["listed"]) as other:
            until(lambda: other.latest().status == "OK")


def test_g4_a_flood_of_refusals_is_a_line_a_second(folders, runtime_dir, caplog):
    with station(folders["publisher"], runtime_dir) as one, caplog.at_level(logging.WARNING, "keys"):
        began = time.monotonic()
        for _ in range(60):
            with raw_socket(zmq.SUB) as stranger:
                keys.present(stranger, client_keys(folders["unlisted"]))
                stranger.connect(one.address)
                time.sleep(0.02)
        until(lambda: one.turned_away("unlisted") > 20)
        lines = [record for record in caplog.records if "refused, unlisted" in record.message]
        assert 1 <= len(lines) <= time.monotonic() - began + 1


def test_g5_a_folder_that_names_nobody_is_refused(folders):
    for name in ("this-machine", "listed", "wrong"):
        keys.remove(folders["publisher"], name)
    with pytest.raises(BadKeys, match="nobody may read poses; name somebody: realtime keys allow"):
        publisher_keys(folders["publisher"])
    assert publisher_keys(folders["publisher"], "cameras").role == "cameras"


def test_g5_without_its_authenticator_a_port_lets_nobody_in(folders):
    """libzmq alone would let in whoever knows the public key."""
    context, own = zmq.Context(), publisher_keys(folders["publisher"])
    port, client = context.socket(zmq.XPUB), context.socket(zmq.SUB)
    guard(port, own)
    number = port.bind_to_random_port("tcp://127.0.0.1")
    keys.present(client, client_keys(folders["listed"]))
    client.set(zmq.RECONNECT_IVL, 20)
    client.subscribe(b"")
    client.connect(f"tcp://127.0.0.1:{number}")
    assert not port.poll(500)
    client.close()
    judge = Authenticator(context, AllowList(own))  # with it the same client is heard
    with_it = context.socket(zmq.SUB)
    keys.present(with_it, client_keys(folders["listed"]))
    with_it.subscribe(b"")
    with_it.connect(f"tcp://127.0.0.1:{number}")
    assert port.poll(3000)
    with_it.close()
    port.close()
    judge.close()
    context.term()


def test_g5_no_setting_gives_keys_without_a_list(folders, capfd):
    for name in ("this-machine", "listed", "wrong"):
        keys.remove(folders["publisher"], name)
    assert cli.main(["run", "--demo", "--quiet", "--bind", free_address(), "--keys", str(folders["publisher"])]) == 2
    said = capfd.readouterr().err
    assert "nobody may read poses" in said and said.count("\n") == 1


@pytest.mark.parametrize("name", ["publisher.secret", "client.secret"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_g6_a_secret_key_open_to_others_is_refused_with_the_command_that_closes_it(name, mode, folders, capfd):
    path = folders["publisher"] / name
    path.chmod(mode)
    assert cli.main(["run", "--demo", "--quiet", "--bind", free_address(), "--keys", str(folders["publisher"])]) == 2
    assert f"chmod 600 {path}" in capfd.readouterr().err


@pytest.mark.parametrize("part", ["", "allowed", "allowed/listed.public", "publisher.public"])
def test_g6_a_folder_or_list_that_others_may_write_is_refused(part, folders):
    place = folders["publisher"] / part
    place.chmod(place.stat().st_mode | 0o020)
    with pytest.raises(BadKeys, match=re.escape(f" {place}")):
        publisher_keys(folders["publisher"])


def test_g6_a_link_is_not_followed_to_a_secret(folders, tmp_path):
    path = folders["publisher"] / "publisher.secret"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadKeys, match=r"publisher\.secret"):
        publisher_keys(folders["publisher"])


@as_root
def test_g6_keys_of_another_user_are_refused(folders):
    os.chown(folders["publisher"] / "publisher.secret", NOBODY, NOBODY)
    with pytest.raises(BadKeys, match=f"belongs to user {NOBODY}"):
        publisher_keys(folders["publisher"])


def test_g6_new_keys_are_this_user_s_alone_and_never_shown(runtime_dir, capfd):
    before = os.umask(0)
    try:
        assert cli.main(["keys", "new", str(runtime_dir / "k")]) == 0
        assert cli.main(["keys", "allow", str(runtime_dir / "k"), "laptop"]) == 0
    finally:
        os.umask(before)
    assert cli.main(["keys", "list", str(runtime_dir / "k")]) == 0
    assert {path.stat().st_mode & 0o777 for path in runtime_dir.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in runtime_dir.rglob("*") if path.is_dir()} == {0o700}
    said = capfd.readouterr().out
    secrets = [path.read_text().strip() for path in runtime_dir.rglob("*.secret")]
    assert len(secrets) == 3 and not any(secret in said for secret in secrets)
    assert not any(secret in repr(publisher_keys(runtime_dir / "k")) for secret in secrets)


def test_g3_keys_open_a_bind_beyond_this_machine(folders):
    there = {"publish.bind": ("--bind", "tcp://192.0.2.1:5999")}
    with pytest.raises(ConfigError, match="realtime keys new keys"):
        loader.load(None, there)
    with_keys = loader.load(None, there | {"publish.keys": ("--keys", str(folders["publisher"]))})
    assert with_keys.publish.keys and not with_keys.publish.insecure


@pytest.mark.mediapipe
def test_g4_the_run_itself_its_terminal_and_health_use_the_keys(folders, runtime_dir):
    """The real command: its own clients have keys, a client without gets nothing."""
    address = free_address()
    words = ["run", "--demo", "--size", "160x120", "--json", "--bind", address, "--keys", str(folders["publisher"])]
    command = [sys.executable, "-m", "realtime", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert '"status": "OK"' in next(line for line in process.stdout if '"OK"' in line)
            assert cli.main(["health", "--connect", address, "--keys", str(folders["listed"])]) == 0
            assert cli.main(["health", "--connect", address, "--timeout", "1"]) == 2
        finally:
            process.terminate()
            process.wait(10)
