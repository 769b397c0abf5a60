// How a stream goes by: poses a second, and media time a second for what is no camera.

const WINDOW_MS = 2000;

export class Pulse {
  constructor() { this.arrivals = []; }
  // now: ms of this page; mediaMs: the frame's capture time
  add(now, mediaMs, stream) {
    const last = this.arrivals[this.arrivals.length - 1];
    if (last && (last.stream !== stream || mediaMs < last.mediaMs)) this.arrivals = [];
    this.arrivals.push({ now, mediaMs, stream });
    this.forget(now);
  }
  forget(now) { while (this.arrivals.length && this.arrivals[0].now < now - WINDOW_MS) this.arrivals.shift(); }
  rate(now) {
    this.forget(now);
    const n = this.arrivals.length;
    return n < 2 ? n / 2 : n * 1000 / Math.max(500, now - this.arrivals[0].now);
  }
  // 1: as fast as it was filmed; null until it can be told
  get speed() {
    const first = this.arrivals[0], last = this.arrivals[this.arrivals.length - 1];
    return first && last.now - first.now > 300 ? (last.mediaMs - first.mediaMs) / (last.now - first.now) : null;
  }
}
export const speedText = speed => speed === null ? "" : speed < 0.095 ? `${speed.toFixed(2)}x` : `${speed.toFixed(1)}x`;
