"""Sending an answer, or a person who signed out, to the app: the only code that redirects to another site."""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.protocol import meanings
from idp.protocol.authorize import FORM_POST, AnswerTo
from idp.protocol.errors import OAuthError
from idp.protocol.logout import PostLogoutAddress
from idp.services import services_of
from idp.web.pages import form_targets, page, reference_of


def success(request: Request, answer_to: AnswerTo, code: str, app_name: str | None) -> Response:
    """RFC 6749 section 4.1.2."""
    return _send(request, answer_to, {"code": code}, app_name)


def refusal(request: Request, answer_to: AnswerTo, error: OAuthError, app_name: str | None) -> Response:
    """RFC 6749 section 4.1.2.1."""
    told = {"error": error.error, "error_description": error.description}
    told["error_uri"] = meanings.uri(services_of(request).settings.issuer, error.error, reference_of(request))
    return _send(request, answer_to, told, app_name)


def signed_out(address: PostLogoutAddress) -> Response:
    """OpenID Connect RP-Initiated Logout 1.0 section 3."""
    return _redirect(address.uri, {} if address.state is None else {"state": address.state})


def _send(request: Request, answer_to: AnswerTo, fields: Mapping[str, str], app_name: str | None) -> Response:
    answer = dict(fields)
    if answer_to.state is not None:
        answer["state"] = answer_to.state
    answer["iss"] = services_of(request).settings.issuer  # RFC 9207
    target = answer_to.address.redirect_uri
    if answer_to.response_mode == FORM_POST:
        context = {
            "target": target,
            "fields": list(answer.items()),
            "app": {"name": app_name} if app_name else None,
            "languages": (),  # its policy lets it post to the app alone
        }
        return page(request, "signin/form_post.html", context, form_action=form_targets(target))
    return _redirect(target, answer)


def _redirect(target: str, answer: Mapping[str, str]) -> Response:
    joint = "&" if "?" in target else "?"
    return RedirectResponse(f"{target}{joint}{urlencode(answer)}" if answer else target, 303)
