"""usage: script outdir"""

from pathlib import Path

from tests.browser.conftest import *
from tests.browser.pages import *


def test_shots(windows, app, development):
    out = Path("/tmp/shots")
    out.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        for width, height in ((320, 640), (1280, 800)):
            page = windows.page(color_scheme=scheme, viewport={"width": width, "height": height})
            for name, way in [*PAGES.items(), ("form_post", form_post)]:
                page.context.clear_cookies()
                way(page, app)
                page.screenshot(path=out / f"{name.replace(' ', '_')}-{scheme}-{width}.png", full_page=True)
            page.unroute_all()
            for name, way in DEVELOPMENT_PAGES.items():
                page.context.clear_cookies()
                way(page, development)
                page.screenshot(path=out / f"dev_{name.replace(' ', '_')}-{scheme}-{width}.png", full_page=True)
    print(windows.reports)
    windows.reports.clear()
