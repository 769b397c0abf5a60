// Plot the last 30 seconds beside the scene; a line across them marks the frame that is drawn while paused.

import { KEPT_S } from "./history.js";
import { $, text } from "./elements.js";

const PER_S = 4;
const plots = {
  latency: { least: 100, show: v => `${v.toFixed(0)} ms` }, speed: { least: 1.2, show: v => `${v.toFixed(v < 0.095 ? 2 : 1)}x` },
  rate: { least: 35, show: v => `${v.toFixed(1)} Hz` }, drops: { least: 5, show: v => `${v.toFixed(1)} /s` }, hidden: { least: 8, show: null }, // told by who draws the frame
};
const samples = []; // {at (ms of this page), latency, speed, rate, drops, hidden}; null where there was nothing

export function addSample(sample) {
  samples.push(sample);
  if (samples.length > PER_S * KEPT_S) samples.shift();
}
// at: when the frame that is drawn came, null: the newest; live: whether latency is known, or the speed of a film
export function showPlots(at, live, palette) {
  $("plot-latency").hidden = !live; $("plot-speed").hidden = live;
  const found = at === null ? samples.length - 1 : samples.findIndex(s => s.at >= at), chosen = samples[found < 0 ? samples.length - 1 : found];
  for (const name in plots) if (plots[name].show) text($("v-" + name), chosen && chosen[name] !== null ? plots[name].show(chosen[name]) : "–");
  document.querySelectorAll("[data-plot]").forEach(canvas => { if (canvas.clientWidth) drawPlot(canvas, at === null ? null : found, palette); });
}
function drawPlot(canvas, marked, palette) {
  const name = canvas.dataset.plot, ratio = Math.min(2, devicePixelRatio || 1), w = canvas.width = Math.max(1, canvas.clientWidth * ratio), h = canvas.height = Math.max(1, canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d"), top = Math.max(plots[name].least, ...samples.map(s => s[name] ?? 0)) * 1.08;
  const x = i => w - (samples.length - 1 - i) * w / (PER_S * KEPT_S - 1), y = v => h - 1.5 * ratio - v / top * (h - 4 * ratio);
  pen.strokeStyle = palette.line; pen.lineWidth = ratio;
  pen.beginPath(); pen.moveTo(0, h - ratio); pen.lineTo(w, h - ratio); pen.stroke();
  pen.strokeStyle = pen.fillStyle = palette.accent; pen.lineWidth = 1.5 * ratio;
  for (const run of runs(name)) {
    pen.beginPath(); run.forEach(i => pen.lineTo(x(i), y(samples[i][name]))); pen.globalAlpha = 1; pen.stroke();
    pen.lineTo(x(run[run.length - 1]), h); pen.lineTo(x(run[0]), h); pen.globalAlpha = 0.13; pen.fill();
  }
  pen.globalAlpha = 1; pen.fillStyle = palette.soft; pen.font = `${10 * ratio}px system-ui, sans-serif`;
  pen.fillText(`${+(top / 1.08).toFixed(top < 5 ? 1 : 0)}`, 1, 9 * ratio);
  if (marked !== null && marked >= 0) { pen.strokeStyle = palette.text; pen.lineWidth = ratio; pen.beginPath(); pen.moveTo(x(marked), 0); pen.lineTo(x(marked), h); pen.stroke(); }
}
function runs(name) {
  const out = [];
  samples.forEach((s, i) => { if (s[name] === null) return; if (i && samples[i - 1][name] !== null && out.length) out[out.length - 1].push(i); else out.push([i]); });
  return out;
}
