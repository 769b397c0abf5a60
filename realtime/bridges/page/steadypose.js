// @ts-check
// Client of `realtime bridge ws`, in one file: copy it beside your page.  Types are checked: `tsc --strict --checkJs`.
// Axes: metres, right-handed, x to the camera's right, y up by gravity, z towards the camera (three.js's own).

/**
 * Who publishes; comes before the first pose, and again when it changes.
 * @typedef {object} Hello
 * @property {"hello"} type
 * @property {number} version
 * @property {string} source
 * @property {string[]} joints names, in the order of every person's arrays
 * @property {number[]} parents index of each joint's parent; -1: the root
 * @property {string} axes
 * @property {"m"} unit
 * @property {string[]} states what the numbers in `state` mean: observed, inferred, held, absent
 * @property {string} engine
 * @property {"live" | "film" | "recording"} medium
 */

/**
 * @typedef {object} Person
 * @property {number} id stable through crossings, never used twice
 * @property {boolean} placed positions are in the room; else relative to the hips
 * @property {([number, number, number] | null)[]} xyz m; null: absent
 * @property {(number | null)[]} sigma m per coordinate: 68 % of errors lie within; null: absent
 * @property {number[]} state 0 observed, 1 inferred, 2 held, 3 absent
 */

/**
 * @typedef {object} Pose
 * @property {"pose"} type
 * @property {string} source
 * @property {number} stream another one: forget what you knew
 * @property {number} seq +1 for each frame of the camera; gaps are drops
 * @property {number} t_capture_unix_ms when the picture was taken
 * @property {"OK" | "NO_PERSON" | "STALE"} status STALE: no current pose, and nobody in it
 * @property {boolean} live false: of a film or a recording
 * @property {Person[]} people
 */

/** @typedef {{xyz: [number, number, number], sigma: number, state: number}} Joint */

/**
 * @typedef {object} Handlers
 * @property {(pose: Pose, hello: Hello) => void} pose
 * @property {(hello: Hello) => void} [hello]
 * @property {(state: "connecting" | "open" | "waiting", why: string) => void} [state]
 */

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 5000, SILENCE_MS = 2000;

/**
 * One joint by its name; null where it is absent or there is none of that name.
 * @param {Hello} hello @param {Person} person @param {string} name @returns {Joint | null}
 */
export function joint(hello, person, name) {
  const at = hello.joints.indexOf(name), xyz = person.xyz[at], sigma = person.sigma[at], state = person.state[at];
  return xyz && typeof sigma === "number" && state !== undefined ? { xyz, sigma, state } : null;
}

/**
 * Follow the poses at this address; connects again by itself.
 * @param {string | URL} address such as ws://127.0.0.1:8009/stream?token=...
 * @param {Handlers} handlers
 * @returns {{close: () => void}}
 */
export function connect(address, handlers) {
  /** @type {WebSocket | null} */ let socket = null;
  /** @type {Hello | null} */ let hello = null;
  /** @type {Pose | null} */ let last = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  let wait = FIRST_WAIT_MS, closed = false, heard = 0;

  /** @param {Pose} pose */
  function pass(pose) {
    last = pose;
    if (hello) handlers.pose(pose, hello);
  }

  function stale() {
    if (last && last.status !== "STALE") pass({ ...last, status: "STALE", people: [] });
  }

  /** @param {MessageEvent} event */
  function receive(event) {
    heard = Date.now();
    /** @type {Hello | Pose} */ const message = JSON.parse(event.data);
    if (message.type === "hello") {
      hello = message;
      handlers.hello?.(message);
    } else pass(message);
  }

  function open() {
    handlers.state?.("connecting", "");
    const one = socket = new WebSocket(address);
    one.onopen = () => { wait = FIRST_WAIT_MS; heard = Date.now(); handlers.state?.("open", ""); };
    one.onmessage = receive;
    one.onclose = (event) => {
      stale();
      if (closed) return;
      handlers.state?.("waiting", event.reason || "the bridge does not answer");
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    };
  }

  // a bridge that was stopped says nothing and closes nothing
  const watch = setInterval(() => { if (Date.now() - heard > SILENCE_MS) stale(); }, SILENCE_MS / 4);
  open();
  return { close() { closed = true; clearInterval(watch); clearTimeout(timer); socket?.close(); } };
}
