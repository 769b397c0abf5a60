import { decode } from "@msgpack/msgpack";
import { Subscriber } from "zeromq";

const STATES = ["OBSERVED", "INFERRED", "HELD", "ABSENT"];
const sub = new Subscriber();
sub.connect("tcp://127.0.0.1:5555");
sub.subscribe("hello/", "pose3d/"); // hello, once a second: names of the joints
let joints = [];
for await (const [bytes] of sub) {
  const message = decode(bytes.subarray(bytes.indexOf(0) + 1));
  joints = message.joints ?? joints;
  const wrist = joints.indexOf("right_wrist");
  for (const person of wrist < 0 ? [] : (message.people ?? [])) {
    const xyz = new Float32Array(new Uint8Array(person.xyz).buffer).slice(3 * wrist, 3 * wrist + 3); // m from the pelvis
    console.log(message.seq, person.id, "right_wrist", ...Array.from(xyz, (v) => v.toFixed(2)), STATES[person.state[wrist]]);
  }
}
