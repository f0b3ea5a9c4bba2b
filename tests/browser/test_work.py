"""A browser proves work while its person types."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from idp.web.folder import STATIC
from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, name_oneself, press, sign_in
from tests.browser.sites import site
from tests.mail import Catcher
from tests.provider import PASSWORD, Provider, running
from tests.signin.reading import query

LIMIT = 5


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """An installation at which somebody of this network has guessed as often as they may."""
    with running(tmp_path_factory.mktemp("work"), failures_per_address=str(LIMIT)) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def app(crowded: Provider, mail_server: Catcher) -> Iterator[App]:
    query(crowded, "DELETE FROM counters")
    query(crowded, "DELETE FROM consents")
    with site() as somewhere:
        yield App(crowded, crowded.create_client(redirect_uri=f"{somewhere.origin}/callback"), somewhere, mail_server)


def use_up(windows: Windows, app: App) -> None:
    for number in range(LIMIT):
        page = windows.page()
        page.goto(app.url())
        sign_in(page, f"{number}@example.test", "not the right one")
        page.close()
    # However long that took, nothing has come back of it.
    query(app.provider, "UPDATE counters SET full_at = (unixepoch() + 60) * 1000")


def test_who_types_at_once_after_a_refusal_signs_in_without_waiting(windows: Windows, app: App) -> None:
    use_up(windows, app)
    page = windows.page()
    page.goto(app.url())
    sign_in(page)
    assert page.title().startswith("Error: Too many tries")
    press(page, "a.act")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")  # long before the work is done
    page.wait_for_selector("#allow")
    allow(page)
    page.wait_for_url("**/callback?*")


def working(windows: Windows, app: App, worker: str | None = None) -> Page:
    """The page, with another script in the place of the one that works."""
    page = windows.page()
    page.goto(app.url())
    name_oneself(page)
    if worker is not None:
        page.route("**/worker.js*", lambda route: route.fulfill(body=worker, content_type="text/javascript"))
    page.goto(f"{page.url}?work")
    return page


def test_the_page_says_when_its_work_is_done(windows: Windows, app: App) -> None:
    page = working(windows, app)
    page.get_by_text("Working…").wait_for()
    page.get_by_text("Done.").wait_for()
    assert page.locator("#work").inner_text() == "Done."


def test_passkeys_need_not_wait_for_it(windows: Windows, app: App) -> None:
    page = working(windows, app, worker="")
    page.evaluate("document.getElementById('passkey').requestSubmit()")
    page.wait_for_url(lambda url: "?work" not in url)
    assert page.locator("#work").count() == 0


@pytest.mark.parametrize(
    "broken",
    [
        "throw new Error('no')",
        "onmessage = () => { throw new Error('no') }",
        (STATIC / "worker.js").read_text(encoding="utf-8") + "crypto.subtle.deriveBits = async () => { throw 0 };",
    ],
    ids=["does not load", "fails at once", "cannot derive"],
)
def test_who_cannot_do_the_work_is_kept_from_nothing(windows: Windows, app: App, broken: str) -> None:
    page = working(windows, app, worker=broken)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_selector("#allow")
    windows.reports.clear()  # the console tells of the script
    assert "?work" not in page.url


def test_without_javascript_the_refusal_goes_back_by_itself_when_the_wait_is_over(windows: Windows, app: App) -> None:
    use_up(windows, app)
    page = windows.page(java_script_enabled=False)
    page.goto(app.url())
    sign_in(page)
    assert page.title().startswith("Error: Too many tries")
    page.wait_for_selector("#password", timeout=20_000)
    page.locator("#password").fill(PASSWORD)
    press(page, "#continue")
    page.wait_for_selector("#allow")
