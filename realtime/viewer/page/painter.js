// Draw a frame of the room on a canvas: floor, shadows, bones, joints, the face's direction, uncertainty.

import { ABSENT, HELD, OBSERVED, facing } from "./joints.js";
import { hueOf, readColours } from "./colours.js";

const BONE_M = 0.026, JOINT_M = 0.03, HEAD_M = 0.1, BEAK_M = 0.07;
const CERTAIN = 1.25; // joint radii: a 95 % radius below this is not drawn
const FOG_FOR = 2; // people; uncertainty of more is drawn as outlines

export class Painter {
  constructor(canvas) { this.canvas = canvas; this.pen = canvas.getContext("2d", { alpha: false }); this.balls = new Map(); this.theme(); }
  theme() { this.colour = readColours(); this.states = this.colour.states; this.balls.clear(); }
  hue(id) { return hueOf(this.colour, id); }
  fit(eye) {
    const box = this.canvas.getBoundingClientRect(), ratio = Math.min(2, window.devicePixelRatio || 1);
    const [w, h] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (this.canvas.width !== w || this.canvas.height !== h) { this.canvas.width = w; this.canvas.height = h; }
    this.ratio = ratio; eye.width = w; eye.height = h; eye.frame();
  }
  // what: {hello, kinds, people (points, state, sigma, id), trails, old, sigma, camera}
  draw(eye, what) {
    this.fit(eye);
    this.eye = eye;
    this.backdrop();
    this.floor();
    if (what.camera) this.cameraMark(what.camera);
    if (!what.hello) return;
    const pen = this.pen, bodies = what.people.map(person => this.body(person));
    pen.lineCap = pen.lineJoin = "round";
    for (const body of bodies) this.shadow(body, what.hello);
    if (what.trails) for (const trail of what.trails) this.trail(trail);
    if (what.sigma && !what.old) this.uncertainty(bodies);
    const parts = bodies.flatMap(body => this.parts(body, what)).sort((a, b) => b.depth - a.depth);
    for (const part of parts) part.draw();
    for (const body of bodies) if (bodies.length > 1 || body.person.status === "OCCLUDED") this.label(body, what.old);
  }
  backdrop() {
    const { pen, eye } = this, sky = pen.createRadialGradient(eye.width / 2, eye.height * 0.55, 0, eye.width / 2, eye.height * 0.55, Math.max(eye.width, eye.height) * 0.72);
    sky.addColorStop(0, this.colour.near); sky.addColorStop(1, this.colour.far);
    pen.globalAlpha = 1; pen.setLineDash([]); pen.fillStyle = sky; pen.fillRect(0, 0, eye.width, eye.height);
  }
  body(person) {
    const seen = [];
    for (let i = 0; i < person.state.length; i++) seen.push(person.state[i] === ABSENT ? null : this.eye.see([person.points[3 * i], person.points[3 * i + 1], person.points[3 * i + 2]]));
    return { person, seen, hue: this.hue(person.id) };
  }
  line(a, b) {
    const p = this.eye.see(a), q = this.eye.see(b);
    if (!p || !q) return;
    this.pen.beginPath(); this.pen.moveTo(p[0], p[1]); this.pen.lineTo(q[0], q[1]); this.pen.stroke();
  }
  floor() {
    const { pen, eye } = this, [cx, cz] = [Math.round(eye.target[0]), Math.round(eye.target[2])], reach = eye.distance > 8 ? 9 : 5;
    pen.strokeStyle = this.colour.grid; pen.lineWidth = this.ratio;
    for (let i = -reach; i <= reach; i++) for (let j = -reach; j < reach; j++) {
      const far = Math.hypot(i, j + 0.5) / (reach + 0.4);
      if (far >= 1) continue;
      pen.globalAlpha = 0.85 * (1 - far) ** 1.3;
      this.line([cx + i, 0, cz + j], [cx + i, 0, cz + j + 1]);
      this.line([cx + j, 0, cz + i], [cx + j + 1, 0, cz + i]);
    }
    pen.globalAlpha = 1;
  }
  cameraMark(at) {
    const { pen, eye } = this, size = 0.1, corner = (x, y) => [at[0] + x * size, at[1] + y * size * 0.75, at[2] - size * 1.3];
    if (Math.hypot(at[0] - eye.place[0], at[1] - eye.place[1], at[2] - eye.place[2]) < 1.5) return;
    pen.strokeStyle = this.colour.soft; pen.lineWidth = 1.3 * this.ratio; pen.globalAlpha = 0.8;
    const corners = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
    corners.forEach((c, i) => { this.line(at, c); this.line(c, corners[(i + 1) % 4]); });
    this.line(at, [at[0], 0, at[2]]);
    pen.globalAlpha = 1;
  }
  shadow(body, hello) {
    const pen = this.pen, { points, state } = body.person;
    pen.strokeStyle = this.colour.shadow; pen.globalAlpha = 0.12;
    pen.beginPath();
    let width = 0;
    hello.parents.forEach((parent, i) => {
      if (parent < 0 || state[i] === ABSENT || state[parent] === ABSENT) return;
      const p = this.eye.see([points[3 * i], 0, points[3 * i + 2]]), q = this.eye.see([points[3 * parent], 0, points[3 * parent + 2]]);
      if (!p || !q) return;
      pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); width = Math.max(width, p[2] * 0.08);
    });
    pen.lineWidth = width; pen.stroke();
    pen.globalAlpha = 1;
  }
  trail({ id, paths }) {
    const pen = this.pen;
    pen.strokeStyle = this.hue(id).middle;
    for (const path of paths) for (let i = 1; i < path.length; i++) {
      if (!path[i - 1] || !path[i]) continue;
      pen.globalAlpha = 0.5 * (i / path.length) ** 1.5; pen.lineWidth = (1 + 2.5 * i / path.length) * this.ratio;
      this.line(path[i - 1], path[i]);
    }
    pen.globalAlpha = 1;
  }
  ball(colour) {
    if (this.balls.has(colour)) return this.balls.get(colour);
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    canvas.width = canvas.height = 128;
    const fade = pen.createRadialGradient(64, 64, 0, 64, 64, 64);
    for (const [at, alpha] of [[0, 0.55], [0.45, 0.34], [0.8, 0.1], [1, 0]]) fade.addColorStop(at, colour + Math.round(alpha * 255).toString(16).padStart(2, "0"));
    pen.fillStyle = fade; pen.fillRect(0, 0, 128, 128);
    this.balls.set(colour, canvas);
    return canvas;
  }
  // Within these radii lies 95 % of each joint's error: fog, or outlines where fog of several people would run together.
  uncertainty(bodies) {
    const clouds = bodies.map(({ person, seen }) => seen.flatMap((p, i) => {
      const radius = p ? Math.min(1.96 * person.sigma[i], 0.6) * p[2] : 0;
      return radius > CERTAIN * JOINT_M * p?.[2] ? [{ x: p[0], y: p[1], radius, colour: this.states[person.state[i]] }] : [];
    }));
    const outlines = clouds.filter(cloud => cloud.length).length > FOG_FOR, pen = this.pen;
    for (const { x, y, radius, colour } of clouds.flat()) {
      if (!outlines) { pen.drawImage(this.ball(colour), x - radius, y - radius, 2 * radius, 2 * radius); continue; }
      pen.strokeStyle = colour; pen.lineWidth = 1.2 * this.ratio; pen.globalAlpha = 0.7;
      pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.stroke();
    }
    pen.globalAlpha = 1;
  }
  // Bones by depth, each joint in front of its own bones; the head and the way it faces.
  parts({ person, seen, hue }, what) {
    const { sides, thick } = what.kinds, front = seen.map(p => p ? p[3] : 0), bones = [];
    what.hello.parents.forEach((parent, i) => {
      const p = seen[i], q = parent >= 0 ? seen[parent] : null;
      if (!p || !q) return;
      const hidden = person.state[i] !== OBSERVED || person.state[parent] !== OBSERVED, width = Math.max(1.4 * this.ratio, thick[i] * BONE_M * (p[2] + q[2])), depth = (p[3] + q[3]) / 2;
      front[i] = Math.min(front[i], depth); front[parent] = Math.min(front[parent], depth);
      bones.push({ depth, draw: () => this.bone(p, q, width, what.old ? this.colour.absent : hue[sides[i]], hidden, what.old) });
    });
    const joints = seen.flatMap((p, i) => p ? [{ depth: front[i] - 0.01, draw: () => this.joint(p, person.state[i], thick[i], what.old) }] : []);
    return [...bones, ...joints, ...this.face(person, hue, what)];
  }
  bone(p, q, width, hue, hidden, old) {
    const pen = this.pen, path = () => { pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke(); };
    pen.lineCap = "round";
    if (hidden || old) {
      pen.lineCap = "butt"; pen.setLineDash([width * 0.9, width * 0.7]); pen.lineWidth = width * 0.62; pen.strokeStyle = hue; pen.globalAlpha = old ? 0.5 : 0.9;
      path();
      pen.setLineDash([]); pen.globalAlpha = 1;
      return;
    }
    pen.strokeStyle = this.colour.near; pen.lineWidth = width + 3 * this.ratio; path();
    pen.strokeStyle = hue; pen.lineWidth = width; path();
    pen.strokeStyle = "#ffffff"; pen.globalAlpha = 0.2; pen.lineWidth = width * 0.34;
    const [nx, ny] = [-(q[1] - p[1]), q[0] - p[0]], k = width * 0.17 / (Math.hypot(nx, ny) || 1), sign = ny > 0 ? -1 : 1;
    pen.beginPath(); pen.moveTo(p[0] + sign * nx * k, p[1] + sign * ny * k); pen.lineTo(q[0] + sign * nx * k, q[1] + sign * ny * k); pen.stroke();
    pen.globalAlpha = 1;
  }
  joint(p, state, thick, old) {
    const pen = this.pen, r = Math.max((thick < 0.6 ? 2.2 : 4) * this.ratio, thick * JOINT_M * p[2]), colour = old ? this.colour.absent : this.states[state];
    pen.globalAlpha = old ? 0.6 : 1; pen.strokeStyle = colour; pen.fillStyle = state === OBSERVED ? colour : this.colour.near;
    pen.beginPath();
    if (state === HELD) pen.rect(p[0] - r * 0.85, p[1] - r * 0.85, 1.7 * r, 1.7 * r); else pen.arc(p[0], p[1], r, 0, 7);
    if (state === OBSERVED) { pen.strokeStyle = this.colour.near; pen.lineWidth = Math.min(2.5, r * 0.5) * this.ratio; pen.stroke(); pen.fill(); } else { pen.fill(); pen.lineWidth = r * 0.62; pen.stroke(); }
    pen.globalAlpha = 1;
  }
  // A head as wide as one, and a beak from it through the nose: where the person faces.
  face(person, hue, { kinds, old }) {
    const face = facing(kinds, person.points, person.state);
    if (!face) return [];
    const tip = face.nose.map((v, k) => v + BEAK_M * face.way[k]), round = this.eye.see(face.centre), from = this.eye.see(face.nose), to = this.eye.see(tip);
    if (!round || !from || !to) return [];
    const faint = old || face.from.some(i => person.state[i] !== OBSERVED), colour = old ? this.colour.absent : hue.middle;
    return [{ depth: round[3], draw: () => this.headDisc(round, colour, faint) }, { depth: (from[3] + to[3]) / 2 - 0.02, draw: () => this.beak(from, to, colour, faint) }];
  }
  headDisc(at, colour, faint) {
    const pen = this.pen;
    pen.fillStyle = colour; pen.globalAlpha = faint ? 0.14 : 0.26;
    pen.beginPath(); pen.arc(at[0], at[1], HEAD_M * at[2], 0, 7); pen.fill();
    pen.globalAlpha = 1;
  }
  beak(from, to, colour, faint) {
    const pen = this.pen, wide = 0.03 * from[2], [dx, dy] = [to[0] - from[0], to[1] - from[1]], length = Math.hypot(dx, dy);
    pen.fillStyle = colour; pen.strokeStyle = this.colour.near; pen.lineWidth = 1.5 * this.ratio; pen.globalAlpha = faint ? 0.5 : 1;
    pen.beginPath();
    if (length > wide) { pen.moveTo(to[0], to[1]); pen.lineTo(from[0] - dy / length * wide, from[1] + dx / length * wide); pen.lineTo(from[0] + dy / length * wide, from[1] - dx / length * wide); pen.closePath(); }
    else pen.arc(to[0], to[1], wide * 0.8, 0, 7);
    pen.stroke(); pen.fill();
    pen.globalAlpha = 1;
  }
  label({ person, seen, hue }, old) {
    const tops = seen.filter(Boolean).sort((a, b) => a[1] - b[1])[0];
    if (!tops) return;
    const pen = this.pen, text = person.id + (person.status === "OCCLUDED" ? " · occluded" : ""), y = tops[1] - 0.12 * tops[2] - 8 * this.ratio;
    pen.font = `600 ${12.5 * this.ratio}px system-ui, "Liberation Sans", sans-serif`; pen.textAlign = "center"; pen.textBaseline = "middle";
    const width = pen.measureText(text).width + 14 * this.ratio, height = 20 * this.ratio;
    pen.fillStyle = old ? this.colour.absent : hue.middle; pen.beginPath(); pen.roundRect(tops[0] - width / 2, y - height / 2, width, height, height / 2); pen.fill();
    pen.fillStyle = this.colour.panel; pen.fillText(text, tops[0], y + this.ratio);
  }
}
