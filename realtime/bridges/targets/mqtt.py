"""`realtime bridge mqtt`: poses as JSON to a broker, `PREFIX/SOURCE/pose`; `PREFIX/SOURCE/hello` is retained there.

`PREFIX/bridge` is `online`, and `offline` when the bridge is gone: the broker's word, should it die.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from realtime.bridges.address import host_and_port
from realtime.bridges.loop import Bridge, Changes, MissingLibrary
from realtime.bridges.person import BridgedPerson
from realtime.bridges.pose_json import hello_json, pose_json
from realtime.wire.messages import Hello, Pose3D

TARGET = "127.0.0.1:1883"
PASSWORD = "STEADYPOSE_MQTT_PASSWORD"  # in the environment: command lines are public
RETRY_S = 1, 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", default=TARGET, metavar="HOST:PORT", help=f"the broker, default {TARGET}")
    parser.add_argument("--prefix", default="steadypose", help="of the topics, default steadypose")
    parser.add_argument("--user", metavar="NAME", help=f"the password is read from {PASSWORD}")
    parser.add_argument("--tls", action="store_true", help="encrypt, checked by the system's certificates")


def library() -> Any:
    try:
        import paho.mqtt.client as mqtt
    except ImportError:
        raise MissingLibrary("bridge mqtt needs paho-mqtt; pip install 'steadypose[mqtt]'") from None
    return mqtt


class Broker:
    """A connection that comes back by itself; what is said while there is none is not kept."""

    def __init__(self, host: str, port: int, args: argparse.Namespace) -> None:
        mqtt = library()
        self.place, self.state = f"{args.prefix}/bridge", f"waiting for a broker on {host}:{port}"
        self._up, self._here = self.state, f"connected to the broker on {host}:{port}"
        self.connected = 0  # how often
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.will_set(self.place, "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(*RETRY_S)
        self._client.on_connect, self._client.on_disconnect = self._connected, self._disconnected
        if args.user:
            self._client.username_pw_set(args.user, os.environ.get(PASSWORD))
        if args.tls:
            self._client.tls_set()
        self._client.connect_async(host, port)
        self._client.loop_start()

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.state = f"refused by the broker: {reason}"
            return
        self.state, self.connected = self._here, self.connected + 1
        client.publish(self.place, "online", qos=1, retain=True)

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self.state == self._here:
            self.state = f"{self._up}: {reason}"

    def say(self, topic: str, text: str, retain: bool = False) -> None:
        if self.state == self._here:
            self._client.publish(topic, text, qos=1 if retain else 0, retain=retain)

    def close(self) -> None:
        if self.state == self._here:
            self._client.publish(self.place, "offline", qos=1, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()


def open_bridge(args: argparse.Namespace) -> Bridge:
    host, port = host_and_port(args.target, TARGET)
    broker, changes, last = Broker(host, port, args), Changes(), list[object]()

    def send(pose: Pose3D, people: list[BridgedPerson], hello: Hello | None) -> None:
        if hello and last != [hello, broker.connected]:
            last[:] = [hello, broker.connected]
            broker.say(f"{args.prefix}/{hello.source}/hello", hello_json(hello), retain=True)
        if pose.stamp.source:
            broker.say(f"{args.prefix}/{pose.stamp.source}/pose", pose_json(pose, people))

    return Bridge(f"{host}:{port}", send, broker.close, everybody=True, news=lambda: changes.changed(broker.state))
