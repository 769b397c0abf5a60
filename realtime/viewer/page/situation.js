// Say what is going on, in the viewer's words: live, late, starting, lost, slow, silent, ended.  Pure: facts in, words out.

import { remedy } from "./slow.js";

export const SILENT_MS = 500, SILENT_STALE_MS = 1500, SILENT_FILM_MS = 3000; // without any word about poses; STALE comes every 400 ms
const GONE_S = 2.5; // the server heard nothing at all for so long
const GRACE_MS = 400; // late poses are grey at once; after so long the page says why

const seconds = ms => ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : ms < 90_000 ? `${(ms / 1000).toFixed(0)} s` : `${(ms / 60_000).toFixed(0)} min`;
const ms = value => value < 9950 ? `${value.toFixed(0)} ms` : seconds(value);
const MEDIUM = { film: "film", recording: "recording" };
export const mediumOf = hello => MEDIUM[hello?.medium] || "stream";

// facts: {now, connected, server, hello, stages, pose, poseAt, okAt, advancing, paused}; times in ms of this page, null: never
export function situation(facts) {
  const { now, connected, server, hello, pose, poseAt, okAt, stages } = facts;
  if (!connected) return say("lost", "The viewer's server is gone", "The page connects again by itself; a viewer that was started anew prints a new address.", "realtime view");
  if (facts.paused) return { mood: "paused" };
  if (poseAt === null) return beforePoses(facts);
  const silence = now - poseAt, patience = pose.live === false ? SILENT_FILM_MS : pose.status === "STALE" ? SILENT_STALE_MS : SILENT_MS;
  if (silence > patience) return silent(silence, facts);
  if (!hello && pose.status === "STALE") return starting(stages);
  if (!hello) return say("joining", "Joining the stream", "Its joints and bones are told once a second.", "", true);
  if (pose.status !== "STALE") return { mood: pose.status === "NO_PERSON" ? "nobody" : "live" };
  if (okAt !== null && now - okAt < GRACE_MS) return { mood: "late" };
  return pose.seq < 0 || !pose.t_capture_ns ? starting(stages) : { ...why(facts, age(pose, silence)), mood: "stale" };
}
function say(mood, title, more = "", command = "", calm = false) { return { mood, title, more, command, calm }; }
function age(pose, since) { return (pose.t_publish_ns - pose.t_capture_ns) * 1e-6 + since; }

// Nothing about poses has come to this page yet: is nobody there, or is it only starting?
function beforePoses({ server, hello, stages, opened, now }) {
  const where = server?.connect ?? "the stream";
  if (!server || now - opened < 600) return say("waiting", "Connecting", `Listening at ${where}.`, "", true);
  if (server.silent_s > GONE_S && hello && mediumOf(hello) !== "stream") return say("ended", `The ${mediumOf(hello)} has ended`, `Nothing has come from ${where} for ${seconds(server.silent_s * 1000)}.`, "", true);
  if (server.refusal) return say("nodata", "Not let in", server.refusal, "", true);
  if (server.silent_s > GONE_S) return say("nodata", `No data for ${seconds(server.silent_s * 1000)}`, `Nothing arrives from ${where} any more: has the pipeline ended?`);
  if (stages.size || hello) return starting(stages);
  return say("waiting", "No data yet", `Nothing is published at ${where}.`, "realtime run --demo");
}
function starting(stages) {
  const lost = sourceTrouble(stages);
  if (lost) return { ...lost, mood: "stale", more: `${lost.more} No frame has been answered yet.` };
  const waited = [...stages].filter(([, r]) => r.state !== "READY").map(([name]) => name);
  return say("starting", "The pipeline is starting", waited.length ? `Not ready yet: ${waited.join(", ")}.` : "No frame has been answered yet.", "", true);
}
function silent(silence, { hello, server, stages, pose }) {
  const medium = mediumOf(hello), where = server?.connect ?? "the stream", reports = [...stages];
  if (pose.live === false) return say("ended", `The ${medium} has ended`, "The slider and the keys , and . look back.", "", true);
  const title = `No data for ${seconds(silence)}`, bad = reports.find(([, r]) => !r.old && r.state !== "READY");
  if (reports.length && reports.every(([, r]) => r.old)) return say("nodata", title, `Nothing arrives from ${where} any more: has the pipeline ended?`);
  return say("nodata", title, bad ? `${bad[0]}: ${[bad[1].state.toLowerCase(), bad[1].reason].filter(Boolean).join(", ")}` : "The stream is silent; the last pose is shown in grey.");
}
// The stream speaks, but no pose is young enough: which of its stages is the cause, how old the newest pose is, the limit.
function why(facts, old) {
  const { stages, hello, pose, advancing } = facts;
  const limit = hello.max_age_ms + (pose.look_ahead_ms ?? 0), ages = `The last frame is ${ms(old)} old, the limit is ${ms(limit)}.`;
  const source = sourceTrouble(stages), lagging = [...stages].some(([, r]) => /lagging/.test(r.reason));
  if (source) return { ...source, more: `${source.more} ${ages}` };
  if (old > limit && (advancing || (lagging && old < 3000))) return tooSlow(facts, `the newest is ${ms(old)} old, the limit is ${ms(limit)}`);
  const bad = [...stages].find(([, r]) => !r.old && r.state !== "READY");
  if (bad) return say("", "No current pose", `${bad[0]} is ${[bad[1].state.toLowerCase(), bad[1].reason].filter(Boolean).join(", ")}. ${ages}`);
  return say("", "No current pose", `The pipeline runs, but no frame is answered. ${ages}`);
}
// One cause, and what helps of what this machine's stages measured.
function tooSlow({ stages, hello, pose }, ages) {
  const { took_ms, tries } = remedy(stages, { detector: hello.detector ?? "", width: pose.width, height: pose.height, askable: mediumOf(hello) === "stream", max_age_ms: hello.max_age_ms });
  const others = tries.length > 1 ? ` Or: ${tries.slice(1).join(", ")}.` : "";
  return say("", "This machine is too slow", `It needs ${ms(took_ms)} a frame, so each pose comes too late: ${ages}.${others}`, `realtime run ${tries[0]}`);
}
function sourceTrouble(stages) {
  const sources = [...stages].filter(([name]) => /(^| )capture$/.test(name)); // of several cameras "cam0 capture", ...: the others go on
  if (!sources.length || sources.some(([, report]) => report.state === "READY")) return null;
  const [name, { reason }] = sources[0], camera = `The camera ${name.replace(/ ?capture$/, "")}`.trim();
  if (/frozen/.test(reason)) return say("", `${camera} is frozen`, "It sends the same picture again and again.");
  if (/stalled/.test(reason)) return say("", `${camera} is stalled`, "It sends no picture; it is opened anew soon.");
  if (/lost/.test(reason)) return say("", `${camera} is lost`, "It is opened again as soon as it is back.");
  return null;
}
