"""Draw the people of one frame on its picture."""

from __future__ import annotations

import numpy as np

from realtime.render.skeleton import DrawnSkeleton, draw
from realtime.render.standing_feet import NOTHING_KNOWN, FeetOnGround, mark_standing, stands
from realtime.render.style import Image, write_text
from realtime.wire.messages import ABSENT, Hello, Person3D, Pose3D

BACKGROUND = (38, 30, 24)  # where there is no picture


def draw_people(image: Image, hello: Hello, pose: Pose3D | None, feet: FeetOnGround = NOTHING_KNOWN) -> None:
    """Draw in place; positions are scaled where the picture is not as large as the one that was looked at."""
    people = pose.people if pose else ()
    for person in people:
        scale = image.shape[1] / max(pose.width, 1) if pose else 1.0
        skeleton = on_picture(hello, person, scale, image)
        draw(image, skeleton)
        mark_standing(image, skeleton, stands(feet, pose, person.id))
        label(image, f"{person.id}" + (" hidden" if person.status == "OCCLUDED" else ""), skeleton)


def on_picture(hello: Hello, person: Person3D, scale: float, image: Image) -> DrawnSkeleton:
    at = np.asarray(person.xy, np.float64) * scale
    sigma_px = np.asarray(person.sigma, np.float64) * pixels_per_metre(person) * scale
    return DrawnSkeleton(hello.joints, hello.parents, at, person.state, sigma_px, bone_width(image))


def bone_width(image: Image) -> int:
    height, width = image.shape[:2]
    return max(2, round(min(int(height), int(width)) / 180))


def pixels_per_metre(person: Person3D) -> float:
    """Scale of the person's own plane: how far apart joints lie in px against metres across the view."""
    there = person.state != ABSENT
    if there.sum() < 2:
        return 0.0
    px, m = person.xy[there].astype(np.float64), person.xyz[there, :2].astype(np.float64)
    spread = np.linalg.norm(m - m.mean(0))
    return float(np.linalg.norm(px - px.mean(0)) / spread) if spread > 1e-6 else 0.0


def label(image: Image, text: str, skeleton: DrawnSkeleton) -> None:
    """Draw the person's id above the highest joint."""
    there = skeleton.at[(skeleton.state != ABSENT) & np.isfinite(skeleton.at).all(-1)]
    if len(there):
        x, y = there[np.argmin(there[:, 1])]
        size = min(image.shape[:2]) / 900
        place = int(np.clip(x - 8 * size, 0, image.shape[1])), int(np.clip(y - 26 * size, 24 * size, image.shape[0]))
        write_text(image, text, place, size)


def empty_picture(width: int, height: int) -> Image:
    """Return what stands in for a picture that was not kept."""
    image = np.empty((max(height, 2), max(width, 2), 3), np.uint8)
    image[:] = BACKGROUND
    return image
