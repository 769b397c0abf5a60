"""What the page shows beside the bones: films as films, unseen joints by name, people whole, the large picture."""

import re
from dataclasses import replace

import numpy as np
import pytest

from realtime.wire.messages import HELD, INFERRED
from tests.support.people import walker as fake
from tests.support.publisher import FakePipeline, one_walker
from tests.support.viewing import (
    HELD_PURPLE,
    INFERRED_ORANGE,
    OBSERVED_BLUE,
    PERSON_1,
    PERSON_1_LEFT,
    SECOND,
    count,
    hidden_arm,
    middle,
    pixels,
    serving,
    state,
    until,
    wait,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


RECORDING = replace(fake.HELLO, medium="recording")
PLAYED = [("recording", 1.0, "recording · 1.0x"), ("film", 0.2, "film · 0.2x")]


@pytest.mark.parametrize(
    ("medium", "speed", "pill"), [("recording", 1.0, "recording · 1.0x"), ("film", 0.2, "film · 0.2x")]
)
def test_a_recording_and_a_film_are_no_live_stream_and_have_a_speed_in_place_of_a_latency(look, medium, speed, pill):
    """They were `live · 2 ms`."""
    hello = replace(fake.HELLO, medium=medium)
    with FakePipeline(speed=speed, hello=hello) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        until(page, f"document.getElementById('pill').innerText === '{pill}'")
        assert page.locator("#plot-latency").is_hidden() and page.locator("#plot-speed").is_visible()
        assert medium in page.locator("#facts").inner_text()
        pipeline.muted = True
        state(page, "ended")
        assert page.locator("#banner b").inner_text() == f"The {medium} has ended" and page.errors == []


def test_the_persons_card_names_unseen_joints_and_the_legend_counts_the_frame_that_is_drawn(look):
    """Legend and cards told of the newest frame while a paused page drew an old one."""
    with FakePipeline(hidden_arm) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 10)
        page.keyboard.press("Space")
        state(page, "paused")
        pipeline.script = one_walker
        page.wait_for_timeout(1500)
        page.evaluate("steadypose.state.dirty = true")
        page.keyboard.press(",")
        card = page.locator("#people button").inner_text().split("\n")
        assert card[1:] == ["5 unseen", "right elbow, right wrist", "right knee, right ankle", "head"]
        assert counts(page) == ["12", "2", "2", "1"]
        page.wait_for_timeout(600)  # plots, drawn four times a second from samples of the newest frame, leave it alone
        assert page.locator("#v-hidden").inner_text() == "5"
        page.keyboard.press("l")
        until(page, "document.querySelector('[data-count=\"0\"]').textContent === '17'")
        assert counts(page) == ["17", "0", "0", "0"]


def counts(page):
    return [node.text_content() for node in page.locator("#key output").all()]


def apart(t):
    return [fake.person(k, fake.in_camera(fake.walker(t, k), x, z)) for k, x, z in ((1, -2.5, -3.0), (2, 2.5, 1.0))]


OUTSIDE = """(() => {
    const { scene, eye, painter } = steadypose, seen = [];
    for (const p of scene.frames[scene.frames.length - 1].people)
        for (let i = 0; i < p.state.length; i++) seen.push(eye.see([0, 1, 2].map(k => p.points[3 * i + k])));
    return seen.filter(q => !q || q[0] < 0 || q[1] < 0 || q[0] > eye.width || q[1] > eye.height).length;
})()"""


@pytest.mark.parametrize("size", [(1000, 700), (500, 900)])
def test_follow_keeps_people_whole_in_view_and_one_click_fits_everybody(look, size):
    with FakePipeline(apart) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer, *size)
        state(page, "live")
        wait(page, 10)
        for view in ("1", "2", "3"):
            page.keyboard.press(view)
            page.wait_for_timeout(900)
            assert page.evaluate(OUTSIDE) == 0, view
        page.mouse.move(size[0] / 4, 300)
        for _ in range(12):
            page.mouse.wheel(0, -200)
        until(page, f"{OUTSIDE} > 0")
        page.keyboard.press("a")
        until(page, f"{OUTSIDE} === 0")


def uncertain(count):
    hidden = {"right_elbow": INFERRED, "right_wrist": INFERRED, "left_knee": HELD}
    return lambda t: [fake.person(k, fake.in_camera(fake.walker(0.3, k), k - 2), hidden) for k in range(1, count + 1)]


def test_uncertainty_of_more_than_two_people_is_drawn_as_outlines(look):
    """Fog of three people ran together."""
    with FakePipeline(uncertain(2)) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        page.wait_for_timeout(1500)
        fog = tinted(page)
        pipeline.script = uncertain(3)
        page.wait_for_timeout(2500)
        outlines = tinted(page)
        assert page.errors == []
    assert fog > 3000 and outlines < 0.35 * fog


def tinted(page):
    """Pixels that uncertainty colours: the difference that switching it off makes."""
    page.keyboard.press("Space")
    page.wait_for_timeout(400)
    on = pixels(page).astype(int)
    page.keyboard.press("u")
    page.wait_for_timeout(400)
    off = pixels(page).astype(int)
    page.keyboard.press("u")
    page.keyboard.press("l")
    return int((np.abs(on - off).max(-1) > 8).sum())


def test_the_picture_is_large_with_one_click_and_the_room_small(look):
    with (
        FakePipeline(lambda t: hidden_arm(0.3), video=True) as pipeline,
        serving(pipeline.address, with_video=True) as viewer,
    ):
        page = look(viewer)
        state(page, "live")
        wait(page, 10)
        page.click("#picture")
        page.wait_for_selector("body[data-large=picture]", timeout=SECOND)
        page.wait_for_selector("#picture[data-skeleton=true]", timeout=SECOND)
        until(page, "document.getElementById('picture').clientWidth > 600")
        wait(page, 25)
        image, room = pixels(page, "#picture"), pixels(page, "#scene")
        assert image.shape[1] > 600 > 350 > room.shape[1]
        for colour in (OBSERVED_BLUE, INFERRED_ORANGE, HELD_PURPLE, PERSON_1, PERSON_1_LEFT):
            assert count(image, colour, 12) > 100, colour
        assert np.abs(middle(image, INFERRED_ORANGE, 12) - on_screen(page, ["right_elbow", "right_wrist"])).max() < 12
        assert count(room, OBSERVED_BLUE) > 60
        page.click("[data-toggle=large]")
        page.wait_for_selector("body[data-large=scene]", timeout=SECOND)
        assert pixels(page, "#scene").shape[1] > 600 and page.errors == []


def on_screen(page, names):
    """Middle of these joints in the large picture, by the message that is drawn."""
    box = page.evaluate("(c => [c.clientWidth, c.clientHeight])(document.getElementById('picture'))")
    xy = np.array(page.evaluate("[...steadypose.current().people[0].xy]")).reshape(-1, 2)
    scale = min(box[0] / fake.WIDTH, box[1] / fake.HEIGHT)
    corner = (np.array(box) - scale * np.array([fake.WIDTH, fake.HEIGHT])) / 2
    return corner + scale * xy[[fake.HELLO.joints.index(name) for name in names]].mean(0)


def test_without_pictures_the_box_says_why(look):
    with FakePipeline(speed=1.0, hello=RECORDING) as pipeline, serving(pipeline.address, with_video=True) as viewer:
        page = look(viewer)
        state(page, "live")
        page.wait_for_selector("#nopicture:not([hidden])", timeout=SECOND)
        assert page.locator("#nopicture").inner_text() == "A recording holds no pictures."


LISTEN_TO_PENS = """(() => {
    window.written = [];
    const plain = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        written.push(text);
        plain.call(this, text, ...rest);
    };
})()"""


def test_a_saved_picture_carries_the_date_the_legend_and_the_banner(look, tmp_path):
    import cv2

    with FakePipeline(hidden_arm) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 10)
        page.evaluate(LISTEN_TO_PENS)
        words = saved(page, tmp_path / "live.png")
        assert re.search(r"steadypose   ·   \d{4}-\d\d-\d\d \d\d:\d\d:\d\d   ·   live · ", words)
        for entry in ("observed 12", "inferred 2", "held 2", "absent 1", "left", "right"):
            assert entry in words, entry
        image = cv2.cvtColor(cv2.imread(str(tmp_path / "live.png")), cv2.COLOR_BGR2RGB)
        assert image.shape[0] > pixels(page).shape[0] and count(image[-56:], INFERRED_ORANGE) > 20
        pipeline.muted = True
        state(page, "nodata")
        assert "No data for" in saved(page, tmp_path / "silent.png")


def saved(page, path):
    page.evaluate("written.length = 0")
    with page.expect_download(timeout=SECOND) as download:
        page.keyboard.press("p")
    download.value.save_as(path)
    return "\n".join(page.evaluate("written"))


def test_the_stream_is_a_table(look):
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        rows = dict(row.split("\t") for row in page.locator("#facts").inner_text().split("\n"))
        assert rows["source"] == "cam0" and rows["lifter"] == "walker" and rows["current for"] == "150 ms"
        assert rows["address"] == pipeline.address and rows["joints"] == "17, m, camera axes"


FEET = ("left_heel", "left_foot_index", "right_heel", "right_foot_index", "left_ear", "right_ear")


def test_more_joints_than_h36ms_are_drawn_as_hello_names_them(look):
    """Heels, toes and ears behind the seventeen."""
    names = fake.HELLO.joints
    parents = [names.index(n) for n in ("left_ankle", "left_ankle", "right_ankle", "right_ankle", "head", "head")]
    hello = replace(fake.HELLO, joints=names + FEET, parents=(*fake.HELLO.parents, *parents))
    offsets = np.array([[0, 0.05, 0.06], [0, 0.06, -0.18]] * 2 + [[-0.08, 0.02, 0], [0.08, 0.02, 0]], np.float32)

    def with_feet(t):
        whole = fake.person(1, fake.in_camera(fake.walker(0.3)))
        more = {name: np.concatenate([getattr(whole, name), getattr(whole, name)[parents]]) for name in PER_JOINT}
        more["xyz"][17:] += offsets
        return [replace(whole, **more)]

    with FakePipeline(with_feet, hello=hello) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        page.keyboard.press("2")
        wait(page, 40)
        with_toes = pixels(page)
        assert page.locator("[data-count='0']").text_content() == "23" and page.errors == []
        page.evaluate("steadypose.scene.hello.parents = steadypose.scene.hello.parents.map((p, i) => i < 17 ? p : -1)")
        wait(page, 10)
        assert np.abs(with_toes.astype(int) - pixels(page)).max(-1).sum() > 3000


PER_JOINT = ("xyz", "sigma", "state", "age_ms", "reliability", "xy")
