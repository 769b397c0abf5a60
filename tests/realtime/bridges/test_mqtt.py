"""`bridge mqtt` with a real broker: JSON arrives, Hello stays, a broker that was gone is found again, death is told."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from realtime.cli import main as cli
from tests.support.consumers.bridge_command import BridgeCommand
from tests.support.people import whole_body
from tests.support.publisher import FakePipeline, free_address


@contextmanager
def broker(port: str, folder: Path):
    """Debian's mosquitto on loopback."""
    command = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not command:
        pytest.skip("no MQTT broker on this machine: apt-get install mosquitto")
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    process = subprocess.Popen([command, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def subscriber(port: str):
    """Another client of the broker: (topic, payload, retained) in order of arrival."""
    mqtt = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: pip install 'steadypose[mqtt]'")
    got: queue.Queue = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _d, m: got.put((m.topic, m.payload.decode(), m.retain))
    client.on_connect = lambda c, *_: c.subscribe("pose/#", qos=1)
    for _ in range(100):  # until the broker listens
        try:
            client.connect("127.0.0.1", int(port))
            break
        except OSError:
            time.sleep(0.1)
    client.loop_start()
    try:
        yield got
    finally:
        client.disconnect()
        client.loop_stop()


def until(got, topic, wanted=lambda _: True):
    end = time.monotonic() + 40
    while time.monotonic() < end:
        found, payload, retained = got.get(timeout=40)
        if found == topic and wanted(payload):
            return payload, retained
    raise AssertionError(f"nothing on {topic}")


def test_poses_reach_a_real_broker_hello_stays_and_the_end_is_told(tmp_path):
    port = free_address().rpartition(":")[2]
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: pip install 'steadypose[mqtt]'")
    with broker(port, tmp_path), FakePipeline(whole_body.walking, hello=whole_body.HELLO) as stream:
        flags = ("--connect", stream.address, "--target", f"127.0.0.1:{port}", "--prefix", "pose")
        with BridgeCommand("mqtt", *flags) as bridge:
            bridge.said("connected to the broker")
            bridge.said("poses of cam0 come")
            time.sleep(0.5)
            with subscriber(port) as got:
                hello, retained = until(got, "pose/cam0/hello")
                assert retained and len(json.loads(hello)["joints"]) == 37
                pose = json.loads(until(got, "pose/cam0/pose")[0])
                assert pose["status"] == "OK" and len(pose["people"][0]["xyz"]) == 37
                stream.muted = True
                until(got, "pose/cam0/pose", lambda text: json.loads(text)["status"] == "STALE")
                assert bridge.stop() == 0
                until(got, "pose/bridge", lambda text: text == "offline")


def test_a_broker_that_comes_late_goes_and_comes_back_is_found_again_and_told_of_a_death(tmp_path):
    port = free_address().rpartition(":")[2]
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: pip install 'steadypose[mqtt]'")
    with FakePipeline(whole_body.walking, hello=whole_body.HELLO) as stream:
        flags = ("--connect", stream.address, "--target", f"127.0.0.1:{port}", "--prefix", "pose")
        with BridgeCommand("mqtt", *flags) as bridge:
            bridge.said("waiting for a broker")
            with broker(port, tmp_path):
                bridge.said("connected to the broker")
            since = len(bridge.lines)
            bridge.said("waiting for a broker", since)
            with broker(port, tmp_path), subscriber(port) as got:
                bridge.said("connected to the broker", since)
                until(got, "pose/cam0/hello")
                until(got, "pose/cam0/pose")
                bridge.process.kill()
                until(got, "pose/bridge", lambda text: text == "offline")


def test_without_paho_the_extra_is_named(monkeypatch, capsys):
    for name in ("paho", "paho.mqtt", "paho.mqtt.client"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(["bridge", "mqtt"]) == 2
    assert "steadypose[mqtt]" in capsys.readouterr().err
