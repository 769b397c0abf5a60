// Write what stands beside the scene: stages, the stream's table, people with their unseen joints, the legend, the banner.

import { $, make, text } from "./elements.js";
import { OBSERVED, unseen } from "./joints.js";

const camera = stage => stage.includes(" ") ? stage.split(" ")[0] : ""; // of "cam0 lift"; what several cameras share comes first
export function showStages(stages) {
  const table = $("stages");
  table.replaceChildren();
  if (!stages.size) { table.insertRow().append(make("td", "faint", "no reports yet")); return; }
  const head = table.insertRow();
  for (const name of ["stage", "Hz", "p50", "p99 ms", "restarts"]) head.append(make("th", "", name));
  for (const [name, report] of [...stages].sort(([a], [b]) => camera(a).localeCompare(camera(b)))) {
    const row = table.insertRow(), first = row.insertCell();
    row.dataset.state = report.old ? "DOWN" : report.state;
    first.append(make("i"), name);
    first.title = report.old ? "no report for 3 s" : report.state;
    for (const value of [report.rate_hz.toFixed(0), report.p50_ms.toFixed(1), report.p99_ms.toFixed(1), String(report.restarts_1h)]) row.insertCell().textContent = value;
    const why = report.old ? "no report for 3 s" : report.state === "READY" ? report.reason : [report.state.toLowerCase(), report.reason].filter(Boolean).join(": ");
    if (!why) continue;
    const more = table.insertRow(), cell = more.insertCell();
    more.dataset.state = row.dataset.state; cell.colSpan = 5; cell.className = "why"; cell.textContent = why;
  }
}
export function showStream(hello, server, pose) {
  const rows = [
    ["source", hello.medium && hello.medium !== "live" ? `${hello.source}, a ${hello.medium}` : hello.source], ["address", server?.connect],
    ["picture", pose && pose.width ? `${pose.width} × ${pose.height} px` : ""], ["detector", hello.detector], ["model", hello.model_choice], ["lifter", hello.engine],
    ["joints", `${hello.joints.length}, ${hello.unit}, ${hello.axes} axes`], ["reliability", hello.reliability_source], ["observed from", `${hello.threshold}`],
    ["look-ahead", `${hello.look_ahead_ms} ms`], ["current for", hello.medium && hello.medium !== "live" ? "" : `${hello.max_age_ms} ms`],
  ].filter(([, value]) => value);
  const table = $("facts");
  table.replaceChildren();
  for (const [name, value] of rows) { const row = table.insertRow(); row.append(make("th", "", name), make("td", "", value)); row.lastChild.title = value; }
}
export function showPeople(frame, kinds, hello, painter, followed, pick) {
  const box = $("people"), people = frame ? frame.people : [];
  while (box.children.length > Math.max(1, people.length)) box.lastChild.remove();
  if (!people.length) { box.replaceChildren(make("p", "faint", frame ? "nobody in view" : "no data")); return; }
  people.forEach((person, i) => {
    let card = box.children[i];
    if (!card || card.tagName !== "BUTTON") {
      card = make("button", "person");
      card.append(make("i"), make("span"), make("small"), make("ul"));
      if (box.children[i]) box.replaceChild(card, box.children[i]); else box.append(card);
    }
    fillCard(card, person, hello, painter, person.id === followed);
    card.onclick = () => pick(person.id);
  });
}
function fillCard(card, person, hello, painter, followed) {
  const [mark, name, note, list] = card.children, hidden = [...person.state].filter(s => s !== OBSERVED).length;
  card.title = followed ? "Follow everybody" : "Follow";
  mark.style.background = painter.hue(person.id).middle;
  card.setAttribute("aria-pressed", String(followed));
  text(name, `Person ${person.id}`);
  text(note, [person.status === "OCCLUDED" ? "occluded" : hidden ? `${hidden} unseen` : "all seen", person.placed ? "" : "position unknown"].filter(Boolean).join(" · "));
  const lines = hello ? Object.entries(unseen(hello.joints, person.state)).filter(([, names]) => names.length) : [];
  while (list.children.length > lines.length) list.lastChild.remove();
  lines.forEach(([state, names], i) => {
    const line = list.children[i] || list.appendChild(make("li"));
    if (line.dataset.state !== state) { line.replaceChildren(make("i", "mark " + state), make("span")); line.dataset.state = state; }
    text(line.lastChild, names.join(", "));
    line.title = state;
  });
}
// The legend counts the joints of the frame that is drawn.
export function showCounts(frame) {
  const counts = [0, 0, 0, 0];
  if (frame) for (const person of frame.people) person.state.forEach(s => counts[s]++);
  document.querySelectorAll("#key output").forEach(node => text(node, frame ? String(counts[node.dataset.count]) : ""));
  return counts;
}
export function showSides(hue) { for (const side of ["left", "right"]) document.querySelector(`#key .side.${side}`).style.background = hue[side]; }
export function banner({ title = "", more = "", command = "", calm = false }) {
  const box = $("banner");
  box.hidden = !title;
  if (!title) return;
  box.dataset.mood = calm ? "calm" : "bad";
  text(box.children[0], title); text(box.children[1], more); text(box.children[2], command);
  box.children[2].hidden = !command;
}
