from collections.abc import Mapping
from pathlib import Path

import jinja2
import pytest

from tests.dev.provider import Hosts, LittleProvider

TEMPLATES = Path(__file__).parents[2] / "templates"


def render(name: str, context: Mapping[str, object]) -> str:
    """The real templates, and an error for any name that the context lacks."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    layout = {
        "lang": "en",
        "dir": "ltr",
        "site_name": "Test",
        "development": True,
        "reference": "R",
        "static": str,
    }
    return environment.get_template(name).render({**layout, **context})


@pytest.fixture
def provider() -> LittleProvider:
    return LittleProvider()


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()
