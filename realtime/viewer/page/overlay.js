// Draw the camera's picture with the skeleton over it: seen joints where they are seen, unseen ones where the 3D pose
// puts them, marked as what they are, within the circle that holds 95 % of their error.

import { ABSENT, HELD, OBSERVED } from "./joints.js";

const THINNEST = 0.8, THICKEST = 3.2; // times a line of one pixel

// shown: {image, frame (or null), mirror}; fits the picture into the canvas, whole
export function drawPicture(canvas, painter, hello, kinds, { image, frame, mirror }) {
  const ratio = Math.min(2, window.devicePixelRatio || 1), [w, h] = [Math.max(1, Math.round(canvas.clientWidth * ratio)), Math.max(1, Math.round(canvas.clientHeight * ratio))];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const pen = canvas.getContext("2d"), k = Math.min(w / image.width, h / image.height), [x0, y0] = [(w - k * image.width) / 2, (h - k * image.height) / 2];
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.setTransform(mirror ? -1 : 1, 0, 0, 1, mirror ? w : 0, 0);
  pen.drawImage(image, x0, y0, k * image.width, k * image.height);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  if (!frame || !hello) return;
  pen.save();
  pen.beginPath(); pen.rect(x0, y0, k * image.width, k * image.height); pen.clip();
  const scale = k * image.width / Math.max(1, frame.pose.width), place = (x, y) => [mirror ? w - x0 - x * scale : x0 + x * scale, y0 + y * scale];
  const size = Math.min(THICKEST, Math.max(THINNEST, k * image.width / 420)) * 1;
  for (const person of frame.people) drawPerson(pen, painter, hello, kinds, person, place, size, scale * pixelsPerMetre(person));
  pen.restore();
}
function drawPerson(pen, painter, hello, kinds, person, place, size, perMetre) {
  const at = i => place(person.xy[2 * i], person.xy[2 * i + 1]), hue = painter.hue(person.id);
  pen.lineCap = "round";
  hello.parents.forEach((parent, i) => {
    if (parent < 0 || person.state[i] === ABSENT || person.state[parent] === ABSENT) return;
    const hidden = person.state[i] !== OBSERVED || person.state[parent] !== OBSERVED;
    for (const [colour, width] of [["rgb(0 0 0 / .45)", 4.6], [hue[kinds.sides[i]], 3]]) {
      pen.strokeStyle = colour; pen.lineWidth = width * size * (0.4 + 0.6 * kinds.thick[i]);
      pen.setLineDash(hidden ? [4 * size, 5 * size] : []);
      pen.beginPath(); pen.moveTo(...at(i)); pen.lineTo(...at(parent)); pen.stroke();
    }
  });
  pen.setLineDash([]);
  person.state.forEach((state, i) => { if (state !== ABSENT) drawJoint(pen, painter.states[state], state, at(i), size * (0.45 + 0.55 * kinds.thick[i]), 1.96 * person.sigma[i] * perMetre); });
}
function drawJoint(pen, colour, state, [x, y], size, error) {
  if (state !== OBSERVED && error > 5 * size) {
    pen.strokeStyle = colour; pen.lineWidth = size; pen.globalAlpha = 0.8; pen.setLineDash([2.5 * size, 2.5 * size]);
    pen.beginPath(); pen.arc(x, y, error, 0, 7); pen.stroke();
    pen.globalAlpha = 1; pen.setLineDash([]);
  }
  pen.fillStyle = pen.strokeStyle = colour; pen.lineWidth = 1.8 * size;
  pen.beginPath();
  if (state === HELD) pen.rect(x - 2.8 * size, y - 2.8 * size, 5.6 * size, 5.6 * size); else pen.arc(x, y, 3.2 * size, 0, 7);
  if (state === OBSERVED) pen.fill(); else pen.stroke();
}
// How large a metre is in the picture where this person stands: the spread of the joints in both, by the ones known.
export function pixelsPerMetre({ state, xy, points }) {
  const known = [...state.keys()].filter(i => state[i] !== ABSENT);
  const spread = (values, step) => [0, 1].reduce((sum, k) => {
    const mean = known.reduce((s, i) => s + values[step * i + k], 0) / known.length;
    return sum + known.reduce((s, i) => s + (values[step * i + k] - mean) ** 2, 0);
  }, 0);
  const metres = known.length > 1 ? spread(points, 3) : 0;
  return metres > 1e-6 ? Math.sqrt(spread(xy, 2) / metres) : 0;
}
