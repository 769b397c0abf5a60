"""Send and receive OSC over UDP: messages out in bundles, requests in."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterable
from typing import Any

from realtime.bridges.loop import MissingLibrary

BUNDLE_BYTES = 1200  # fits every network's datagram
DATAGRAM_BYTES = 2048  # of a request; a longer one is cut off and then no OSC
TURN_S = 0.05
PACE_S = 0.005  # between two requests: 200 a second are more than anybody presses


class NoPort(Exception):
    exit_code = 3


def library() -> Any:
    try:
        import pythonosc
        import pythonosc.osc_bundle_builder
        import pythonosc.osc_message_builder
        import pythonosc.osc_packet
        import pythonosc.udp_client
    except ImportError:
        raise MissingLibrary("bridges need python-osc; install it with `pip install 'steadypose[bridges]'`") from None
    return pythonosc


class OscSender:
    def __init__(self, host: str, port: int) -> None:
        self._osc = library()
        self._client = self._osc.udp_client.UDPClient(host, port)
        self.sent = 0
        self.failed = 0  # nobody listens there, or the network is down

    def send(self, messages: Iterable[tuple[str, list[object]]]) -> None:
        """One bundle, or several where one datagram would be too large."""
        bundle, size = self._bundle(), 0
        for address, values in messages:
            packed = self._message(address, values)
            if size and size + packed.size + 4 > BUNDLE_BYTES:
                self._go(bundle)
                bundle, size = self._bundle(), 0
            bundle.add_content(packed)
            size += packed.size + 4
        if size:
            self._go(bundle)

    def _bundle(self) -> Any:
        builder = self._osc.osc_bundle_builder
        return builder.OscBundleBuilder(builder.IMMEDIATELY)

    def _message(self, address: str, values: list[object]) -> Any:
        builder = self._osc.osc_message_builder.OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        return builder.build()

    def _go(self, bundle: Any) -> None:
        try:
            self._client.send(bundle.build())
            self.sent += 1
        except OSError:
            self.failed += 1

    def close(self) -> None:
        self._client._sock.close()  # noqa: SLF001


class Requests:
    """Addresses that other programs send to a local port, in order; at once, whatever time a bundle is meant for.

    The port is paced and reads one datagram at a time: whoever floods it loses requests, not our time.
    """

    def __init__(self, host: str, port: int) -> None:
        self._osc = library()
        self._asked: queue.Queue[str] = queue.Queue(maxsize=64)
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(TURN_S)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise NoPort(
                f"port {port} is in use by another program; choose another with --listen PORT, 0: none"
            ) from error
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(DATAGRAM_BYTES)
            except TimeoutError:
                continue
            except OSError:  # an answer to nothing that we sent
                datagram = b""
            for address in self._addresses(datagram):
                self._keep(address)
            self._stop.wait(PACE_S)

    def _addresses(self, datagram: bytes) -> list[str]:
        """Of the messages in one datagram; none where it is no OSC."""
        packet = self._osc.osc_packet
        try:
            return [timed.message.address for timed in packet.OscPacket(datagram).messages]
        except (packet.ParseError, ValueError, OverflowError, RecursionError):
            return []

    def _keep(self, address: str) -> None:
        if not self._asked.full():
            self._asked.put_nowait(address)

    def take(self) -> list[str]:
        found = []
        while not self._asked.empty():
            found.append(self._asked.get_nowait())
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()
