"""Open the viewer's page in a headless Chromium; collect every request and every error of it."""

import pytest

from tests.support.viewing import chromium


@pytest.fixture
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def look(browser):
    """Opens pages; collects every request and every error of theirs."""
    opened = []

    def open_page(viewer, width=1000, height=700, scheme="light", path=""):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.requests, page.errors = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("websocket", lambda socket: page.requests.append(socket.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
        page.goto(viewer.address + path)
        page.evaluate(
            "document.getElementById('key').style.visibility = 'hidden'"
        )  # its marks have the colours that are looked for
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        page.close()
