"""Tell what a source spec such as `0`, `clip.mp4`, `rtsp://...` or `demo@40` means, before a driver is asked."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Literal

from realtime.config.redact import SCHEME, without_secret
from realtime.config.schema import SourceConfig

Kind = Literal["camera", "stream", "file", "demo", "remote"]
REMOTE = "remote://"  # and an address of this machine, where another machine's camera is waited for
DEMO_TURNED = re.compile(r"demo@([-+]?\d{1,3}(?:\.\d)?)")
SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")


class SourceError(Exception):
    """At start: the run ends with this line.  Later: the source is lost and tried again for ever."""

    exit_code = 2
    source_lost = True


def kind_of(spec: str) -> Kind:
    if spec == "demo" or DEMO_TURNED.fullmatch(spec):
        return "demo"
    if spec.isdecimal() or spec.startswith("/dev/"):
        return "camera"
    if spec.startswith(REMOTE):
        return "remote"
    return "stream" if SCHEME.match(spec) else "file"


def demo_turn(spec: str) -> float:
    """Return how far the camera of `demo@DEGREES` stands turned about the rendered people."""
    found = DEMO_TURNED.fullmatch(spec)
    return float(found[1]) if found else 0.0


def is_file_run(config: SourceConfig) -> bool:
    """Return files, and the demo with every frame, go through the lossless chain."""
    kind = kind_of(config.spec)
    return kind == "file" or (kind == "demo" and config.every_frame)


def check(config: SourceConfig) -> None:
    """Refuse a source that cannot work, without opening a driver that might hang."""
    checks = {"camera": _check_camera, "stream": _check_stream, "file": _check_file, "remote": _check_remote}
    if look := checks.get(kind_of(config.spec)):
        look(config.spec)


def _check_camera(spec: str) -> None:
    if not sys.platform.startswith("linux"):
        return
    device = Path(f"/dev/video{spec}" if spec.isdecimal() else spec)
    found = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
    advice = f"cameras found: {found}. Without one: realtime run --demo. What this machine has: realtime doctor"
    if not device.exists():
        raise SourceError(f"camera {spec}: there is no {device}; {advice}")
    if not stat.S_ISCHR(device.stat().st_mode) or os.major(device.stat().st_rdev) != 81:
        raise SourceError(f"camera {spec}: {device} is not a video device; {advice}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"camera {spec}: no permission for {device}; sudo usermod -aG video $USER, then log in again")


def _check_stream(spec: str) -> None:
    scheme = spec.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise SourceError(f"source {without_secret(spec)}: {scheme}:// is not read; expected {', '.join(SCHEMES)}")


def remote_address(spec: str) -> str:
    """remote://HOST:PORT as the address that is bound."""
    return "tcp://" + spec.removeprefix(REMOTE)


def _check_remote(spec: str) -> None:
    from realtime.transport.address import BadPlace, parse

    try:
        parse(remote_address(spec))
    except BadPlace:
        raise SourceError(
            f"source {spec}: expected remote://HOST:PORT, an address of this machine, such as remote://127.0.0.1:5600"
        ) from None


def _check_file(spec: str) -> None:
    path = Path(spec).expanduser()
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"source {spec}: {error.strerror}; for a camera: --camera INDEX, to try: --demo") from error
    if stat.S_ISDIR(found.st_mode):
        raise SourceError(f"source {spec}: is a folder; expected a video file")
    if found.st_size == 0 and stat.S_ISREG(found.st_mode):
        raise SourceError(f"source {spec}: the file is empty; expected a video")
    try:
        path.open("rb").close()
    except OSError as error:
        raise SourceError(f"source {spec}: no permission to read it; chmod u+r {spec}") from error
