import { decode } from "@msgpack/msgpack";
import { Subscriber } from "zeromq";

const sub = new Subscriber({ conflate: true }); // the newest pose only
sub.subscribe("pose3d/");
sub.connect("tcp://127.0.0.1:5555");
for await (const [message] of sub) {
  const pose = decode(message.subarray(message.indexOf(0) + 1));
  const xyz = pose.people.map((p) => new Float32Array(new Uint8Array(p.xyz).buffer)); // J times x, y, z
  console.log(pose.status, pose.seq, ...xyz.map((one) => one.slice(0, 3).join(" ")));
}
