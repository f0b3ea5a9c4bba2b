"""Pages: the templates, what each of them is given, and the headers that keep it safe."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from idp.services import services_of
from idp.web import languages
from idp.web.folder import STATIC, TEMPLATES
from idp.web.languages import Language

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


def static_url(file: str) -> str:
    """The URL of a static file, with a hash of its content, so that it may be cached for ever."""
    return f"/static/{file}?v={_static(file)[1]}"


@lru_cache(maxsize=64)
def _static(file: str) -> tuple[bytes, str]:
    content = (STATIC / file).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=(), disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
        finalize=_shown,
    )
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # of the extension
    environment.globals |= {"static": static_url, "gettext": _gettext, "ngettext": _ngettext}
    return environment


@pass_context
def _shown(context: Context, value: object) -> object:
    """Of whatever a template writes: in the language of its page."""
    if isinstance(value, str):
        return value
    language: Language = context["language"]
    return language.words(value)


@pass_context
def _gettext(context: Context, message: str, /, **arguments: object) -> str:
    language: Language = context["language"]
    return _filled(context, language.sentence(message), arguments)


@pass_context
def _ngettext(context: Context, message: str, plural: str, count: int, /, **arguments: object) -> str:
    language: Language = context["language"]
    return _filled(context, language.sentence(message, plural, count), arguments)


def _filled(context: Context, sentence: str, arguments: Mapping[str, object]) -> str:
    """A sentence is ours and may hold marks; what stands in it may be anybody's, and is escaped where it has to be."""
    language: Language = context["language"]
    if not context.eval_ctx.autoescape:
        return sentence % {name: language.words(value) for name, value in arguments.items()}
    return Markup(sentence % {name: escape(language.words(value)) for name, value in arguments.items()})  # noqa: S704


def render(template: str, context: Mapping[str, object], language: Language | None = None) -> str:
    """In English, where no language is given."""
    language = language or languages.language(languages.SOURCE)
    return _template(template).render({"languages": (), **context, "language": language})


@lru_cache(maxsize=64)
def _template(name: str) -> Template:
    return _environment().get_template(name)


def page(
    request: Request,
    template: str,
    context: Mapping[str, object],
    *,
    status: int = 200,
    form_action: str | None = "'self'",
    origins: Sequence[str] = (),
    language: Language | None = None,
) -> Response:
    """A page. `form_action` None is for pages whose post may end at an app: Chromium judges every redirect by it.

    `origins` are of others whose scripts and frames it shows. `language` is for who develops the app; people choose.
    Its foot leads back to `here`, or where that is empty to whatever address the page has.
    """
    services = services_of(request)
    common = {
        "site_name": services.settings.site_name,
        "development": services.development,
        "reference": reference_of(request),
        "languages": () if language else languages.others(services.settings, languages.language_of(request)),
        "here": "" if request.method in ("GET", "HEAD") else "/",
    }
    language = language or languages.language_of(request)
    policy = _policy(origins) if form_action is None else f"{_policy(origins)}; form-action {form_action}"
    return HTMLResponse(render(template, {**common, **context}, language), status, {"Content-Security-Policy": policy})


@lru_cache(maxsize=4)
def _policy(origins: Sequence[str]) -> str:
    """The Content-Security-Policy of a page, but for where its forms go."""
    ours = " ".join(("'self'", *origins))
    frames = f"frame-src {' '.join(origins)}; " if origins else ""
    return (
        f"default-src 'none'; style-src {ours}; script-src {ours}; img-src 'self'; connect-src {ours}; {frames}"
        "base-uri 'none'; frame-ancestors 'none'"
    )


def form_targets(uri: str) -> str:
    """Where the form of a page may go: to this URI, and on to wherever its answer redirects, over https.

    Chromium judges each redirect of a post by the page's policy, and many callbacks go on to another host. What runs
    on the person's own machine may go on there.
    """
    onward = "https: http:" if uri.startswith("http:") else "https:"
    return f"{_exact(uri)} {onward}"


def _exact(uri: str) -> str:
    """A URI as a CSP source: no query, and nothing that would end the source.

    Only the scheme where a source cannot name more: an IPv6 address, or an app's own scheme.
    """
    parts = urlsplit(uri)
    if "[" in parts.netloc or not parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}{quote(parts.path, safe='/%:@!$&()*+=~-._')}"


def reference_of(request: Request) -> str:
    """The short name under which this request stands in the log and the audit."""
    return str(request.scope.get("idp.reference", ""))


async def static(request: Request) -> Response:
    """A file of `templates/static`, from memory."""
    file = request.path_params["file"]
    if file not in _static_files():
        return Response(status_code=404)
    content, version = _static(file)
    caching = _FOR_EVER if request.query_params.get("v") == version else "no-cache"
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):  # nothing in a static file is secret (BREACH)
        content, headers = _compressed(file), headers | {"Content-Encoding": "gzip"}
    return Response(content, 200, headers, _TYPES[Path(file).suffix])


@lru_cache(maxsize=64)
def _compressed(file: str) -> bytes:
    return gzip.compress(_static(file)[0], mtime=0)


@lru_cache(maxsize=1)
def _static_files() -> frozenset[str]:
    return frozenset(path.name for path in STATIC.iterdir() if path.suffix in _TYPES)
