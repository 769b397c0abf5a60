"""Send and receive OSC over UDP: messages out in bundles, requests in."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import Any

BUNDLE_BYTES = 1200  # fits every network's datagram


class MissingLibrary(Exception):
    exit_code = 2


class NoPort(Exception):
    exit_code = 3


def library() -> Any:
    try:
        import pythonosc
        import pythonosc.dispatcher
        import pythonosc.osc_bundle_builder
        import pythonosc.osc_message_builder
        import pythonosc.osc_server
        import pythonosc.udp_client
    except ImportError:
        raise MissingLibrary("bridges need python-osc; install it with `pip install 'steadypose[bridges]'`") from None
    return pythonosc


class Sender:
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
        self._client._sock.close()


class Requests:
    """Addresses that other programs send to a local port, in order."""

    def __init__(self, host: str, port: int) -> None:
        osc = library()
        self._asked: queue.Queue[str] = queue.Queue(maxsize=64)
        dispatcher = osc.dispatcher.Dispatcher()
        dispatcher.set_default_handler(lambda address, *_: self._keep(address))
        try:
            self._server = osc.osc_server.BlockingOSCUDPServer((host, port), dispatcher)
        except OSError as error:
            raise NoPort(
                f"port {port} is in use by another program; choose another with --listen PORT, 0: none"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _keep(self, address: str) -> None:
        if not self._asked.full():
            self._asked.put_nowait(address)

    def take(self) -> list[str]:
        found = []
        while not self._asked.empty():
            found.append(self._asked.get_nowait())
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
