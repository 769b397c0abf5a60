"""Pictures of your own, from any program or camera, as poses: python examples/own_source.py"""

import numpy as np

from realtime import Picture, Stamper, process


class Gradients:
    """Anything with `live`, `fps`, `size`, `read` and `close` is a source; `read` answers None at its end."""

    live, fps, size = False, 30.0, (320, 240)

    def __init__(self, pictures: int) -> None:
        self.left, self.stamper = pictures, Stamper("mine")

    def read(self) -> Picture | None:
        if not self.left:
            return None
        self.left -= 1
        image = np.full((240, 320, 3), self.left, np.uint8)  # (H, W, 3) BGR: yours go here
        t_ns = int(self.stamper.seq / self.fps * 1e9)  # when it was taken, on a clock that does not jump
        return Picture(image, self.stamper.stamp(image.shape, t_ns, t_ns))

    def close(self) -> None: ...


for pose in process(Gradients(10)):
    print(pose)
