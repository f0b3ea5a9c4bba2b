"""Light and dark by style sheet alone, with enough contrast; forced colours keep every border; nothing moves."""

import pytest
from playwright.sync_api import Page

from tests.browser.chrome import Windows
from tests.browser.conftest import App, Development
from tests.browser.pages import DEVELOPMENT_PAGES, PAGES, all_pages, demo_welcome, identify, password, wrong_password

# Each text that is seen, with its colour, and the colours of what stands behind it, outermost first.
TEXTS = """() => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const each = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || each.closest(".off, .vh, script, title") ||
            !each.checkVisibility({visibilityProperty: true})) continue;
        const style = getComputedStyle(each), size = parseFloat(style.fontSize), behind = [];
        for (let at = each; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
        found.push({
            text: walker.currentNode.data.trim().slice(0, 60), colour: style.color, behind,
            large: size >= 24 || (size >= 18.66 && +style.fontWeight >= 700),
        });
    }
    return found;
}"""
EDGES = """() => [...document.querySelectorAll("main input:not([type=hidden]):not([readonly]), main button:not(.link)")]
    .filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.closest(".off"))
    .map((each) => [each.outerHTML.slice(0, 80), getComputedStyle(each).borderTopColor,
        getComputedStyle(document.documentElement).backgroundColor])"""
MOVING = """() => [...document.querySelectorAll("*")].flatMap((each) => ["", "::before", "::after"].filter((part) => {
    const style = getComputedStyle(each, part);
    return style.animationName !== "none" || style.transitionDuration.split(",").some((time) => parseFloat(time) > 0);
}).map((part) => each.outerHTML.slice(0, 80) + part))"""
# What would float without its edge once the colours of surfaces are gone: fields, buttons and panels.
BORDERLESS = """() => [...document.querySelectorAll(
    "main input:not([type=hidden], [readonly], .off *), main button:not(.link), .act, .who, section:not(.note), pre"
)].filter((each) => {
    const style = getComputedStyle(each);
    return !["top", "bottom"].every((side) => style[`border-${side}-style`] === "solid" &&
        parseFloat(style[`border-${side}-width`]) >= 1 && !/^rgba.*, 0\\)$/.test(style[`border-${side}-color`]));
}).map((each) => each.outerHTML.slice(0, 80))"""
LOOK = """() => {
    const button = document.querySelector(".act"), heading = document.querySelector("h1");
    return {
        accent: getComputedStyle(button).backgroundColor, shape: getComputedStyle(button).borderRadius,
        letters: getComputedStyle(heading).fontFamily, page: getComputedStyle(document.documentElement).backgroundColor,
        name: document.querySelector(".brand").textContent, icon: document.querySelector(".brand svg").innerHTML,
        tab: new URL(document.querySelector("link[rel=icon]").href).pathname,
    };
}"""


def parts(colour: str) -> tuple[list[float], float]:
    """The channels from 0 to 1 and the opacity of a computed colour."""
    numbers = [float(part) for part in colour.split("(")[1].rstrip(")").replace("/", ",").split(",")]
    return [each / 255 for each in numbers[:3]], numbers[3] if len(numbers) > 3 else 1.0


def over(behind: list[str]) -> list[float]:
    """What is seen of layers, outermost first."""
    seen = [1.0, 1.0, 1.0]
    for layer in behind:
        channels, opacity = parts(layer)
        seen = [opacity * new + (1 - opacity) * old for new, old in zip(channels, seen, strict=True)]
    return seen


def luminance(channels: list[float]) -> float:
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def check(page: Page, name: str) -> None:
    texts = page.evaluate(TEXTS)
    assert len(texts) > 3
    for each in texts:
        ratio = contrast(parts(each["colour"])[0], over(each["behind"]))
        assert ratio >= (3 if each["large"] else 4.5), (name, each["text"], ratio)
    for element, edge, behind in page.evaluate(EDGES):
        assert contrast(parts(edge)[0], parts(behind)[0]) >= 3, (name, element)


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_and_every_edge_stands_out(
    windows: Windows, app: App, development: Development, scheme: str, width: int
) -> None:
    page = windows.page(color_scheme=scheme, viewport={"width": width, "height": 800})
    with all_pages(page, app, development) as names:
        for name in names:
            check(page, name)


def test_dark_and_light_differ_without_a_script(windows: Windows, app: App) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        page = windows.page(color_scheme=scheme, java_script_enabled=False)
        page.goto(app.provider.issuer)
        seen.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        assert page.locator("meta[name=color-scheme]").get_attribute("content") == "light dark"
    assert len(seen) == 2


def check_forced_colours(page: Page, name: str) -> None:
    assert page.evaluate(BORDERLESS) == [], name
    assert page.locator(".arch:visible").count() == 0, name  # a picture that lost its colours
    middle = page.evaluate(
        "(() => { const box = document.querySelector('main').getBoundingClientRect();"
        " return (box.left + box.right) / 2 / innerWidth })()"
    )
    assert abs(middle - 0.5) < 0.01, name  # no room is kept for it
    for marked in page.locator(".alert, .note").all():
        assert marked.evaluate("(each) => getComputedStyle(each).borderInlineStartWidth") == "4px", name


@pytest.mark.parametrize("width", [320, 1280])
def test_forced_colours_keep_every_border_and_leave_no_doorway(windows: Windows, app: App, width: int) -> None:
    page = windows.page(forced_colors="active", viewport={"width": width, "height": 800})
    for name in ("identify", "wrong password", "returning", "consent", "home", "signed out", "unknown page"):
        page.context.clear_cookies()
        PAGES[name](page, app)
        check_forced_colours(page, name)


def test_forced_colours_in_development_mode(windows: Windows, development: Development) -> None:
    page = windows.page(forced_colors="active")
    for name, show in DEVELOPMENT_PAGES.items():
        page.context.clear_cookies()
        show(page, development)
        check_forced_colours(page, name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demo_app_looks_like_another_site_than_the_provider(
    windows: Windows, app: App, development: Development, scheme: str
) -> None:
    page = windows.page(color_scheme=scheme)
    demo_welcome(page, development)
    demo = page.evaluate(LOOK)
    assert page.locator(".arch").count() == 0
    assert demo["name"] == "Demo app"
    identify(page, app)
    provider = page.evaluate(LOOK)
    assert page.locator(".arch").is_visible()
    for feature, seen in provider.items():
        assert demo[feature] != seen, feature


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_icon_stands_out_from_what_is_behind_it(windows: Windows, app: App, scheme: str, width: int) -> None:
    page = windows.page(color_scheme=scheme, viewport={"width": width, "height": 800})
    identify(page, app)
    tile, *behind = page.evaluate(
        """() => [".brand rect", "html", ".top"].map((selector) => {
            const style = getComputedStyle(document.querySelector(selector));
            return selector === ".brand rect" ? style.fill : style.backgroundColor;
        })"""
    )
    assert contrast(parts(tile)[0], over(behind)) >= 1.5
    icon = page.locator(".brand svg").bounding_box()
    assert icon is not None
    assert (icon["width"], icon["height"]) == (28, 28)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves(windows: Windows, app: App, motion: str) -> None:
    page = windows.page(reduced_motion=motion)
    for way in (password, wrong_password):
        page.context.clear_cookies()
        way(page, app)
        assert page.evaluate(MOVING) == []


def test_allowing_and_denying_are_buttons_of_equal_weight(windows: Windows, app: App) -> None:
    for width in (320, 1280):
        page = windows.page(viewport={"width": width, "height": 800})
        page.goto(app.url(prompt="consent"))
        page.locator("#username").fill("ana@example.test")
        page.locator("#continue").click()
        page.locator("form[action$='/password'] #password").fill("correct horse battery staple")
        page.locator("#continue").click()
        boxes = [page.locator(button).bounding_box() for button in ("#deny", "#allow")]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert abs(boxes[0]["width"] - boxes[1]["width"]) < 1
        assert boxes[0]["height"] == boxes[1]["height"]
        looks = [
            page.locator(button).evaluate(
                "(each) => { const style = getComputedStyle(each); return [style.backgroundColor, style.color,"
                " style.borderTopColor, style.borderTopWidth, style.fontWeight, style.fontSize] }"
            )
            for button in ("#deny", "#allow")
        ]
        assert looks[0] == looks[1]
