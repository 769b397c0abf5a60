// @ts-check
// The example page: everybody from the front, as `realtime bridge ws` sends them.
import { connect, joint } from "./steadypose.js";

/** @typedef {import("./steadypose.js").Pose} Pose */
/** @typedef {import("./steadypose.js").Hello} Hello */
/** @typedef {import("./steadypose.js").Person} Person */

const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("room"));
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
const METRES = 2.4, OBSERVED = 0;

/** @param {string} id @param {string} text */
function say(id, text) {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
}

/** @param {string} name */
function colour(name) {
  return name.startsWith("left_") ? "#4ab2ff" : name.startsWith("right_") ? "#ff8542" : "#ebebeb";
}

/** @typedef {[number, number, number]} Point */

/** Pixels of a point; `middle` lies in the middle. @param {Point} xyz @param {Point} middle @returns {[number, number]} */
function place(xyz, middle) {
  const scale = canvas.height / METRES;
  return [canvas.width / 2 + (xyz[0] - middle[0]) * scale, canvas.height / 2 - (xyz[1] - middle[1]) * scale];
}

/** Between the hips of everybody, or the shoulders of who sits at a desk. @param {Hello} hello @param {Person[]} people @returns {Point} */
function middleOf(hello, people) {
  const hips = people.map((one) => (joint(hello, one, "pelvis") ?? joint(hello, one, "thorax"))?.xyz).filter((xyz) => xyz !== undefined);
  const mean = (/** @type {0 | 1 | 2} */ axis) => hips.reduce((sum, xyz) => sum + xyz[axis], 0) / Math.max(hips.length, 1);
  return [mean(0), mean(1), mean(2)];
}

/** @param {Hello} hello @param {Person} person @param {Point} middle */
function draw(hello, person, middle) {
  hello.joints.forEach((name, i) => {
    const from = person.xyz[hello.parents[i] ?? -1], to = person.xyz[i];
    if (!to) return;
    const seen = person.state[i] === OBSERVED;
    context.strokeStyle = context.fillStyle = colour(name);
    context.lineWidth = seen ? 5 : 2;
    context.setLineDash(seen ? [] : [6, 6]);
    context.beginPath();
    if (from) context.moveTo(...place(from, middle));
    context.lineTo(...place(to, middle));
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.arc(...place(to, middle), 4, 0, 7);
    if (seen) context.fill(); else context.stroke();
  });
}

/** @param {Pose} pose @param {Hello} hello */
function show(pose, hello) {
  canvas.width = canvas.clientWidth;
  canvas.height = canvas.clientHeight;
  const middle = middleOf(hello, pose.people);
  for (const person of pose.people) draw(hello, person, middle);
  document.body.dataset["status"] = pose.status;
  document.body.dataset["frame"] = String(pose.seq);
  document.body.dataset["people"] = String(pose.people.length);
  const people = pose.people.length === 1 ? "1 person" : `${pose.people.length} people`;
  say("said", `${pose.source}, frame ${pose.seq}: ${people}, ${hello.joints.length} joints${pose.status === "STALE" ? ", no current pose" : ""}`);
}

const address = new URL("stream", location.href);
address.protocol = location.protocol.replace("http", "ws");
connect(address, { pose: show, state: (state, why) => say("state", why ? `${state}: ${why}` : state) });
