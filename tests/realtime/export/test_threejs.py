"""three.js in a browser loads the glTF, plays its animation and draws the figure: left blue, right orange."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from realtime.export.tracks import clips
from realtime.export.writers import glb
from tests.support.people import walker
from tests.support.viewing import chromium

PAGE = """<!doctype html><body style="margin:0"><script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from 'three';
import {GLTFLoader} from 'three/addons/loaders/GLTFLoader.js';
const renderer = new THREE.WebGLRenderer({preserveDrawingBuffer: true});
renderer.setSize(400, 400);
document.body.append(renderer.domElement);
const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(40, 1, 0.1, 20);
scene.background = new THREE.Color(0xffffff);
scene.add(new THREE.HemisphereLight(0xffffff, 0xffffff, 3));
new GLTFLoader().load('/a.glb', gltf => {
  scene.add(gltf.scene);
  const mixer = new THREE.AnimationMixer(gltf.scene);
  mixer.clipAction(gltf.animations[0]).play();
  window.show = seconds => {
    mixer.setTime(seconds);
    scene.updateMatrixWorld(true);
    const at = name => new THREE.Vector3().setFromMatrixPosition(scene.getObjectByName(name).matrixWorld).toArray();
    const hips = at('mixamorigHips');
    camera.position.set(hips[0], 1, hips[2] + 3.2);
    camera.lookAt(hips[0], 0.9, hips[2]);
    renderer.render(scene, camera);
    return {wrist: at('mixamorigLeftHand'), duration: gltf.animations[0].duration};
  };
  document.body.dataset.ready = '1';
}, undefined, error => { document.body.dataset.failed = error.message; });
</script>"""


def three() -> Path:
    """The folder of three.js, where Node's modules are said to lie."""
    for folder in os.environ.get("NODE_PATH", "").split(os.pathsep):
        if folder and (Path(folder) / "three" / "build").is_dir():
            return Path(folder) / "three"
    pytest.skip("three.js is not installed: npm install three, and set NODE_PATH")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.mark.browser
def test_three_js_plays_it(tmp_path):
    clip = clips(walker.HELLO, walker.walk(40))[0]
    glb.write(tmp_path / "a.glb", clip)
    (tmp_path / "index.html").write_text(PAGE)
    shutil.copytree(three() / "build", tmp_path / "three" / "build")
    shutil.copytree(three() / "examples" / "jsm", tmp_path / "three" / "examples" / "jsm")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 400, "height": 400})
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/index.html")
            page.wait_for_selector("body[data-ready], body[data-failed]", timeout=60_000)
            assert page.evaluate("document.body.dataset.failed") is None
            shown = page.evaluate("show(20 / 30)")
            picture = page.locator("canvas").screenshot(path=str(tmp_path / "shown.png"))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert shown["duration"] == pytest.approx(39 / 30, abs=1e-3)
    assert np.linalg.norm(np.array(shown["wrist"]) - clip.xyz[20, clip.joints.index("left_wrist")]) < 0.015
    assert sides_apart(picture)


def sides_apart(png: bytes) -> bool:
    """Enough blue on the viewer's right and enough orange on the left of it: the person faces the camera."""
    import cv2

    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    blue = np.argwhere(image[..., 0] - image[..., 2] > 60)
    orange = np.argwhere(image[..., 2] - image[..., 0] > 60)
    return len(blue) > 300 and len(orange) > 300 and blue[:, 1].mean() > orange[:, 1].mean() + 20
