"""Draw what an avatar program makes of VMC: bones put together from the messages, beside the person's own joints.

`python -m tests.support.consumers.vmc_picture RECORDING OUT.png SECONDS...`: one column for each moment; above the
person as the camera saw them, below the avatar, a box for each bone, its front bright and its back dark.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from realtime.bridges.avatar.humanoid import PARENTS
from realtime.bridges.avatar.unity import MIRROR
from realtime.bridges.avatar.vmc import Performer
from realtime.bridges.person import bridged, chosen
from realtime.recording.reader import Recorded, hello_and_poses
from realtime.render.overlay import draw_people, empty_picture
from realtime.rotations import from_quaternion

TIPS = {
    "LeftHand": (0.17, 0, 0), "RightHand": (-0.17, 0, 0), "Head": (0, 0.2, 0),
    "LeftFoot": (0, -0.06, 0.18), "RightFoot": (0, -0.06, 0.18),
}  # fmt: skip
WIDTH_M = {"Hips": 0.15, "Spine": 0.14, "Chest": 0.15, "Head": 0.08, "LeftHand": 0.05, "RightHand": 0.05}
SIDE_PX, METRES = 360, 2.3


def avatar(messages):
    """(bone, start, end, rotation) in a right-handed room, from local places and rotations."""
    bones = {args[0]: (np.array(args[1:4]), np.array(args[4:8])) for a, args in messages if a == "/VMC/Ext/Bone/Pos"}
    place, turn = {"": np.zeros(3)}, {"": np.eye(3)}
    for bone, parent in PARENTS.items():
        position, quaternion = bones[bone]
        place[bone] = place[parent] + turn[parent] @ position
        turn[bone] = turn[parent] @ from_quaternion(quaternion)
    for bone in PARENTS:
        children = [place[one] for one, above in PARENTS.items() if above == bone]
        tip = MIRROR @ np.array(TIPS.get(bone, (0, 0.1, 0)))
        end = np.mean(children, axis=0) if children else place[bone] + turn[bone] @ tip
        yield bone, MIRROR @ place[bone], MIRROR @ end, MIRROR @ turn[bone] @ MIRROR


def box(bone, start, end, turn):
    """Corners (8, 3) of a box along the bone, turned as the bone is; and whether a corner lies at its front."""
    half = WIDTH_M.get(bone, 0.06)
    along, side, ahead = end - start, turn[:, 0], turn[:, 2]
    if "Arm" in bone or "Hand" in bone:
        side = turn[:, 1]
    if "Foot" in bone:
        side, ahead = turn[:, 0], turn[:, 1]
    corners = [start + t * along + a * side * half + b * ahead * half * 0.6
               for t in (0, 1) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
    return np.array(corners)


FACES = (((0, 1, 5, 4), 0.35), ((2, 3, 7, 6), 1.0), ((1, 2, 6, 5), 0.65), ((0, 3, 7, 4), 0.65), ((4, 5, 6, 7), 0.8))


def draw_avatar(messages):
    image = np.full((SIDE_PX, SIDE_PX, 3), (38, 30, 24), np.uint8)
    drawn = []
    for bone, start, end, turn in avatar(messages):
        tint = np.array((255, 178, 74) if "Left" in bone else (66, 133, 255) if "Right" in bone else (225, 225, 225))
        corners = box(bone, start, end, turn)
        drawn += [(corners[list(face)], tint * light) for face, light in FACES]
    for corners, colour in sorted(drawn, key=lambda one: one[0][:, 2].mean()):  # the viewer stands at +z
        scale = SIDE_PX / METRES
        at = np.stack([SIDE_PX / 2 + corners[:, 0] * scale, SIDE_PX * 0.93 - corners[:, 1] * scale], -1)
        cv2.fillPoly(image, [np.round(at).astype(np.int32)], tuple(map(float, colour)), cv2.LINE_AA)
    return image


def draw_person(hello, pose):
    picture = empty_picture(pose.width, pose.height)
    draw_people(picture, hello, pose)
    low, high = np.nanmin(pose.people[0].xy, axis=0), np.nanmax(pose.people[0].xy, axis=0)
    (x, y), half = (low + high) / 2, 0.62 * float(max(high - low))
    to = np.float32([[0, 0], [SIDE_PX, 0], [0, SIDE_PX]])
    crop = cv2.getAffineTransform(np.float32([[x - half, y - half], [x + half, y - half], [x - half, y + half]]), to)
    return cv2.warpAffine(picture, crop, (SIDE_PX, SIDE_PX), flags=cv2.INTER_AREA, borderValue=(38, 30, 24))


def main() -> None:
    path, out, moments = Path(sys.argv[1]), sys.argv[2], [float(word) for word in sys.argv[3:]]
    hello, poses = hello_and_poses(Recorded(path))
    performer, last, columns = Performer(), None, []
    for pose in poses:
        t_s = (pose.stamp.t_capture_ns - poses[0].stamp.t_capture_ns) * 1e-9
        person = chosen(pose, None, last)
        seen = bridged(person, pose, hello) if person else None
        last = person.id if person else last
        messages = list(performer.messages(seen, t_s))
        if moments and t_s >= moments[0] and len(messages) > len(PARENTS):
            moments.pop(0)
            columns.append(np.concatenate([draw_person(hello, pose), draw_avatar(messages)]))
    cv2.imwrite(out, np.concatenate(columns, axis=1))


if __name__ == "__main__":
    main()
