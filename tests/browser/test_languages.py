"""Every page in a language from right to left, and in one that is made up: nothing of ours is left in English."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.web.folder import LANGUAGES
from tests.browser.chrome import Windows
from tests.browser.conftest import App, app_of, people, press
from tests.browser.pages import PAGES
from tests.browser.test_colours import check
from tests.browser.test_layout import OVERFLOW, STRUCTURE, TARGETS
from tests.mail import Catcher
from tests.provider import Provider, installed
from tests.wordings import write_pseudo_language

ROOT = Path(__file__).parents[2]
PSEUDO = "eo"
FOR_DEVELOPERS = {"meaning"}
# Each visible text that is no name, address, code, time or number, and each that is read aloud or shown later.
OURS = """() => {
    const data = "bdi, output, code, .brand, .codes li, .languages *, .badge, dd, h2 + .small .name";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim(), parent = walker.currentNode.parentElement;
        if (/\\p{L}/u.test(text) && !parent.closest(data) && !parent.closest("script, noscript")) found.push(text);
    }
    const said = /^data-(done|failed|cancelled|known|on|now|waiting|enough|lacks|copied)$/;
    for (const each of document.querySelectorAll("*")) for (const { name, value } of each.attributes)
        if (/^(aria-label|alt|title|placeholder)$/.test(name) || said.test(name)) found.push(...value.split("|"));
    return [document.title.replace(/ · [^·]*$/, ""), ...found];
}"""


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[App]:
    """A provider that speaks the made-up language, too: its code is a copy, so that no other test meets that."""
    folder = tmp_path_factory.mktemp("pseudo")
    for part in ("idp", "templates", "migrations"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    write_pseudo_language(folder / "templates" / LANGUAGES.name / f"{PSEUDO}.po")
    mail = {"smtp_url": mail_server.url, "email_codes": "sign_in", "sign_up": "open"}
    with installed(folder, name="Example sign-in", **mail) as provider:
        people(provider)
        serve(provider, folder)
        with app_of(provider, mail_server) as app:
            yield app


def serve(provider: Provider, folder: Path) -> None:
    command = [sys.executable, "-m", "idp", "serve", "--port", str(provider.port)]
    environment = provider.environment | {"PYTHONPATH": str(folder)}
    with provider.log.open("wb") as log:
        provider.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    provider.wait()


@pytest.mark.slow
def test_79_in_a_language_of_brackets_every_sentence_of_ours_is_in_brackets_and_fits(
    windows: Windows, translated: App
) -> None:
    page = windows.page(locale=PSEUDO, viewport={"width": 320, "height": 640})
    for name, way in PAGES.items():
        page.context.clear_cookies()
        way(page, translated)
        if name in FOR_DEVELOPERS:
            continue
        assert page.evaluate("document.documentElement.lang") == PSEUDO, name
        left = [text for text in page.evaluate(OURS) if not (text.startswith("[") and text.endswith("]"))]
        assert left == [], name
        assert page.evaluate(OVERFLOW) == {"scroll": 0, "wide": [], "cut": []}, name


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_81_from_right_to_left_every_page_is_as_whole_as_from_left_to_right(
    windows: Windows, app: App, width: int, scheme: str
) -> None:
    page = windows.page(locale="ar", color_scheme=scheme, viewport={"width": width, "height": 640})
    for name, way in PAGES.items():
        page.context.clear_cookies()
        way(page, app)
        if name in FOR_DEVELOPERS:
            continue
        found = page.evaluate(STRUCTURE)
        assert (found["lang"], found["dir"]) == ("ar", "rtl"), name
        assert (found["mains"], found["headings"].count(1), found["nameless"]) == (1, 1, 0), name
        assert (found["unlabelled"], found["dangling"]) == ([], []), name
        assert page.evaluate(OVERFLOW) == {"scroll": 0, "wide": [], "cut": []}, name
        if width == 320:
            assert page.evaluate(TARGETS) == [], name
        check(page, name)


def test_81_codes_and_addresses_stay_from_left_to_right(windows: Windows, app: App) -> None:
    page = windows.page(locale="ar")
    for name, selector in (("enrol", "#secret"), ("enrol", "#code"), ("factor", "#code"), ("unknown page", ".ref")):
        page.context.clear_cookies()
        PAGES[name](page, app)
        assert page.locator(selector).evaluate("each => getComputedStyle(each).direction") == "ltr", (name, selector)


@pytest.mark.parametrize("name", ["identify", "enrol", "home", "unknown page"])
def test_80_the_foot_of_a_page_switches_its_language_without_a_script(windows: Windows, app: App, name: str) -> None:
    page = windows.page(java_script_enabled=False, locale="en")
    PAGES[name](page, app)
    before = page.title()
    assert page.locator(".languages button").all_inner_texts() == ["العربية", "Deutsch"]
    press(page, ".languages button >> nth=0")
    assert page.locator("html").get_attribute("dir") == "rtl"
    press(page, ".languages button >> nth=0")
    press(page, ".languages button >> nth=1")
    assert (page.locator("html").get_attribute("lang"), page.title()) == ("en", before)


def test_what_scripts_say_is_in_the_language_of_the_page(windows: Windows, app: App) -> None:
    page = windows.page(locale="de")
    PAGES["new password"](page, app)
    page.locator("#new-password").press_sequentially("a")
    assert page.locator("#length").inner_text() == "Noch 11 Zeichen."
    page.locator("#new-password").press_sequentially("b" * 11)
    assert page.locator("#length").inner_text() == "Lang genug."
