"""What a page costs a browser that comes for the first time: 15 KB and five requests, all of them to us."""

from urllib.parse import urldefrag, urlsplit

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.chrome import Windows
from tests.browser.conftest import App, Development, allow, sign_in
from tests.browser.pages import DEVELOPMENT_PAGES, PAGES

MOST_BYTES = 15_000
MOST_REQUESTS = 5


def weigh(context: BrowserContext, url: str) -> None:
    """Loads a page as if for the first time, in a tab that waits for nothing else."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sent: list[str] = []
    received: list[float] = []
    session.on("Network.requestWillBeSent", lambda event: sent.append(event["request"]["url"]))
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.goto(url, wait_until="networkidle")
    loaded = [url for url in sent if not url.endswith("/callback")]  # where a form_post goes is no part of its page
    assert 3 <= len(loaded) <= MOST_REQUESTS, loaded
    assert 3_000 < sum(received) <= MOST_BYTES
    assert {urlsplit(each).netloc for each in loaded} == {urlsplit(url).netloc}


@pytest.mark.parametrize(
    "name",
    [
        "identify",
        "password",
        "wrong password",
        "returning",
        "enrol",
        "factor",
        "mailed",
        "new password",
        "sign up",
        "join",
        "join by passkey",
        "consent",
        "home",
        "unknown page",
    ],
)
def test_a_page_is_light(windows: Windows, app: App, name: str) -> None:
    page = windows.page()
    PAGES[name](page, app)
    weigh(page.context, page.url)


@pytest.mark.parametrize("name", DEVELOPMENT_PAGES)
def test_a_page_of_development_mode_is_light(windows: Windows, development: Development, name: str) -> None:
    page = windows.page()
    DEVELOPMENT_PAGES[name](page, development)
    weigh(page.context, urldefrag(page.url).url)  # with its fragment it would not be loaded again


def test_the_page_of_a_form_post_is_light(windows: Windows, app: App) -> None:
    page = windows.page()
    page.goto(app.url())
    sign_in(page)
    allow(page)
    page.context.route("**/callback", lambda route: route.abort("aborted"))  # the page stays, its script having run
    weigh(page.context, app.url(response_mode="form_post"))
