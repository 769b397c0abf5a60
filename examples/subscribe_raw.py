import msgpack
import numpy as np
import zmq

STATES = ("OBSERVED", "INFERRED", "HELD", "ABSENT")
sub = zmq.Context().socket(zmq.SUB)
sub.connect("tcp://127.0.0.1:5555")
sub.subscribe(b"hello/")  # once a second: names of the joints
sub.subscribe(b"pose3d/")
joints: list[str] = []
while True:
    topic, body = sub.recv().split(b"\0", 1)
    message = msgpack.unpackb(body)
    joints = message.get("joints", joints)
    for person in message.get("people", []) if joints else []:
        wrist = joints.index("right_wrist")
        xyz = np.frombuffer(person["xyz"], "<f4").reshape(-1, 3)[wrist]  # m from the pelvis
        print(message["seq"], person["id"], "right_wrist", *xyz.round(2), STATES[person["state"][wrist]], flush=True)
