"""Draw what `--smooth offline` and `--foot-lock` make of a foot: where its heel is, and when it is said to stand.

`python -m tests.support.consumers.steady_picture RECORDING OUT.png left_heel`: depth over time, as it was recorded,
smoothed, and locked; grey where the foot stands.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from realtime.export.job import ExportOptions, prepared
from realtime.export.smoothing.contact import contact
from realtime.recording.reader import Recorded, hello_and_poses

KINDS: dict[str, tuple[dict[str, Any], str, float]] = {
    "as recorded": ({}, "#9aa0a6", 1.0),
    "--smooth offline": ({"smooth": "offline"}, "#0b66c3", 1.6),
    "--smooth offline --foot-lock": ({"smooth": "offline", "foot_lock": True}, "#ff7a2f", 1.6),
}


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    path, out, joint = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    hello, poses = hello_and_poses(Recorded(path))
    figure, panes = pyplot.subplots(2, 1, figsize=(9, 4), sharex=True, layout="constrained")
    for label, (options, colour, width) in KINDS.items():
        (clip, *_), _ = prepared(hello, poses, ExportOptions("csv", path, **options))
        xyz = clip.xyz[:, clip.joints.index(joint)]
        panes[0].plot(clip.times_s, xyz[:, 2], color=colour, linewidth=width, label=label)
        panes[1].plot(clip.times_s, 100 * xyz[:, 1], color=colour, linewidth=width)
        if options == {"smooth": "offline"}:
            stands = contact(clip)[:, int(joint.startswith("right"))] == 1
            for pane in panes:
                edges = pane.get_xaxis_transform()
                pane.fill_between(clip.times_s, 0, 1, where=stands, color="#000000", alpha=0.07, transform=edges, lw=0)
    panes[0].set_ylabel("towards the camera, m")
    panes[1].set_ylabel("height, cm")
    panes[1].set_xlabel(f"s; grey: the {joint.split('_')[0]} foot stands")
    panes[0].legend(frameon=False, ncols=3, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for pane in panes:
        pane.spines[["top", "right"]].set_visible(False)
        pane.margins(x=0)
    figure.savefig(out, dpi=100)
    assert np.isfinite(panes[0].get_ylim()).all(), f"{joint} was never known"


if __name__ == "__main__":
    main()
