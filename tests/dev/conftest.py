from collections.abc import Mapping
from pathlib import Path

import pytest

from idp.web import pages
from tests.dev.provider import Hosts, LittleProvider

TEMPLATES = Path(__file__).parents[2] / "templates"


def render(name: str, context: Mapping[str, object]) -> str:
    """The real templates, and an error for any name that the context lacks."""
    layout = {
        "site_name": "Test",
        "development": True,
        "reference": "R",
        "static": str,
    }
    return pages.render(name, {**layout, **context})


@pytest.fixture
def provider() -> LittleProvider:
    return LittleProvider()


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()
