import msgpack
import numpy as np
import zmq

sub = zmq.Context().socket(zmq.SUB)
sub.set(zmq.CONFLATE, 1)  # the newest pose only
sub.subscribe(b"pose3d/")
sub.connect("tcp://127.0.0.1:5555")
while True:
    pose = msgpack.unpackb(sub.recv().split(b"\0", 1)[1])
    print(pose["status"], pose["seq"], *[np.frombuffer(p["xyz"], "<f4").reshape(-1, 3)[0] for p in pose["people"]])
