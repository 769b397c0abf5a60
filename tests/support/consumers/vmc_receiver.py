"""Receive VMC with the package vmcp and print one JSON line for each frame: its time, its bones.

`python -m tests.support.consumers.vmc_receiver PORT`; ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading

from vmcp.events import BoneTransformEvent, RelativeTimeEvent
from vmcp.facades import on_receive
from vmcp.osc import OSC
from vmcp.osc.backend.osc4py3 import as_eventloop


def main() -> None:
    ended, frame = threading.Event(), {}

    def read() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=read, daemon=True).start()

    def bone(event: BoneTransformEvent) -> None:
        p, r = event.position, event.rotation
        frame[event.joint.value] = [p.x, p.y, p.z, r.x, r.y, r.z, r.w]
        if event.joint.value == "RightFoot":  # the last of a frame
            print(json.dumps(frame), flush=True)
            frame.clear()

    def time(event: RelativeTimeEvent) -> None:
        frame["t"] = event.delta

    osc = OSC(as_eventloop)
    with osc.open():
        receiver = osc.create_receiver("127.0.0.1", int(sys.argv[1]), "receiver").open()
        on_receive(receiver, BoneTransformEvent, bone)
        on_receive(receiver, RelativeTimeEvent, time)
        print("ready", flush=True)
        while not ended.wait(0.0005):
            osc.run()


if __name__ == "__main__":
    main()
