"""Two network namespaces joined by a link that delays, loses, holds up or cuts IP packets: needs root and TUN devices.

The packets are moved by this process, so that it works on kernels without `netem`.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TUN, TUNSETIFF, FLAGS = Path("/dev/net/tun"), 0x400454CA, 0x1 | 0x1000  # IFF_TUN, IFF_NO_PI
CLONE_NEWNET = 0x40000000
HELD_UP_S = 0.2  # a link that is full drops what would wait longer
CAMERA, POSES = "10.213.7.1", "10.213.7.2"


def why_not() -> str:
    """Why there can be no such link here; empty where there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None or not TUN.exists():
        return "no `ip` command or no /dev/net/tun"
    tried = subprocess.run(["ip", "netns", "add", "sp-try"], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", "sp-try"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no network namespaces: {tried.stderr.strip()}"


needs_namespaces = pytest.mark.skipif(bool(reason := why_not()), reason=reason or "there are namespaces")


@dataclass
class BadLink:
    """Packets between the namespaces `camera` and `poses`; its settings may change at any time."""

    camera: str
    poses: str
    there_s: float = 0.0  # from the camera to the poses
    back_s: float = 0.0
    loss: float = 0.0  # share of packets
    bytes_s: float = 0.0  # of each way; 0: no limit
    cut: bool = False
    stop: bool = False

    def carry(self, ends: tuple[int, int]) -> None:
        chance, waiting, free_s, number = random.Random(7), list[tuple[float, int, int, bytes]](), [0.0, 0.0], 0
        while not self.stop:
            left_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
            for end in select.select(ends, [], [], min(left_s, 0.05))[0]:
                packet, way, now = os.read(end, 65536), ends.index(end), time.monotonic()
                if self.cut or chance.random() < self.loss:
                    continue
                free_s[way] = max(now, free_s[way]) + (len(packet) / self.bytes_s if self.bytes_s else 0.0)
                if free_s[way] - now > HELD_UP_S:
                    free_s[way] -= len(packet) / self.bytes_s
                    continue
                number += 1
                due = free_s[way] + (self.there_s if way == 0 else self.back_s)
                heapq.heappush(waiting, (due, number, ends[1 - way], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                os.write(end, packet)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def tun_inside(namespace: str, ends: list[int]) -> None:
    """For a thread of its own, which stays in the namespace: open a TUN device there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open() as place:
        if libc.setns(place.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    end = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", b"sp0", FLAGS))
    ends.append(end)


@contextmanager
def bad_link() -> Iterator[BadLink]:
    link, ends = BadLink(f"sp-c{os.getpid()}", f"sp-p{os.getpid()}"), list[int]()
    try:
        for namespace, address in ((link.camera, CAMERA), (link.poses, POSES)):
            ip("netns", "add", namespace)
            thread = threading.Thread(target=tun_inside, args=(namespace, ends))
            thread.start()
            thread.join()
            ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "sp0")
            for device in ("sp0", "lo"):
                ip("-n", namespace, "link", "set", device, "up")
        carrier = threading.Thread(target=link.carry, args=((ends[0], ends[1]),))
        carrier.start()
        try:
            yield link
        finally:
            link.stop = True
            carrier.join()
    finally:
        for end in ends:
            os.close(end)
        for namespace in (link.camera, link.poses):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
