from pathlib import Path

import msgpack
import zmq

keys = Path("keys-laptop")  # made on the publisher's machine: realtime keys allow keys laptop
publisher, public, secret = ((keys / name).read_bytes().strip() for name in (
    "publisher.public", "client.public", "client.secret"))  # fmt: skip
sub = zmq.Context().socket(zmq.SUB)
sub.curve_serverkey, sub.curve_publickey, sub.curve_secretkey = publisher, public, secret  # before connect
sub.connect("tcp://127.0.0.1:5555")
sub.subscribe(b"pose3d/")
while True:
    if not sub.poll(3000):
        raise SystemExit("nothing came: is this key on the list? The publisher's log says why not")
    message = msgpack.unpackb(sub.recv().split(b"\0", 1)[1])
    print(message["seq"], message["status"], len(message["people"]), "people", flush=True)
