"""three.js in a browser loads the glTF, plays its animation and draws the figure: left blue, right orange."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.export.tracks import clips
from realtime.export.writers import glb
from tests.support.consumers.three_page import opened
from tests.support.people import walker


@pytest.mark.browser
def test_three_js_plays_it(tmp_path):
    clip = clips(walker.HELLO, walker.walk(40))[0]
    glb.write(tmp_path / "a.glb", clip)
    with opened(tmp_path) as page:
        shown = page.evaluate("show(20 / 30)")
        picture = page.locator("canvas").screenshot()
    assert shown["duration"] == pytest.approx(39 / 30, abs=1e-3)
    assert np.linalg.norm(np.array(shown["wrist"]) - clip.xyz[20, clip.joints.index("left_wrist")]) < 0.015
    assert sides_apart(picture)


def sides_apart(png: bytes) -> bool:
    """Enough blue on the viewer's right and enough orange on the left of it: the person faces the camera."""
    import cv2

    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    image = decoded.astype(int)
    blue = np.argwhere(image[..., 0] - image[..., 2] > 60)
    orange = np.argwhere(image[..., 2] - image[..., 0] > 60)
    return len(blue) > 300 and len(orange) > 300 and blue[:, 1].mean() > orange[:, 1].mean() + 20
