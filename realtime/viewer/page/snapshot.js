// Save what is drawn as a picture that explains itself: the date, the state, the legend with its counts, the banner.

import { $ } from "./elements.js";
import { STATE_NAMES } from "./joints.js";

export function composed(shown, small, painter, { when, what, counts, message, hue }) {
  const shot = document.createElement("canvas"), pen = shot.getContext("2d"), k = painter.ratio || 1, strip = 56 * k, colours = painter.colour;
  shot.width = shown.width; shot.height = shown.height + strip;
  pen.fillStyle = colours.panel; pen.fillRect(0, 0, shot.width, shot.height);
  pen.drawImage(shown, 0, 0);
  if (small) drawSmall(pen, small, shown, k);
  if (message) drawMessage(pen, message, shown, k, colours);
  drawStrip(pen, shown.height, strip, k, colours, painter.states, { when, what, counts, hue });
  return shot;
}
function drawSmall(pen, small, shown, k) {
  const scale = Math.min(0.32 * shown.height / small.height, 0.32 * shown.width / small.width);
  pen.drawImage(small, shown.width - small.width * scale - 12 * k, 12 * k, small.width * scale, small.height * scale);
}
function drawMessage(pen, { title, more, calm }, shown, k, colours) {
  const width = Math.min(460 * k, shown.width * 0.88), lines = [[`600 ${24 * k}px system-ui, "Liberation Sans", sans-serif`, title, 32 * k]];
  pen.font = `${14 * k}px system-ui, "Liberation Sans", sans-serif`;
  for (const line of wrapped(pen, more, width - 40 * k)) lines.push([pen.font, line, 20 * k]);
  const height = lines.reduce((sum, line) => sum + line[2], 28 * k), [x, y] = [(shown.width - width) / 2, shown.height * 0.44 - height / 2];
  pen.fillStyle = calm ? colours.panel : colours.badBack; pen.strokeStyle = calm ? colours.line : colours.bad; pen.lineWidth = 2 * k;
  pen.beginPath(); pen.roundRect(x, y, width, height, 14 * k); pen.fill(); pen.stroke();
  pen.fillStyle = calm ? colours.text : colours.bad; pen.textAlign = "center"; pen.textBaseline = "middle";
  let at = y + 14 * k;
  for (const [font, line, step] of lines) { pen.font = font; pen.fillText(line, shown.width / 2, at + step / 2); at += step; }
}
function wrapped(pen, words, width) {
  const lines = [""];
  for (const word of words.split(" ")) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (pen.measureText(longer).width > width && lines[lines.length - 1]) lines.push(word); else lines[lines.length - 1] = longer;
  }
  return lines.filter(Boolean);
}
// Two lines: what was shown and when; the legend.
function drawStrip(pen, top, height, k, colours, states, { when, what, counts, hue }) {
  const first = top + 0.3 * height, second = top + 0.72 * height;
  pen.fillStyle = colours.line; pen.fillRect(0, top, pen.canvas.width, k);
  pen.font = `${13 * k}px system-ui, "Liberation Sans", sans-serif`; pen.textAlign = "left"; pen.textBaseline = "middle"; pen.fillStyle = colours.text;
  pen.fillText(["steadypose", when, what].filter(Boolean).join("   ·   "), 12 * k, first);
  let x = 18 * k;
  const entry = (word, mark) => { mark(x); pen.fillStyle = colours.soft; pen.fillText(word, x + 12 * k, second); x += pen.measureText(word).width + 34 * k; };
  STATE_NAMES.forEach((name, i) => entry(`${name} ${counts[i]}`, at => drawMark(pen, i, at, second, k, states[i])));
  for (const side of ["left", "right"]) entry(side, at => { pen.fillStyle = hue[side]; pen.fillRect(at - 6 * k, second - 3 * k, 14 * k, 6 * k); });
}
function drawMark(pen, state, x, y, k, colour) {
  pen.strokeStyle = pen.fillStyle = colour; pen.lineWidth = 2.4 * k; pen.beginPath();
  if (state === 3) { pen.moveTo(x - 4 * k, y - 4 * k); pen.lineTo(x + 4 * k, y + 4 * k); pen.moveTo(x + 4 * k, y - 4 * k); pen.lineTo(x - 4 * k, y + 4 * k); pen.stroke(); return; }
  if (state === 2) pen.rect(x - 4 * k, y - 4 * k, 8 * k, 8 * k); else pen.arc(x, y, 4.5 * k, 0, 7);
  if (state === 0) pen.fill(); else pen.stroke();
}
export function download(canvas, name) {
  canvas.toBlob(blob => {
    const a = document.createElement("a");
    a.href = URL.createObjectURL(blob); a.download = name; a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 1000);
  });
}
export const shownBanner = () => $("banner").hidden ? null : { title: $("banner").children[0].textContent, more: $("banner").children[1].textContent, calm: $("banner").dataset.mood === "calm" };
