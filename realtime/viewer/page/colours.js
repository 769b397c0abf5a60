// The page's colours, and the tints that tell left from right: left lighter, right darker than the person's hue.

import { STATE_NAMES } from "./joints.js";

const LIGHTER = 0.45, DARKER = 0.38; // share of white, of black
const HUES = 6;

export function readColours() {
  const style = getComputedStyle(document.documentElement), read = name => style.getPropertyValue("--" + name).trim();
  const names = { near: "scene-near", far: "scene-far", grid: "grid", shadow: "shadow", text: "text", soft: "soft", panel: "panel", line: "line", absent: "absent", bad: "bad", badBack: "bad-bg" };
  const colours = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, read(name)]));
  colours.states = STATE_NAMES.map(read);
  colours.people = Array.from({ length: HUES }, (_, i) => tints(read("person-" + i)));
  return colours;
}
export function tints(hue) { return { middle: hue, left: mixed(hue, 255, LIGHTER), right: mixed(hue, 0, DARKER) }; }
export function hueOf(colours, id) { return colours.people[((id % HUES) + HUES) % HUES]; }
function mixed(hue, towards, share) {
  return "#" + [1, 3, 5].map(i => Math.round(parseInt(hue.slice(i, i + 2), 16) * (1 - share) + towards * share).toString(16).padStart(2, "0")).join("");
}
