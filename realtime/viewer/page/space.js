// From camera axes to an upright room, and from the room to the screen: vectors, the orbiting eye, the floor.

export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const scaled = (a, k) => [a[0] * k, a[1] * k, a[2] * k];
const unit = a => scaled(a, 1 / (Math.hypot(...a) || 1));
export const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

// Rows of the rotation to: x right, y up, z towards the camera.
export function upright(up) {
  const y = unit(up), seed = Math.abs(y[0]) < 0.9 ? [1, 0, 0] : [0, 0, -1];
  const x = unit([0, 1, 2].map(i => seed[i] - dot(seed, y) * y[i]));
  return [x, y, cross(x, y)];
}

const MARGIN = 0.86; // of the picture that people may fill
export const NEAREST = 1.6, FARTHEST = 40; // m from eye to target

// An orbiting eye: where it looks from, and where a point of the room lands on the screen.
export class Eye {
  constructor() { Object.assign(this, { yaw: 0.42, pitch: 0.16, distance: 3.8, target: [0, 0.9, -3.5], width: 1, height: 1, mirrored: false }); }
  frame() {
    const [sy, cy, sp, cp] = [Math.sin(this.yaw), Math.cos(this.yaw), Math.sin(this.pitch), Math.cos(this.pitch)];
    this.right = [cy, 0, -sy]; this.up = [-sy * sp, cp, -cy * sp]; this.back = [sy * cp, sp, cy * cp];
    this.place = [0, 1, 2].map(i => this.target[i] + this.distance * this.back[i]);
    this.focal = 0.5 * Math.min(this.height, this.width * 1.18) / Math.tan(0.34);
  }
  // [x, y, pixels per metre there, depth], or null behind the eye
  see(point) {
    const d = [point[0] - this.place[0], point[1] - this.place[1], point[2] - this.place[2]], depth = -dot(d, this.back);
    if (depth < 0.15) return null;
    const scale = this.focal / depth, side = this.mirrored ? -1 : 1;
    return [this.width / 2 + side * dot(d, this.right) * scale, this.height / 2 - dot(d, this.up) * scale, scale, depth];
  }
  pan(dx, dy) {
    const k = this.distance / this.focal, side = this.mirrored ? -1 : 1;
    for (let i = 0; i < 3; i++) this.target[i] += (-side * dx * this.right[i] + dy * this.up[i]) * k;
  }
  // {target, distance} from which all of these points are on the screen, whole, seen from this direction
  fit(points) {
    if (!points.length) return null;
    this.frame();
    const seen = points.map(p => [dot(p, this.right), dot(p, this.up), dot(p, this.back)]);
    const [x, y, z] = [0, 1, 2].map(i => (Math.min(...seen.map(p => p[i])) + Math.max(...seen.map(p => p[i]))) / 2);
    const [wide, high] = [MARGIN * this.width / 2 / this.focal, MARGIN * this.height / 2 / this.focal];
    const distance = Math.max(...seen.map(p => p[2] - z + Math.max(Math.abs(p[0] - x) / wide, Math.abs(p[1] - y) / high)));
    return { target: [0, 1, 2].map(i => x * this.right[i] + y * this.up[i] + z * this.back[i]), distance: clamp(distance, NEAREST, FARTHEST) };
  }
}

// Where one person's feet stand: a low percentile of the lowest point over a second.
const WINDOW = 30, LOW = 0.3, JUMP_M = 0.25;
export class Floor {
  constructor() { this.lows = []; this.level = null; }
  add(low) {
    this.lows.push(low);
    if (this.lows.length > WINDOW) this.lows.shift();
    const sorted = [...this.lows].sort((a, b) => a - b), wanted = sorted[Math.floor(sorted.length * LOW)];
    this.level = this.level === null || Math.abs(wanted - this.level) > JUMP_M ? wanted : this.level + 0.2 * (wanted - this.level);
    return this.level;
  }
}
// Height of a joint over the floor of somebody who stands, m; whose feet are unseen is stood up by knees or hips.
const STANDING = [[/heel|foot|toe/, 0.03], [/ankle/, 0.08], [/knee/, 0.5], [/hip|pelvis/, 0.93]];
// The floor under one person as this frame has it: under the feet, or as far below the lowest part that is known.
export function floorUnder(joints, state, points, known) {
  let low = Infinity, best = STANDING.length;
  joints.forEach((name, i) => {
    if (!(state[i] <= known)) return;
    low = Math.min(low, points[3 * i + 1]);
    const rank = STANDING.findIndex(([names]) => names.test(name));
    if (rank >= 0) best = Math.min(best, rank < 2 ? 1 : rank);
  });
  joints.forEach((name, i) => {
    const rank = STANDING.findIndex(([names]) => names.test(name));
    if (state[i] <= known && rank >= 0 && (rank < 2 ? 1 : rank) === best) low = Math.min(low, points[3 * i + 1] - STANDING[rank][1]);
  });
  return low;
}
