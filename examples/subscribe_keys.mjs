// npm install zeromq@6 @msgpack/msgpack@3
import { readFileSync } from "node:fs";
import * as zmq from "zeromq";
import { decode } from "@msgpack/msgpack";

const key = name => readFileSync(`keys-laptop/${name}`, "utf8").trim(); // made by: realtime keys allow keys laptop
const sub = new zmq.Subscriber({ curveServerKey: key("publisher.public"), curvePublicKey: key("client.public"), curveSecretKey: key("client.secret") });
sub.connect("tcp://127.0.0.1:5555");
sub.subscribe("pose3d/");
for await (const [data] of sub) {
  const message = decode(data.subarray(data.indexOf(0) + 1));
  console.log(message.seq, message.status, message.people.length, "people");
}
