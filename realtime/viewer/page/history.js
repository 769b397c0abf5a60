// Keep the last 30 seconds of people, upright, on their floor and ready to draw.

import { OneEuro, Jitter } from "./smoothing.js";
import { Floor, clamp, dot, floorUnder, upright } from "./space.js";
import { ABSENT, INFERRED, describe } from "./joints.js";

export const KEPT_S = 30;
const PICTURE_BYTES = 64e6;
const CAMERA_HEIGHT = 1.2; // m, where nobody has shown the floor yet

export class Scene {
  constructor() { this.hello = null; this.kinds = null; this.forget(); }
  forget() {
    this.picturesSize = 0;
    Object.assign(this, { frames: [], pictures: new Map(), floors: new Map(), stream: null, filters: new Map(), raw: new Map(), calm: new Map(), delay: 0 });
  }
  introduce(hello) {
    const changed = this.hello && (this.hello.joints.length !== hello.joints.length || this.hello.boot !== hello.boot);
    this.hello = hello;
    this.kinds = describe(hello.joints, hello.parents);
    if (changed) this.forget();
  }
  add(pose, receivedAt) {
    if (this.stream !== null && pose.stream !== this.stream) this.forget();
    this.stream = pose.stream;
    const rows = upright(pose.up), fitting = pose.people.filter(p => !this.hello || p.state.length === this.hello.joints.length);
    const frame = { pose, people: fitting.map(person => this.stand(person, pose, rows)), receivedAt, time: pose.t_capture_ns * 1e-9 };
    this.frames.push(frame);
    while (this.frames.length && frame.time - this.frames[0].time > KEPT_S) this.forgetPicture(this.frames.shift().pose.seq);
    return frame;
  }
  // A person in the room: y up, metres, the camera above the origin, feet on the floor.
  stand(person, pose, rows) {
    const n = person.state.length, root = person.root_cam || this.guess(person, pose), points = new Float32Array(3 * n), time = pose.t_capture_ns * 1e-9;
    for (let i = 0; i < n; i++) {
      const p = [person.xyz[3 * i] + root[0], person.xyz[3 * i + 1] + root[1], person.xyz[3 * i + 2] + root[2]];
      for (let k = 0; k < 3; k++) points[3 * i + k] = dot(rows[k], p);
    }
    const floor = this.floorOf(person, points);
    for (let k = 1; k < points.length; k += 3) points[k] -= floor;
    const filter = entry(this.filters, person.id, () => new OneEuro()), dt = clamp(time - filter.time, 0.005, 0.2);
    const smooth = filter.update(points, time, i => person.state[i] !== ABSENT);
    entry(this.raw, person.id, () => new Jitter()).add(points, dt);
    entry(this.calm, person.id, () => new Jitter()).add(smooth, dt);
    this.delay = filter.delay;
    const { id, status, state, sigma, xy, age_ms } = person;
    return { id, status, state, sigma, xy, age_ms, points, smooth, floor, placed: !!person.root_cam };
  }
  floorOf(person, points) {
    const floor = entry(this.floors, person.id, () => new Floor()), names = this.hello ? this.hello.joints : [];
    const low = floorUnder(names, person.state, points, INFERRED);
    return Number.isFinite(low) ? floor.add(low) : floor.level ?? -CAMERA_HEIGHT;
  }
  // Without a position: as far to the side as in the picture, 3.5 m away.
  guess(person, pose) {
    let sum = 0, n = 0;
    person.state.forEach((s, i) => { if (s !== ABSENT && Number.isFinite(person.xy[2 * i])) { sum += person.xy[2 * i]; n++; } });
    return [((n ? sum / n : 0) / Math.max(1, pose.width) - 0.5) * 3.5, 0, 3.5];
  }
  at(back) {
    if (!this.frames.length) return null;
    const time = this.frames[this.frames.length - 1].time - back;
    let low = 0, high = this.frames.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.frames[middle].time <= time + 1e-6) low = middle; else high = middle - 1; }
    return this.frames[low];
  }
  withSeq(seq) { return this.frames.findLast(f => f.pose.seq === seq) || null; }
  keepPicture(seq, blob) {
    this.pictures.set(seq, blob);
    this.picturesSize += blob.size;
    for (const old of this.pictures.keys()) { if (this.picturesSize <= PICTURE_BYTES) break; this.forgetPicture(old); }
  }
  forgetPicture(seq) { this.picturesSize -= this.pictures.get(seq)?.size ?? 0; this.pictures.delete(seq); }
  get length() { return this.frames.length ? this.frames[this.frames.length - 1].time - this.frames[0].time : 0; }
}
function entry(map, key, make) {
  if (!map.has(key)) { if (map.size > 64) map.clear(); map.set(key, make()); }
  return map.get(key);
}
