// Name joints' sides and parts, by their names alone: any joint set, 17 joints or 37.

export const OBSERVED = 0, INFERRED = 1, HELD = 2, ABSENT = 3;
export const STATE_NAMES = ["observed", "inferred", "held", "absent"];

const PARTS = [
  ["foot", /heel|foot|toe/],
  ["hand", /pinky|index|thumb|finger|hand/],
  ["face", /nose|eye|ear(_|$)|mouth/],
];
const THICKNESS = { body: 1, foot: 0.7, hand: 0.5, face: 0.42 }; // of bones and joints, beside a limb's

export const sideOf = name => /(^|_)left(_|$)/.test(name) ? "left" : /(^|_)right(_|$)/.test(name) ? "right" : "middle";
export const partOf = name => (PARTS.find(([, names]) => names.test(name)) || ["body"])[0];
export const thicknessOf = name => THICKNESS[name === "nose" ? "body" : partOf(name)];
export const plain = name => name.replaceAll("_", " ");

// What each joint of a set is, worked out once per Hello.
export function describe(joints, parents) {
  return {
    sides: joints.map(sideOf), thick: joints.map(thicknessOf), parts: joints.map(partOf),
    nose: joints.indexOf("nose"), ears: pair(joints, "ear"), head: joints.indexOf("head"), neck: ["neck", "thorax"].map(name => joints.indexOf(name)).find(i => i >= 0) ?? -1, tips: parents.map((_, i) => !parents.includes(i) && partOf(joints[i]) === "body"),
  };
}
function pair(joints, part) {
  const both = ["left", "right"].map(side => joints.indexOf(`${side}_${part}`));
  return both.every(i => i >= 0) ? both : [];
}
// Where a head is and which way it faces: {centre, nose, way, from: joints it was told by}, or null where that is unknown.
// Between the ears, through the nose; without ears, away from the line of neck and crown through the nose.
export function facing({ nose, ears, head, neck }, points, state) {
  const from = ears.length ? [nose, ...ears] : [nose, head, neck];
  if (from.some(i => i < 0 || state[i] === undefined || state[i] === ABSENT)) return null;
  const at = i => [points[3 * i], points[3 * i + 1], points[3 * i + 2]], minus = (a, b) => a.map((v, k) => v - b[k]), dot = (a, b) => a.reduce((sum, v, k) => sum + v * b[k], 0);
  let ahead;
  if (ears.length) ahead = minus(at(nose), at(ears[0]).map((v, k) => (v + at(ears[1])[k]) / 2));
  else {
    const axis = minus(at(head), at(neck)), along = dot(axis, axis) || 1, to = minus(at(nose), at(neck));
    ahead = minus(to, axis.map(v => v * dot(to, axis) / along));
  }
  const length = Math.hypot(...ahead);
  return length < 0.01 ? null : { centre: minus(at(nose), ahead), nose: at(nose), way: ahead.map(v => v / length), from };
}
// Unseen joints by name, for each state; a hand, foot or face of which all joints share it is named as one.
export function unseen(joints, state) {
  const groups = new Map();
  joints.forEach((name, i) => {
    const part = partOf(name), key = part === "body" ? name : [sideOf(name) === "middle" || part === "face" ? "" : sideOf(name), part].join(" ").trim();
    groups.set(key, [...(groups.get(key) || []), i]);
  });
  const out = { inferred: [], held: [], absent: [] };
  for (const [key, members] of groups) {
    const shared = members.every(i => state[i] === state[members[0]]);
    for (const [name, i] of shared ? [[key, members[0]]] : members.map(i => [joints[i], i])) if (state[i] !== OBSERVED && out[STATE_NAMES[state[i]]]) out[STATE_NAMES[state[i]]].push(plain(members.length === 1 ? joints[i] : name));
  }
  return out;
}
