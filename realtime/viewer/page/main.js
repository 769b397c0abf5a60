// Bring messages, drawing and buttons together: one drawing per screen refresh at most, only when something changed.

import { $, text } from "./elements.js";
import { ABSENT } from "./joints.js";
import { Eye, clamp } from "./space.js";
import { Scene } from "./history.js";
import { Pulse, speedText } from "./pulse.js";
import { Painter } from "./painter.js";
import { drawPicture } from "./overlay.js";
import { Link } from "./link.js";
import { addSample, showPlots } from "./plots.js";
import { banner, showCounts, showPeople, showSides, showStages, showStream } from "./panel.js";
import { mediumOf, situation } from "./situation.js";
import { composed, download, shownBanner } from "./snapshot.js";
import { listen } from "./controls.js";

const scene = new Scene(), eye = new Eye(), painter = new Painter($("scene")), pulse = new Pulse(), stages = new Map();
const options = { follow: true, sigma: true, trail: false, smooth: false, mirror: false, video: false, large: false };
const state = {
  connected: false, server: null, opened: performance.now(), pose: null, poseAt: null, okAt: null, advancedAt: -Infinity, malformed: 0,
  drops: 0, lastDrops: null, sampledDrops: 0, paused: false, back: 0, followed: null, zoom: 1, snap: true, dirty: true, asked: false,
  picture: null, waiting: null, pictureAt: null, ages: [], drawn: null, turning: null, noteTimer: 0, wasRecording: false, toldError: "", moodAt: "",
};
const OLD = new Set(["late", "nodata", "lost", "waiting", "stale", "starting", "joining", "ended"]);
const EMPTY = new Set(["nodata", "lost", "waiting", "starting", "ended", "stale"]); // nothing of now to count
const WAIT_FOR_POSE_MS = 300, NO_PICTURE_MS = 2500, FAST_MS = 150; // an older pose, still current on a slow machine, is marked

// what comes in
const link = new Link({
  open() { state.connected = true; state.opened = performance.now(); askForPictures(); touch(); },
  close() { state.connected = false; touch(); },
  malformed() { state.malformed++; },
  server(told) { const first = !state.server; state.server = told; if (first) setup(told); showServer(told); if (state.poseAt === null) touch(); },
  message({ topic, source, body }) {
    if (topic === "pose3d") takePose(body);
    else if (topic === "picture") takePicture(body);
    else if (topic === "hello") introduce(body);
    else if (topic === "health") { stages.set(body.stage, { ...body, source, at: performance.now(), old: false }); showStages(stages); }
  },
});
// Before it is known whom to follow, where several publish at one address, the others' stages were heard too.
function introduce(hello) {
  scene.introduce(hello);
  for (const [name, report] of stages) if (report.source !== hello.source) stages.delete(name);
  showStream(hello, state.server, state.pose); showStages(stages); entitle(); touch();
}
function takePose(pose) {
  const now = performance.now();
  if (pose.source !== state.pose?.source) state.lastDrops = null; // each source counts its own
  if (state.lastDrops !== null && pose.dropped >= state.lastDrops) state.drops += pose.dropped - state.lastDrops;
  state.lastDrops = pose.dropped;
  if (pose.status === "STALE" && state.pose?.status === "STALE" && pose.seq > state.pose.seq) state.advancedAt = now;
  state.pose = pose; state.poseAt = now;
  if (pose.status !== "STALE") {
    state.okAt = now;
    pulse.add(now, pose.t_capture_ns * 1e-6, pose.stream);
    const before = scene.frames[scene.frames.length - 1];
    const frame = scene.add(pose, now);
    if (state.paused && before) state.back += Math.max(0, frame.time - before.time);
  }
  if (state.waiting && pose.seq >= state.waiting.seq) showWaiting();
  touch();
}
// A picture waits for the pose of its frame, so that the skeleton over it is its own.
async function takePicture(body) {
  const blob = new Blob([body.jpeg], { type: "image/jpeg" });
  state.pictureAt = performance.now();
  scene.keepPicture(body.seq, blob);
  if (state.paused) return;
  state.waiting = { blob, seq: body.seq, at: performance.now() };
  if (scene.withSeq(body.seq) || state.pose?.status === "STALE") await showWaiting();
}
async function showWaiting() {
  const { blob, seq } = state.waiting;
  state.waiting = null;
  await showPicture(blob, seq);
}
async function showPicture(blob, seq) {
  const image = await createImageBitmap(blob);
  if (state.picture) state.picture.image.close();
  state.picture = { image, seq };
  if (!options.large) $("picture").style.aspectRatio = `${image.width} / ${image.height}`;
  touch();
}
// As many pixels as are shown: the server's work grows with them.
function askForPictures() { link.send({ video: options.video ? Math.ceil($("picture").clientWidth * Math.min(2, devicePixelRatio || 1)) : 0 }); }
function setup(told) {
  options.mirror = told.mirror; options.video = told.video;
  document.querySelectorAll("[data-toggle=video], [data-toggle=large]").forEach(b => b.hidden = !told.video);
  $("record").disabled = !told.may_record;
  $("record").title = told.may_record ? "Record the stream (R)" : "To record from here, name a folder when starting the viewer: --record-dir DIR";
  showToggles(); arrange();
}
function showServer(told) {
  const recording = told.recording, on = !!recording?.running, button = $("record");
  button.dataset.on = String(on);
  text(button.lastChild, on ? `${(recording.bytes / 1e6).toFixed(1)} MB` : "Record");
  if (recording && on && !state.wasRecording) note(`recording to ${recording.file}`);
  else if (recording && !on && recording.error && recording.error !== state.toldError) note(state.toldError = recording.error);
  else if (recording && !on && state.wasRecording) note(`saved ${recording.file}` + (recording.lost ? `, ${recording.lost} messages lost` : ""));
  if (recording) button.title = on ? `Stop recording to ${recording.file} (R)` : `Record the stream (R); the last one: ${recording.file}`;
  state.wasRecording = on;
}
function note(message) { text($("note"), message); $("note").hidden = false; clearTimeout(state.noteTimer); state.noteTimer = setTimeout(() => { state.noteTimer = 0; touch(); }, 8000); }

// one drawing
function touch() { state.dirty = true; if (!state.asked) { state.asked = true; requestAnimationFrame(paint); } }
function current() { return state.paused ? scene.at(state.back) : scene.frames[scene.frames.length - 1] || null; }
function now() { return situation({ ...state, now: performance.now(), hello: scene.hello, stages, advancing: performance.now() - state.advancedAt < 1500 }); }
function paint() {
  state.asked = false;
  if (!state.dirty) return;
  state.dirty = false;
  const situation = now(), frame = current(), old = OLD.has(situation.mood), shown = EMPTY.has(situation.mood) ? null : frame;
  const people = frame ? frame.people.map(p => ({ ...p, points: options.smooth ? p.smooth : p.points })) : [];
  painter.fit(eye);
  if (options.follow) follow(people);
  eye.mirrored = options.mirror;
  const placed = people.filter(p => p.placed);
  painter.draw(eye, {
    hello: scene.hello, kinds: scene.kinds, people, old, sigma: options.sigma, trails: options.trail ? trails(frame) : null,
    camera: placed.length ? [0, -placed.reduce((sum, p) => sum + p.floor, 0) / placed.length, 0] : null,
  });
  paintPicture(frame, old);
  document.body.dataset.state = situation.mood;
  if (frame && !old) measure(frame);
  showMood(situation, frame);
  const counts = showCounts(shown);
  text($("v-hidden"), shown ? String(counts[1] + counts[2] + counts[3]) : "–"); // of the frame that is drawn, not of the plot's sample
  showPeople(shown, scene.kinds, scene.hello, painter, options.follow ? state.followed : null, pick);
  if (people.length) showSides(painter.hue(people[0].id));
  if (state.paused) drawPlots();
  if (link.received - link.acknowledged >= 4) link.acknowledge();
}
function measure(frame) {
  document.body.dataset.frame = frame.pose.seq;
  if (state.drawn === frame || state.paused) return;
  state.drawn = frame;
  if (frame.pose.live === false) return; // a film's frame was captured long ago: there is no latency to tell
  const clock = link.now(), same = state.server?.same_clock && clock !== null, published = (frame.pose.t_publish_ns - frame.pose.t_capture_ns) * 1e-6;
  frame.age = same ? Math.max(published, clock - frame.pose.t_capture_ns * 1e-6) : published + performance.now() - frame.receivedAt;
  state.ages.push(frame.age);
  if (same) document.body.dataset.publishToDrawn = (clock - frame.pose.t_publish_ns * 1e-6).toFixed(1);
}
// Whoever is followed stays in view, whole: feet, head and hands.  Out at once, in slowly.
function follow(people) {
  const chosen = people.filter(p => state.followed === null || p.id === state.followed);
  if (!chosen.length) { if (people.length) state.followed = null; return; }
  const wanted = eye.fit(chosen.flatMap(outline));
  if (!wanted) return;
  const distance = wanted.distance * state.zoom, far = Math.hypot(...wanted.target.map((v, i) => v - eye.target[i])) > 2.5, snap = state.snap || far;
  for (let i = 0; i < 3; i++) eye.target[i] += (snap ? 1 : 0.15) * (wanted.target[i] - eye.target[i]);
  const tooNear = distance > eye.distance;
  eye.distance += (snap ? 1 : tooNear ? 0.3 : eye.distance > 1.25 * distance ? 0.05 : 0) * (distance - eye.distance);
  state.snap = false;
  eye.frame();
}
function outline(person) {
  const out = [];
  person.state.forEach((s, i) => { if (s !== ABSENT) out.push([person.points[3 * i], person.points[3 * i + 1], person.points[3 * i + 2]]); });
  if (out.length) { out.push([out[0][0], 0, out[0][2]]); const top = out.reduce((a, b) => b[1] > a[1] ? b : a); out.push([top[0], top[1] + 0.22, top[2]]); }
  return out;
}
function fitEverybody() { Object.assign(state, { followed: null, zoom: 1, snap: true }); options.follow = true; showToggles(); touch(); }
function pick(id) { state.followed = state.followed === id ? null : id; state.snap = false; state.zoom = 1; options.follow = true; showToggles(); touch(); }
function trails(frame) {
  if (!frame || !scene.kinds) return [];
  const end = scene.frames.indexOf(frame), past = scene.frames.slice(Math.max(0, end - 60), end + 1).filter(f => frame.time - f.time < 2);
  return frame.people.map(person => ({ id: person.id, paths: scene.kinds.tips.flatMap((tip, i) => tip ? [past.map(f => pointOf(f, person.id, i))] : []) }));
}
function pointOf(frame, id, i) {
  const p = frame.people.find(q => q.id === id);
  if (!p || p.state[i] === ABSENT) return null;
  const points = options.smooth ? p.smooth : p.points;
  return [points[3 * i], points[3 * i + 1], points[3 * i + 2]];
}
function paintPicture(frame, old) {
  if (!options.video) return;
  const missing = !state.picture && performance.now() - state.opened > NO_PICTURE_MS;
  $("nopicture").hidden = !missing;
  if (missing) text($("nopicture"), mediumOf(scene.hello) === "recording" ? "A recording holds no pictures." : "No picture comes with this stream.");
  if (!state.picture) return;
  const { image, seq } = state.picture, own = state.paused ? frame : scene.withSeq(seq);
  drawPicture($("picture"), painter, scene.hello, scene.kinds, { image, frame: old ? null : own, mirror: options.mirror });
  $("picture").dataset.skeleton = String(!old && !!own?.people.length);
}
function showMood(situation, frame) {
  const pill = $("pill"), tell = (mood, words) => { pill.dataset.mood = mood; text(pill, words); }, medium = mediumOf(scene.hello);
  banner(situation);
  const words = pillOf(situation, frame, medium);
  tell(...words);
  if (!state.noteTimer) { $("note").hidden = situation.mood !== "nobody"; if (situation.mood === "nobody") text($("note"), "nobody in view"); }
  $("scrub").value = scene.length ? 1 - Math.min(1, state.back / Math.max(1, scene.length)) : 1;
  const newest = medium === "stream" ? "live" : "now";
  text($("when"), state.paused ? `−${state.back.toFixed(1)} s` : ["live", "late", "nobody"].includes(situation.mood) ? newest : "–");
  text($("pause"), !state.paused ? "Pause" : medium === "stream" ? "Live" : "Go on");
}
function pillOf({ mood, title }, frame, medium) {
  const speed = speedText(pulse.speed), age = frame?.age ?? 0, limit = (scene.hello?.max_age_ms ?? 150) + (scene.hello?.look_ahead_ms ?? 0);
  if (mood === "paused") return ["late", `paused, ${state.back.toFixed(1)} s ago`];
  if (mood === "late") return ["late", "late: too old to show"];
  if (mood === "ended") return ["late", `${medium} · ended`];
  if (mood === "starting" || mood === "joining") return ["late", mood];
  if (mood !== "live" && mood !== "nobody") return ["bad", title.toLowerCase()];
  if (state.pose?.live === false) return ["good", [medium === "stream" ? "film" : medium, speed].filter(Boolean).join(" · ")];
  if (age > limit) return ["late", `late: ${age.toFixed(0)} ms`];
  if (age > FAST_MS) return ["late", `live · ${pulse.rate(performance.now()).toFixed(0)} Hz · ${age.toFixed(0)} ms old`];
  return ["good", `live · ${pulse.rate(performance.now()).toFixed(0)} Hz · ${age.toFixed(0)} ms`];
}

// four times a second: plots, silence, pictures whose pose never came
setInterval(() => {
  const situation = now(), at = performance.now(), dead = EMPTY.has(situation.mood), sorted = state.ages.splice(0).sort((a, b) => a - b), newest = scene.frames[scene.frames.length - 1];
  const hidden = dead || !newest ? null : newest.people.reduce((n, p) => n + p.state.filter(s => s > 0).length, 0);
  addSample({ at, latency: sorted.length ? sorted[sorted.length >> 1] : null, speed: dead || state.pose?.live !== false ? null : pulse.speed, rate: dead ? null : pulse.rate(at), drops: dead ? null : (state.drops - state.sampledDrops) * 4, hidden });
  state.sampledDrops = state.drops;
  drawPlots();
  for (const report of stages.values()) report.old = at - report.at > 3000;
  if ([...stages.values()].some(r => r.old)) showStages(stages);
  if (state.waiting && at - state.waiting.at > WAIT_FOR_POSE_MS) showWaiting();
  showPrice(current());
  if (situation.mood !== "live" || options.video) touch();
  link.acknowledge();
}, 250);
setInterval(() => { if (now().mood !== document.body.dataset.state) touch(); }, 50);
function drawPlots() {
  const frame = state.paused ? current() : null, style = getComputedStyle(document.documentElement);
  showPlots(frame ? frame.receivedAt : null, state.pose?.live !== false, { line: style.getPropertyValue("--line"), accent: style.getPropertyValue("--accent"), soft: style.getPropertyValue("--soft"), text: style.getPropertyValue("--text") });
}
function showPrice(frame) {
  const id = frame?.people[0]?.id, raw = scene.raw.get(id), calm = scene.calm.get(id);
  $("price").hidden = !options.smooth || !raw;
  if (raw) text($("price"), `Smoothing adds ${(1000 * scene.delay).toFixed(0)} ms of delay; jitter ${raw.rms.toFixed(1)} → ${calm.rms.toFixed(1)} m/s² (RMS acceleration).`);
}

// what the user may do
function showToggles() {
  document.querySelectorAll("[data-toggle]").forEach(b => b.setAttribute("aria-pressed", String(options[b.dataset.toggle])));
  $("video").hidden = !(options.video && state.server?.video);
}
// Which of the two is large: the room, or the camera's picture with the skeleton over it.
function arrange() {
  const large = options.large && options.video && !!state.server?.video, [big, small] = large ? [$("picture"), $("scene")] : [$("scene"), $("picture")];
  if (big.parentElement !== $("stage")) { $("stage").prepend(big); $("inset").prepend(small); }
  document.body.dataset.large = large ? "picture" : "scene";
  $("picture").style.aspectRatio = !large && state.picture ? `${state.picture.image.width} / ${state.picture.image.height}` : "";
  if (large) $("video").append($("key")); else $("stage").after($("key")); // the legend covers no picture
  entitle(); askForPictures(); touch();
}
function entitle() {
  const cameras = (scene.hello?.sources || []).filter(name => name !== "fused");
  text($("inset-title"), document.body.dataset.large === "picture" ? "3D" : cameras.length > 1 ? `Camera ${cameras[0]}, the first of ${cameras.length}` : "Camera");
}
function toggle(name) {
  if ((name === "video" || name === "large") && !state.server?.video) return;
  options[name] = !options[name];
  if (name === "large" && options.large) options.video = true;
  if (name === "follow") { state.zoom = 1; state.snap = false; }
  showToggles(); touch();
  if (name === "video" || name === "large") arrange();
}
function pause(on, back = 0) {
  state.paused = on && scene.frames.length > 0; state.back = state.paused ? clamp(back, 0, scene.length) : 0;
  const frame = current(), blob = state.paused && frame ? scene.pictures.get(frame.pose.seq) : null;
  if (blob) showPicture(blob, frame.pose.seq);
  touch();
}
function step(frames) {
  const frame = current(), i = scene.frames.indexOf(frame) + frames, last = scene.frames[scene.frames.length - 1];
  if (frame && scene.frames[i]) pause(true, last.time - scene.frames[i].time);
}
function record() { if (state.server?.may_record) link.send({ record: !state.server.recording?.running }); }
function theme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  painter.theme(); touch();
}
function screenshot() {
  const frame = current(), large = document.body.dataset.large === "picture", [big, small] = large ? [$("picture"), $("scene")] : [$("scene"), options.video && state.picture ? $("picture") : null];
  const stamp = frame && frame.pose.live !== false ? new Date(frame.pose.t_capture_unix_ns * 1e-6) : new Date(), when = `${stamp.toLocaleDateString("sv")} ${stamp.toLocaleTimeString("sv")}`;
  const what = [$("pill").textContent, frame ? `${scene.hello?.source ?? ""} frame ${frame.pose.seq}` : ""].filter(Boolean).join("   ·   ");
  const counts = showCounts(EMPTY.has(now().mood) ? null : frame), hue = painter.hue(frame?.people[0]?.id ?? 0);
  download(composed(big, small, painter, { when, what, counts, message: shownBanner(), hue }), `steadypose-${when.replaceAll(":", "").replace(" ", "-")}-${frame?.pose.seq ?? 0}.png`);
}
listen({ eye, painter, options, state, scene, touch, toggle, turned: () => { state.turning = null; }, showToggles, fitEverybody, pause, step, record, theme, screenshot, askForPictures });
window.steadypose = { scene, eye, painter, options, state, stages, current }; // for whoever looks in from the console
showToggles(); showStages(stages); touch();
