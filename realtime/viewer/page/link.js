// Keep the line to the server: connect again for ever, keep the clocks together, acknowledge what came.

import { readMessage } from "./wire.js";

export class Link {
  constructor(on) { this.on = on; this.samples = []; this.offset = null; this.wait = 250; this.open(); setInterval(() => this.ping(), 2000); }
  open() {
    this.received = this.acknowledged = 0;
    this.socket = new WebSocket(location.protocol.replace("http", "ws") + "//" + location.host + "/stream");
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => { this.wait = 250; this.samples = []; this.offset = null; for (const after of [0, 150, 400, 800]) setTimeout(() => this.ping(), after); this.on.open(); };
    this.socket.onclose = () => { this.on.close(); setTimeout(() => this.open(), this.wait); this.wait = Math.min(2000, this.wait * 1.5); };
    this.socket.onmessage = event => this.take(event.data);
  }
  take(data) {
    if (typeof data === "string") return this.told(JSON.parse(data));
    this.received++;
    try { this.on.message(readMessage(data)); } catch (error) { if (!(error instanceof RangeError || error instanceof TypeError)) throw error; this.on.malformed(); }
  }
  told(plain) {
    if (plain.server) return this.on.server(plain.server);
    if (plain.pong === undefined) return;
    const now = performance.now(), trip = now - plain.pong;
    this.samples.push({ trip, offset: plain.now_ns * 1e-6 - (now + plain.pong) / 2 });
    if (this.samples.length > 8) this.samples.shift();
    this.offset = this.samples.reduce((best, s) => s.trip < best.trip ? s : best).offset;
  }
  // This moment on the server's monotonic clock, in ms; null until the first answer.
  now() { return this.offset === null ? null : performance.now() + this.offset; }
  acknowledge() { if (this.received > this.acknowledged) this.send({ ack: this.acknowledged = this.received }); }
  ping() { this.send({ ping: performance.now() }); }
  send(wish) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(wish)); }
}
