"""Light, sort and fill quads and polygons of people: the painter's algorithm."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.demo.anatomy import Body, J, cross, unit
from realtime.demo.camera import NEAR, DemoCamera
from realtime.demo.clothing import dress
from realtime.demo.face import features
from realtime.demo.looks import SceneAppearance
from realtime.demo.shape import corners, skin, topology

F64 = NDArray[np.float64]
Image = NDArray[np.uint8]
_SHIFT = 4  # sub-pixel bits of OpenCV's fills
_FAR_OUT = 20000.0  # px; keeps fixed-point coordinates in range
_MAX_FINE = 700_000  # px of a region that is still drawn at double size


def paint_people(image: Image, people: list[tuple[Body, SceneAppearance]], camera: DemoCamera, light: F64) -> None:
    """Draw into `image`; `light` points to the lamp, camera axes."""
    stacks = [draw(person, look, camera, light) for person, look in people for draw in (_skin_polygons, _face_polygons)]
    stacks = [stack for stack in stacks if len(stack[0])]
    if stacks:
        _fill(
            image,
            [s[0] for s in stacks],
            np.concatenate([s[1] for s in stacks]),
            np.concatenate([s[2] for s in stacks]),
        )


def _shade(normals: F64, towards: F64, light: F64, look: SceneAppearance) -> F64:
    """Return (Q,) brightness: wrapped diffuse light, a little darker at grazing angles."""
    diffuse = np.maximum(normals @ light * 0.75 + 0.25, 0)
    rim = 0.86 + 0.14 * np.clip((normals * towards).sum(1), 0, 1)
    return np.asarray((look.ambient + (1.12 - look.ambient) * diffuse) * rim)


def _skin_polygons(person: Body, look: SceneAppearance, camera: DemoCamera, light: F64) -> tuple[F64, F64, F64]:
    rings = skin(person, look)
    quads, ring, _ = topology()
    colours, drawn = dress(look)
    at = corners(rings)
    q = at[quads]  # (Q, 4, 3)
    middle = q.mean(1)
    normal = unit(cross(q[:, 2] - q[:, 0], q[:, 3] - q[:, 1]))
    outward = np.sign((normal * (middle - (rings.centre[ring] + rings.centre[ring + 1]) / 2)).sum(1))
    normal *= outward[:, None]
    towards = unit(-middle)
    seen = drawn & ((normal * towards).sum(1) > -0.02) & (q[..., 2].min(1) > NEAR)
    depth = np.linalg.norm(middle[seen], axis=1)
    lit = colours[seen] * _shade(normal[seen], towards[seen], light, look)[:, None]
    return camera.project(q[seen]), lit, depth


def _face_polygons(person: Body, look: SceneAppearance, camera: DemoCamera, light: F64) -> tuple[F64, F64, F64]:
    at, normals, colours, lift = features(look)
    at = person.joints[J["nose"]] + person.scale * at @ person.head
    normals = unit(normals) @ person.head
    middle = at.mean(1)
    towards = unit(-middle)
    seen = ((normals * towards).sum(1) > 0.05) & (at[..., 2].min(1) > NEAR)
    depth = np.linalg.norm(middle[seen], axis=1) - lift[seen] * person.scale
    lit = colours[seen] * _shade(normals[seen], towards[seen], light, look)[:, None]
    return camera.project(at[seen]), lit, depth


def _fill(image: Image, polygons: list[F64], colours: F64, depths: F64) -> None:
    """`polygons`: stacks (N, corners, 2) px; farthest first, at double size where that is affordable."""
    region = _region(polygons, image.shape)
    if region is None:
        return
    x0, y0, x1, y1 = region
    fine = 2 if (x1 - x0) * (y1 - y0) <= _MAX_FINE else 1
    part = image[y0:y1, x0:x1]
    canvas = cv2.resize(part, None, fx=fine, fy=fine, interpolation=cv2.INTER_NEAREST) if fine > 1 else part.copy()
    fixed = [q for stack in polygons for q in _fixed_point(stack, fine, x0, y0)]
    paints, fill = colours.tolist(), cv2.fillConvexPoly
    for k in np.argsort(-depths).tolist():
        fill(canvas, fixed[k], paints[k], cv2.LINE_8, _SHIFT)
    image[y0:y1, x0:x1] = cv2.resize(canvas, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA) if fine > 1 else canvas


def _fixed_point(stack: F64, fine: int, x0: int, y0: int) -> NDArray[np.int32]:
    """Picture coordinates (a pixel's centre at .5) to OpenCV's fixed-point canvas coordinates (centre at 0)."""
    at = (stack - (x0, y0)) * fine - 0.5
    return np.asarray(np.clip(at, -_FAR_OUT, _FAR_OUT) * (1 << _SHIFT), np.int32)


def _region(polygons: list[F64], shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    low = np.min([p.min((0, 1)) for p in polygons], axis=0)
    high = np.max([p.max((0, 1)) for p in polygons], axis=0)
    x0, y0 = np.clip(np.floor(low) - 2, 0, (shape[1], shape[0])).astype(int)
    x1, y1 = np.clip(np.ceil(high) + 3, 0, (shape[1], shape[0])).astype(int)
    return (int(x0), int(y0), int(x1), int(y1)) if x1 > x0 and y1 > y0 else None
