// Turn keys, buttons and pointers into what the page can do.

import { $ } from "./elements.js";
import { NEAREST, FARTHEST, clamp } from "./space.js";

const VIEWS = { front: [0, 0.06], side: [Math.PI / 2, 0.06], top: [0, 1.53] };

export function listen(page) {
  const { eye, painter, options, state, scene, touch } = page;
  function turnTo(name) {
    const [yaw, pitch] = VIEWS[name], from = [eye.yaw, eye.pitch], began = performance.now(), length = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : 260;
    const near = yaw + Math.round((eye.yaw - yaw) / (2 * Math.PI)) * 2 * Math.PI, turn = state.turning = {};
    (function step() {
      if (state.turning !== turn) return;
      const t = clamp((performance.now() - began) / length, 0, 1), k = t * t * (3 - 2 * t);
      eye.yaw = from[0] + k * (near - from[0]); eye.pitch = from[1] + k * (pitch - from[1]);
      touch();
      if (t < 1) requestAnimationFrame(step);
    })();
  }
  function orbit(dx, dy) { page.turned(); eye.yaw -= (eye.mirrored ? -1 : 1) * dx * 0.006; eye.pitch = clamp(eye.pitch + dy * 0.006, -0.1, 1.55); touch(); }
  function zoom(k) {
    const before = eye.distance;
    eye.distance = clamp(eye.distance * k, NEAREST / 2, FARTHEST);
    state.zoom = clamp(state.zoom * eye.distance / before, 0.2, 8);
    touch();
  }
  function pan(dx, dy) { options.follow = false; page.showToggles(); eye.pan(dx * painter.ratio, dy * painter.ratio); touch(); }
  const keys = {
    1: () => turnTo("front"), 2: () => turnTo("side"), 3: () => turnTo("top"), a: page.fitEverybody,
    f: () => page.toggle("follow"), u: () => page.toggle("sigma"), t: () => page.toggle("trail"), s: () => page.toggle("smooth"), m: () => page.toggle("mirror"), v: () => page.toggle("video"), b: () => page.toggle("large"),
    " ": () => page.pause(!state.paused), l: () => page.pause(false), ",": () => page.step(-1), ".": () => page.step(1), r: page.record, p: page.screenshot, d: page.theme, "?": () => $("keys").showModal(),
    "+": () => zoom(0.9), "-": () => zoom(1.1), ArrowLeft: () => orbit(-30, 0), ArrowRight: () => orbit(30, 0), ArrowUp: () => orbit(0, -30), ArrowDown: () => orbit(0, 30),
  };
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open || (event.target === $("scrub") && event.key.startsWith("Arrow"))) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });
  document.querySelectorAll("[data-toggle]").forEach(b => b.onclick = () => page.toggle(b.dataset.toggle));
  document.querySelectorAll("[data-view]").forEach(b => b.onclick = () => turnTo(b.dataset.view));
  $("fit").onclick = page.fitEverybody;
  $("pause").onclick = () => page.pause(!state.paused);
  $("record").onclick = page.record; $("shot").onclick = page.screenshot; $("help").onclick = () => $("keys").showModal();
  $("scrub").oninput = () => page.pause(true, (1 - $("scrub").value) * scene.length);
  $("picture").onclick = () => page.toggle("large");
  pointers(orbit, pan, zoom);
  addEventListener("resize", () => { touch(); page.askForPictures(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { painter.theme(); touch(); });
}
function pointers(orbit, pan, zoom) {
  const canvas = $("scene"), fingers = new Map();
  canvas.addEventListener("pointerdown", event => { fingers.set(event.pointerId, [event.clientX, event.clientY]); event.target.setPointerCapture(event.pointerId); });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, event => fingers.delete(event.pointerId));
  canvas.addEventListener("pointermove", event => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]], other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) { zoom(Math.hypot(last[0] - other[0], last[1] - other[1]) / Math.max(1, Math.hypot(event.clientX - other[0], event.clientY - other[1]))); pan(dx / 2, dy / 2); }
    else if (event.buttons & 2 || event.shiftKey) pan(dx, dy);
    else orbit(dx, dy);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  canvas.addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(clamp(event.deltaY, -200, 200) * 0.0012)); }, { passive: false });
  canvas.addEventListener("contextmenu", event => event.preventDefault());
}
