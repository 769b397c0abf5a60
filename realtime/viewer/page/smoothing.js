// Smooth points at irregular times with a One-Euro filter, as realtime/smoothing.py does.

const EURO = { minCutoff: 1.2, beta: 2.5, speedCutoff: 1.5, maxGap: 0.5 };
export class OneEuro {
  constructor(options = EURO) { this.options = options; this.time = -Infinity; this.delay = 0; this.value = null; }
  update(points, time, valid) {
    const dt = time - this.time, n = points.length / 3;
    this.time = time;
    if (!this.value || this.value.length !== points.length || !(dt > 0 && dt <= this.options.maxGap)) {
      this.value = Float64Array.from(points); this.speed = new Float64Array(points.length); this.known = Array.from({ length: n }, (_, i) => valid(i)); this.delay = 0;
      return Float32Array.from(points);
    }
    const out = Float32Array.from(points), tau = hz => 1 / (2 * Math.PI * hz), blend = hz => dt / (dt + tau(hz));
    let delays = 0, moving = 0;
    for (let i = 0; i < n; i++) {
      const on = valid(i) && this.known[i];
      this.known[i] = valid(i);
      if (!on) { for (let k = 3 * i; k < 3 * i + 3; k++) { this.value[k] = points[k]; this.speed[k] = 0; } continue; }
      const weight = blend(this.options.speedCutoff);
      let squared = 0;
      for (let k = 3 * i; k < 3 * i + 3; k++) { this.speed[k] += weight * ((points[k] - this.value[k]) / dt - this.speed[k]); squared += this.speed[k] ** 2; }
      const cutoff = this.options.minCutoff + this.options.beta * Math.sqrt(squared), gain = blend(cutoff);
      for (let k = 3 * i; k < 3 * i + 3; k++) out[k] = this.value[k] += gain * (points[k] - this.value[k]);
      delays += tau(cutoff); moving++;
    }
    this.delay = moving ? delays / moving : 0;
    return out;
  }
}
// Jitter: the RMS acceleration of points, m/s2, before or after smoothing.
export class Jitter {
  constructor() { this.past = []; this.squares = []; }
  add(points, dt) {
    this.past.push(points);
    if (this.past.length > 3) this.past.shift();
    if (this.past.length < 3 || this.past.some(p => p.length !== points.length)) return;
    const [a, b, c] = this.past;
    let sum = 0;
    for (let k = 0; k < c.length; k++) sum += ((c[k] - 2 * b[k] + a[k]) / dt ** 2) ** 2;
    this.squares.push(sum / (c.length / 3));
    if (this.squares.length > 45) this.squares.shift();
  }
  get rms() { return this.squares.length ? Math.sqrt(this.squares.reduce((a, b) => a + b) / this.squares.length) : 0; }
}
