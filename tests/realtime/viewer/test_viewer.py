"""The page in a real headless Chromium: what is drawn, that it moves, hidden shown as hidden, silence as silence.

Pixels of the canvas decide, not the page's own word; one control runs without a publisher and one with colours swapped.
"""

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.support.people import walker as fake
from tests.support.publisher import FakePipeline, free_address, one_walker
from tests.support.viewing import (
    HELD_PURPLE,
    INFERRED_ORANGE,
    OBSERVED_BLUE,
    PERSON_1,
    PERSON_1_LEFT,
    PERSON_1_RIGHT,
    PERSON_2,
    SECOND,
    count,
    hidden_arm,
    middle,
    pixels,
    serving,
    state,
    still,
    two,
    until,
    wait,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


TRESPASS = """new Promise(done => {
    const script = document.createElement('script');
    script.textContent = 'window.broken = 1';
    document.body.append(script);
    fetch('http://127.0.0.1:9/').then(done, done);
})"""


def test_bones_are_drawn_and_move(look):
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 15)
        before = pixels(page)
        wait(page, 12)
        after = pixels(page)
        assert count(before, PERSON_1) > 500 and count(before, OBSERVED_BLUE) > 800
        assert count(before, PERSON_1_LEFT) > 500 and count(before, PERSON_1_RIGHT) > 500
        moved = (np.abs(before.astype(int) - after).max(-1) > 60).mean()
        assert 0.002 < moved < 0.3
        assert page.errors == []


def test_poses_before_their_hello_wait_for_it_whatever_is_switched_on(look):
    """A page that joins mid-second has poses first; it called itself live, drew nothing, and trails broke it."""
    with FakePipeline(hello=None) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        until(page, "steadypose.scene.frames.length > 3")
        page.keyboard.press("t")
        state(page, "joining")
        assert "Joining" in page.locator("#banner").inner_text()
        pipeline.hello = fake.HELLO
        state(page, "live")
        wait(page, 3)
        assert count(pixels(page), PERSON_1) > 500 and page.errors == []


def test_a_still_person_stays_still_and_stands_where_they_stand(look):
    with FakePipeline(still(0.0)) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        page.keyboard.press("1")
        page.wait_for_timeout(1500)
        a, b = pixels(page), pixels(page)
        assert np.abs(middle(a, PERSON_1) - middle(b, PERSON_1)).max() < 2
        page.keyboard.press("f")
        pipeline.script = still(0.8)
        wait(page, 10)
        assert middle(pixels(page), PERSON_1)[0] > middle(b, PERSON_1)[0] + 60  # to the camera's right
        page.keyboard.press("m")
        page.wait_for_timeout(300)
        assert middle(pixels(page), PERSON_1)[0] < a.shape[1] / 2 - 30  # mirrored


def test_hidden_joints_have_their_colour_absent_ones_none_and_swapped_colours_are_noticed(look):
    with FakePipeline(one_walker) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 10)
        seen = pixels(page)
        pipeline.script = hidden_arm
        wait(page, 20)
        hidden = pixels(page)
        page.evaluate("(s => [s[1], s[2]] = [s[2], s[1]])(steadypose.painter.states)")
        wait(page, 5)
        swapped = pixels(page)
    for colour in (INFERRED_ORANGE, HELD_PURPLE):
        assert count(seen, colour) < 20 and count(hidden, colour) > 80, colour
    assert count(hidden, OBSERVED_BLUE) < 0.85 * count(seen, OBSERVED_BLUE)
    assert arm_above_leg(hidden) and not arm_above_leg(swapped)


def arm_above_leg(image):
    """The arm is inferred, the leg is held."""
    return middle(image, INFERRED_ORANGE)[1] < middle(image, HELD_PURPLE)[1] - 50


def test_several_people_have_hues_and_cards(look):
    with FakePipeline(two) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        page.keyboard.press("1")
        page.wait_for_timeout(1500)
        image = pixels(page)
        assert count(image, PERSON_1) > 600 and count(image, PERSON_2) > 600
        assert middle(image, PERSON_1)[0] < middle(image, PERSON_2)[0]
        cards = [text.split("\n") for text in page.locator("#people button").all_inner_texts()]
        assert [card[:2] for card in cards] == [["Person 1", "all seen"], ["Person 2", "all seen"]]


def test_silence_shows_at_once_an_empty_room_is_none_and_stale_is(look):
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 5)
        pipeline.muted = True
        began = time.monotonic()
        state(page, "nodata")
        assert time.monotonic() - began < 1.5
        assert page.locator("#banner").inner_text().startswith("No data for 0.")
        page.wait_for_timeout(1200)
        assert count(pixels(page), PERSON_1) + count(pixels(page), OBSERVED_BLUE) < 60  # nothing looks current
        assert float(page.locator("#banner b").inner_text().split()[3]) > 1.0
        pipeline.muted = False
        state(page, "live")
        assert page.locator("#banner").is_hidden() and page.errors == []
        pipeline.script = lambda t: []
        state(page, "nobody")
        assert page.locator("#note").inner_text() == "nobody in view" and page.locator("#banner").is_hidden()
        pipeline.status = "STALE"
        state(page, "stale")
        assert "No current pose" in page.locator("#banner").inner_text()


def test_without_a_publisher_nothing_is_drawn(look):
    with serving(free_address()) as viewer:
        page = look(viewer)
        state(page, "waiting")
        page.wait_for_timeout(1500)
        assert page.evaluate("document.body.dataset.frame") is None
        assert count(pixels(page), PERSON_1) == count(pixels(page), OBSERVED_BLUE) == 0
        assert "realtime run --demo" in page.locator("#banner").inner_text()


def test_the_pipeline_may_restart_and_a_server_that_is_gone_is_told(look):
    address = free_address()
    with serving(address) as viewer:
        page = look(viewer)
        with FakePipeline(address=address):
            state(page, "live")
        state(page, "nodata")
        with FakePipeline(address=address, stream=2):
            state(page, "live")
            assert page.evaluate("steadypose.scene.stream") == 2
    state(page, "lost")
    assert "server is gone" in page.locator("#banner").inner_text()


def test_every_request_stays_at_home_and_the_policy_holds(look):
    with FakePipeline(video=True) as pipeline, serving(pipeline.address, with_video=True) as viewer:
        page = look(viewer)
        state(page, "live")
        page.wait_for_selector("#video:not([hidden])", timeout=SECOND)
        wait(page, 10)
        home = f"127.0.0.1:{viewer.access.listen.port}"
        assert page.requests
        assert all(f"//{home}/" in url or url.startswith(("blob:", "data:")) for url in page.requests)
        page.evaluate(TRESPASS)
        assert page.evaluate("window.broken === undefined")
        assert any("Content Security Policy" in error for error in page.errors)


def test_the_picture_carries_the_keypoints(look):
    with FakePipeline(hidden_arm, video=True) as pipeline, serving(pipeline.address, with_video=True) as viewer:
        page = look(viewer)
        state(page, "live")
        page.wait_for_selector("#video:not([hidden])", timeout=SECOND)
        wait(page, 20)
        image = pixels(page, "#picture")
        assert count(image, "#b6bec4", 12) > 3000  # the wall
        assert (
            count(image, PERSON_1, 25) > 20
            and count(image, PERSON_1_LEFT, 25) > 30
            and count(image, INFERRED_ORANGE, 25) > 10
        )


def test_pause_scrub_live_picture_and_recording(look, tmp_path):
    with FakePipeline() as pipeline, serving(pipeline.address, record_dir=tmp_path) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 30)
        page.keyboard.press("Space")
        state(page, "paused")
        first = page.evaluate("steadypose.current().pose.seq")
        page.keyboard.press(",")
        page.keyboard.press(",")
        assert page.evaluate("steadypose.current().pose.seq") == first - 2
        page.wait_for_timeout(700)
        assert page.evaluate("steadypose.current().pose.seq") == first - 2  # the stream goes on, this picture does not
        page.evaluate("const s = document.getElementById('scrub'); s.value = 0; s.oninput()")
        assert page.evaluate("steadypose.current().pose.seq") < first - 20
        page.keyboard.press("l")
        state(page, "live")
        with page.expect_download(timeout=SECOND) as download:
            page.keyboard.press("p")
        assert download.value.suggested_filename.endswith(".png")
        page.click("#record")
        page.wait_for_selector("#record[data-on=true]", timeout=SECOND)
        until(page, f"document.getElementById('note').innerText.startsWith('recording to {tmp_path}')")
        page.wait_for_timeout(400)
        page.click("#record")
        page.wait_for_selector("#record[data-on=false]", timeout=SECOND)
        until(page, f"document.getElementById('note').innerText.startsWith('saved {tmp_path}')")
    assert len(list(tmp_path.glob("*.sp"))) == 1


def test_keys_and_buttons(look):
    with FakePipeline() as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        for key, option in zip("futsm", ("follow", "sigma", "trail", "smooth", "mirror")):
            was = page.evaluate(f"steadypose.options.{option}")
            page.keyboard.press(key)
            pressed = page.locator(f"[data-toggle={option}]").get_attribute("aria-pressed")
            assert page.evaluate(f"steadypose.options.{option}") is not was and pressed == str(not was).lower()
        page.click("[data-view=top]")
        until(page, "Math.abs(steadypose.eye.pitch - 1.53) < 0.01")
        yaw = page.evaluate("steadypose.eye.yaw")
        page.mouse.move(400, 400)
        page.mouse.down()
        page.mouse.move(300, 380, steps=4)
        page.mouse.up()
        distance = page.evaluate("steadypose.eye.distance")
        page.mouse.wheel(0, 400)
        until(page, f"steadypose.eye.distance > {distance}")
        assert page.evaluate("steadypose.eye.yaw") != pytest.approx(yaw)
        page.keyboard.press("s")
        page.keyboard.press("s")
        page.wait_for_selector("#price:not([hidden])", timeout=SECOND)
        assert "ms of delay" in page.locator("#price").inner_text()
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible() and page.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_sees_everything_without_scrolling_sideways(look, scheme):
    with FakePipeline(two) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer, 360, 740, scheme)
        state(page, "live")
        wait(page, 5)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        light = pixels(page)[5, 5].mean() > 128
        assert light == (scheme == "light")
        assert page.locator("#pause").is_visible() and page.locator("#record").is_visible()


def test_joints_of_any_number_and_name(look):
    chain = replace(fake.HELLO, joints=("a", "b", "c", "d"), parents=(-1, 0, 1, 1))

    def four(t):
        whole, pick = fake.person(1, fake.in_camera(fake.walker(t))), [0, 8, 12, 15]
        arrays = ("xyz", "sigma", "state", "age_ms", "reliability", "xy")
        return [replace(whole, **{name: getattr(whole, name)[pick] for name in arrays})]

    with FakePipeline(four, hello=chain) as pipeline, serving(pipeline.address) as viewer:
        page = look(viewer)
        state(page, "live")
        wait(page, 40)
        assert count(pixels(page), PERSON_1) > 500 and page.errors == []
        until(page, "document.querySelector('[data-count=\"0\"]').textContent === '4'")
