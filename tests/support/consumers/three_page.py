"""A page of three.js that loads a glTF file, plays its animation and draws the figure at a moment."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.viewing import chromium

SIDE_PX = 400
PAGE = """<!doctype html><body style="margin:0"><script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from 'three';
import {GLTFLoader} from 'three/addons/loaders/GLTFLoader.js';
const renderer = new THREE.WebGLRenderer({preserveDrawingBuffer: true, antialias: true});
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
    camera.position.set(hips[0], 1, hips[2] + 3);
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


@contextmanager
def opened(folder: Path) -> Iterator[object]:
    """The page, with the folder's a.glb loaded; `show(seconds)` draws it."""
    (folder / "index.html").write_text(PAGE)
    shutil.copytree(three() / "build", folder / "three" / "build")
    shutil.copytree(three() / "examples" / "jsm", folder / "three" / "examples" / "jsm")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with chromium() as browser:
            page = browser.new_page(viewport={"width": SIDE_PX, "height": SIDE_PX})
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/index.html")
            page.wait_for_selector("body[data-ready], body[data-failed]", timeout=60_000)
            assert page.evaluate("document.body.dataset.failed") is None
            yield page
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
