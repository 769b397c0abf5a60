// What helps a machine that is too slow, computed from what its stages measured; as realtime/supervise/slow_machine.py says it.

const WORK = ["detect", "occlude", "lift"], COSTS = { heavy: 2.5, full: 1, lite: 0.7 }; // of the detector's models beside full, dearest first
const SMALL = [424, 240], AGE_STEP_MS = 50, AGE_MARGIN = 1.25;

// stages: name -> health; source: {detector, width, height, askable, max_age_ms} -> {took_ms, tries: arguments of realtime run}
export function remedy(stages, { detector, width, height, askable, max_age_ms }) {
  const named = new Map([...stages].map(([name, report]) => [name.split(" ").at(-1), report])); // of several cameras the last one
  const sum = key => WORK.reduce((total, name) => total + (named.get(name)?.[key] ?? 0), 0), took = sum("p50_ms");
  const camera = named.get("capture")?.rate_hz, budget = camera ? 1000 / camera : 0;
  const [model, left] = cheaper(detector, took, named.get("detect")?.p50_ms ?? 0, budget), words = model ? [`--model ${model}`] : [];
  if (left > budget && askable && width * height > SMALL[0] * SMALL[1]) words.push(`--size ${SMALL.join("x")}`);
  const slowest = named.get("publish")?.p99_ms || sum("p99_ms"), age = Math.ceil(AGE_MARGIN * slowest / AGE_STEP_MS) * AGE_STEP_MS;
  const tries = [...(words.length ? [words.join(" ")] : []), ...(age > max_age_ms ? [`--max-age ${age}`] : [])];
  return { took_ms: took, tries: tries.length ? tries : [`--fps ${Math.max(1, Math.floor(1000 / Math.max(took, 1)))}`] };
}
// The dearest model below the one in use with which a frame should fit, else the cheapest; what it then takes, ms.
function cheaper(detector, took, detect, budget) {
  const names = Object.keys(COSTS), used = names.find(name => detector.includes(name)) ?? names.at(-1);
  let model = "", left = took;
  for (const name of names.slice(names.indexOf(used) + 1)) {
    [model, left] = [name, took - detect * (1 - COSTS[name] / COSTS[used])];
    if (left <= budget) break;
  }
  return [model, left];
}
