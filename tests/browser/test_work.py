"""A browser proves work while its person types."""

from collections.abc import Iterator

import pytest

from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, name_oneself, press, sign_in
from tests.browser.sites import site
from tests.provider import Provider, running
from tests.signin.reading import query

LIMIT = 5


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """An installation at which somebody of this network has guessed as often as they may."""
    with running(tmp_path_factory.mktemp("work"), failures_per_address=str(LIMIT)) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def app(crowded: Provider) -> Iterator[App]:
    query(crowded, "DELETE FROM counters")
    query(crowded, "DELETE FROM consents")
    with site() as somewhere:
        yield App(crowded, crowded.create_client(redirect_uri=f"{somewhere.origin}/callback"), somewhere)


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
    page.locator("#password").fill("correct horse battery staple")
    page.locator("#password").press("Enter")  # long before the work is done
    page.wait_for_selector("#allow")
    allow(page)
    page.wait_for_url("**/callback?*")


def test_the_page_says_when_its_work_is_done_and_passkeys_need_not_wait_for_it(windows: Windows, app: App) -> None:
    page = windows.page()
    page.goto(app.url())
    name_oneself(page)
    page.goto(f"{page.url}?work")
    page.evaluate("document.getElementById('passkey').requestSubmit()")
    page.wait_for_url(lambda url: "?work" not in url)
    page.goto(f"{page.url}?work")
    page.get_by_text("Done.").wait_for()


def test_without_javascript_the_refusal_goes_back_by_itself_when_the_wait_is_over(windows: Windows, app: App) -> None:
    use_up(windows, app)
    page = windows.page(java_script_enabled=False)
    page.goto(app.url())
    sign_in(page)
    assert page.title().startswith("Error: Too many tries")
    page.wait_for_selector("#password", timeout=20_000)
    page.locator("#password").fill("correct horse battery staple")
    press(page, "#continue")
    page.wait_for_selector("#allow")
