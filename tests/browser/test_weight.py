"""What a page costs a browser that comes for the first time: 15 KB and five requests, all of them to us."""

import pytest

from tests.browser.chrome import Windows
from tests.browser.conftest import App
from tests.browser.pages import PAGES

MOST_BYTES = 15_000
MOST_REQUESTS = 5


@pytest.mark.parametrize("name", ["identify", "password", "wrong password", "consent", "home", "unknown page"])
def test_a_page_is_light(windows: Windows, app: App, name: str) -> None:
    page = windows.page()
    PAGES[name](page, app)
    url = page.url
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sent: list[str] = []
    received: list[float] = []
    session.on("Network.requestWillBeSent", lambda event: sent.append(event["request"]["url"]))
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.goto(url, wait_until="networkidle")
    assert 3 <= len(sent) <= MOST_REQUESTS, sent
    assert 3_000 < sum(received) <= MOST_BYTES
    assert all(each.startswith(app.provider.issuer) for each in sent), sent
