"""Structure, keyboard and layout of every page: landmarks, labels, focus, 320 pixels, 400 % zoom and wide text."""

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.chrome import Windows
from tests.browser.conftest import App, Development
from tests.browser.pages import all_pages, form_post, home, over, unknown_page
from tests.provider import EMAIL

STRUCTURE = """() => ({
    lang: document.documentElement.lang,
    dir: document.documentElement.dir,
    title: document.title,
    mains: document.querySelectorAll("main").length,
    headings: [...document.querySelectorAll("h1, h2, h3")].map((each) => +each.tagName[1]),
    outside: [...document.body.children].filter((each) => !each.matches("main, header, footer, aside")).length,
    ids: [...document.querySelectorAll("[id]")].map((each) => each.id),
    unlabelled: [...document.querySelectorAll("input:not([type=hidden])")].filter(
        (each) => ![...each.labels].some(
            (label) => (each.checkVisibility() ? label.innerText : label.textContent).trim())).map((each) => each.id),
    nameless: [...document.querySelectorAll("button, a")].filter((each) => !each.textContent.trim()).length,
    images: [...document.querySelectorAll("img:not([alt]), svg:not([aria-hidden]):not([role=img])")].length,
    placeholders: document.querySelectorAll("[placeholder]").length,
    dangling: [...document.querySelectorAll("[for], [aria-describedby], [aria-controls], [aria-labelledby]")].flatMap(
        (each) => ["for", "aria-describedby", "aria-controls", "aria-labelledby"].flatMap(
            (name) => (each.getAttribute(name) ?? "").split(" ").filter((id) => id && !document.getElementById(id)))),
    lists: [...document.querySelectorAll("li")].filter((each) => !each.parentElement.matches("ul, ol")).length,
})"""

# What sticks out of the window, and what is cut off by its own box.
OVERFLOW = """() => {
    const visible = (each) => each.checkVisibility({visibilityProperty: true}) && !each.closest(".off, .vh, .arch");
    const wide = [...document.body.querySelectorAll("*")].filter((each) => {
        const box = each.getBoundingClientRect();
        return visible(each) && !each.closest("pre") && box.width > 0 &&
            (box.right > innerWidth + 1 || box.left < -1);
    });
    const cut = [...document.querySelectorAll("main *, footer *")].filter((each) =>
        visible(each) && getComputedStyle(each).overflowY === "hidden" && each.scrollHeight > each.clientHeight + 1);
    return {
        scroll: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        wide: wide.map((each) => each.outerHTML.slice(0, 120)),
        cut: cut.map((each) => each.outerHTML.slice(0, 120)),
    };
}"""

# WCAG 2.2, success criterion 1.4.12.
TEXT_SPACING = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
        * { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
        p { margin-block-end: 2em !important }`);
    document.adoptedStyleSheets = [sheet];
}"""

FOCUSED = """() => {
    const each = document.activeElement, box = each.getBoundingClientRect(), style = getComputedStyle(each);
    if (each === document.body) return null;
    const top = document.elementFromPoint(box.x + box.width / 2, Math.min(box.y + box.height / 2, innerHeight - 1));
    return {
        name: each.id || each.textContent.trim() || each.outerHTML.slice(0, 100),
        x: box.x, y: box.y + scrollY, bottom: box.bottom + scrollY,
        ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        colour: style.outlineColor,
        page: getComputedStyle(document.documentElement).backgroundColor,
        covered: !(top && (each.contains(top) || top.contains(each))),
    };
}"""

# The text of an element as the lines that it is broken into.
LINES = """(selector) => {
    const lines = [], range = document.createRange();
    const walker = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
    let bottom = -1;
    while (walker.nextNode()) for (let at = 0; at < walker.currentNode.length; at++) {
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + 1);
        const box = range.getBoundingClientRect();
        if (!box.width) continue;
        if (box.top >= bottom) lines.push("");
        bottom = box.bottom - 2;
        lines[lines.length - 1] += range.toString();
    }
    return lines.map((line) => line.trim());
}"""

TARGETS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden])")]
    .filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.closest(".off"))
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([each, box]) => box.width < 24 || box.height < 24)
    .filter(([each]) => !(each.matches("p a") && each.closest("p").textContent.trim() !== each.textContent.trim()))
    .map(([each, box]) => [each.outerHTML.slice(0, 100), box.width, box.height])"""


def channels(colour: str) -> list[float]:
    return [float(part) / 255 for part in colour.split("(")[1].rstrip(")").split(",")[:3]]


def luminance(colour: str) -> float:
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.slow
def test_every_page_has_one_main_one_heading_a_language_and_a_title_of_its_own(
    windows: Windows, app: App, development: Development
) -> None:
    page = windows.page()
    titles: dict[str, str] = {}
    with all_pages(page, app, development) as names:
        for name in names:
            found: dict[str, Any] = page.evaluate(STRUCTURE)
            assert (found["lang"], found["dir"]) == ("en", "ltr"), name
            assert found["mains"] == 1, name
            assert found["headings"].count(1) == 1, name
            assert found["headings"][0] == 1, name
            assert all(b - a <= 1 for a, b in pairwise(found["headings"])), name
            assert len(found["ids"]) == len(set(found["ids"])), name
            for nothing in ("unlabelled", "dangling"):
                assert found[nothing] == [], (name, nothing)
            for none in ("outside", "nameless", "images", "placeholders", "lists"):
                assert found[none] == 0, (name, none)
            titles[name] = found["title"]
    same = [{"password", "working", "returning", "confirming"}, {"consent", "more consent"}, {"home", "home of two"}]
    same += [{"sign out", "sign out two"}, {"signed out", "one of two left"}, {"enrol", "announced"}]
    same += [{"security", "security with devices"}, {"mailed", "mail link"}]
    same += [{"apps", "no apps"}, {"confirm address", "address mailed"}]
    same += [{"recover", "recover asked"}, {"lost device", "lost asked"}]
    same += [{"factor", "factor by mail", "mailed factor"}, {"confirm address", "address mailed"}]
    for title in set(titles.values()):
        bearers = {name for name, each in titles.items() if each == title}
        assert len(bearers) == 1 or any(bearers <= group for group in same), bearers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "height", "spaced"),
    [(320, 640, False), (320, 640, True), (320, 200, False), (1280, 800, True), (2560, 1200, False)],
    ids=["320 px", "320 px and wide text", "1280 x 800 at 400 %", "wide text", "wide window"],
)
def test_no_page_scrolls_sideways_or_loses_text(
    windows: Windows, app: App, development: Development, width: int, height: int, spaced: bool
) -> None:
    page = windows.page(viewport={"width": width, "height": height})
    with all_pages(page, app, development) as names:
        for name in names:
            if spaced:
                page.evaluate(TEXT_SPACING)
            assert page.evaluate(OVERFLOW) == {"scroll": 0, "wide": [], "cut": []}, name


def test_a_name_without_end_breaks_no_page(windows: Windows, app: App) -> None:
    page = windows.page(viewport={"width": 320, "height": 640})
    page.goto(app.url(login_hint="a" * 300))
    assert page.evaluate(OVERFLOW)["scroll"] == 0
    page.locator("#continue").click()
    page.locator("form[action$='/password']").wait_for()
    assert page.evaluate(OVERFLOW) == {"scroll": 0, "wide": [], "cut": []}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboard_reaches_everything_in_the_order_of_the_eye(
    windows: Windows, app: App, development: Development, scheme: str
) -> None:
    """No trap, nothing covered, and a ring of three pixels that stands out at least three to one."""
    page = windows.page(color_scheme=scheme)
    with all_pages(page, app, development) as names:
        for name in names:
            check_focus(page, name)


def check_focus(page: Page, name: str) -> None:
    page.keyboard.press("Shift+Tab")
    while page.evaluate(FOCUSED) is not None:  # back to before the first
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    seen: list[dict[str, Any]] = []
    for _ in range(40):
        found = page.evaluate(FOCUSED)
        if found is None or (seen and found["name"] == seen[0]["name"] and found["y"] == seen[0]["y"]):
            break
        assert found["ring"] >= 3, (name, found)
        assert contrast(found["colour"], found["page"]) >= 3, (name, found)
        assert not found["covered"], (name, found)
        seen.append(found)
        page.keyboard.press("Tab")
    else:
        raise AssertionError(f"a trap on {name}: {seen}")
    for before, after in pairwise(seen):
        level = before["y"] < after["bottom"] and after["y"] < before["bottom"]
        assert (before["x"] <= after["x"]) if level else (before["y"] <= after["y"]), (name, before, after)
    reachable = page.locator(
        "main a:visible, main button:visible:enabled, main input:visible:not([tabindex='-1'])"
    ).count()
    assert len(seen) >= reachable, (name, [each["name"] for each in seen])


@pytest.mark.slow
def test_every_target_can_be_hit(windows: Windows, app: App, development: Development) -> None:
    page = windows.page(viewport={"width": 320, "height": 640}, has_touch=True)
    with all_pages(page, app, development) as names:
        for name in names:
            assert page.evaluate(TARGETS) == [], name


def test_the_page_of_a_form_post_is_a_page_like_the_others(windows: Windows, app: App) -> None:
    page = windows.page(viewport={"width": 320, "height": 640})
    form_post(page, app)
    assert page.evaluate(STRUCTURE)["mains"] == 1
    assert page.evaluate(OVERFLOW) == {"scroll": 0, "wide": [], "cut": []}
    windows.reports.clear()  # its script was kept from loading


NARROW_TO_WIDE = (320, 360, 390, 768, 1280)


def test_a_heading_does_not_break_at_its_hyphen(page: Page, app: App) -> None:
    over(page, app)
    for width in NARROW_TO_WIDE:
        page.set_viewport_size({"width": width, "height": 640})
        assert " ".join(page.evaluate(LINES, "h1")) == "This sign-in is over", width


def test_the_rows_of_an_error_page_are_even_and_its_zone_stands_beside_its_time(page: Page, app: App) -> None:
    unknown_page(page, app)
    for width in NARROW_TO_WIDE:
        page.set_viewport_size({"width": width, "height": 640})
        assert re.search(r":[0-9]{2}\sUTC$", page.evaluate(LINES, "dd:nth-of-type(2)")[-1]), width
    tops = [row.bounding_box() for row in page.locator("dt").all()]
    first, second, third = (box["y"] for box in tops if box)
    assert second - first == pytest.approx(third - second, abs=1)


def test_at_home_the_button_never_breaks_the_address(page: Page, app: App) -> None:
    home(page, app)
    for width in NARROW_TO_WIDE:
        page.set_viewport_size({"width": width, "height": 640})
        assert EMAIL in page.evaluate(LINES, ".who .name"), width
        name, button = page.locator(".who .name").bounding_box(), page.locator("#sign-out").bounding_box()
        assert name is not None
        assert button is not None
        assert (button["y"] >= name["y"] + name["height"]) == (width == 320), width
