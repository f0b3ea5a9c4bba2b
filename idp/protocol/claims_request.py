"""The parameter claims of an authorization request, as far as it asks how and who (OpenID Connect Core section 5.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp import strict_json
from idp.protocol.claims import ACR_VALUES
from idp.protocol.errors import InvalidRequest, UnmetAuthenticationRequirements

_PLACES = ("id_token", "userinfo")


@dataclass(frozen=True)
class ClaimsRequest:
    """What is asked of the ID token. Claims of the person come by scopes; what is asked for here is passed over.

    `acr_values` are wished for; `essential_acr`: one of them has to stand in the token. `subject` is the only person
    who will do. Values of acr that do not exist here are left out.
    """

    acr_values: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    subject: str | None = None


def parse(text: str | None) -> ClaimsRequest:
    """Raises InvalidRequest for another shape; UnmetAuthenticationRequirements for an essential acr that never is."""
    if text is None:
        return ClaimsRequest()
    asked = _places(text)["id_token"]
    acr, sub = asked.get("acr") or {}, asked.get("sub") or {}
    wanted = _texts(acr)
    known = tuple(value for value in wanted if value in ACR_VALUES)
    essential = acr.get("essential", False)
    if essential and wanted and not known:
        raise UnmetAuthenticationRequirements(
            "The parameter claims asks for an acr that does not exist here.", received=wanted[0], expected=ACR_VALUES
        )
    return ClaimsRequest(() if essential else known, known if essential else (), _subject(sub))


def _places(text: str) -> dict[str, Mapping[str, Any]]:
    try:
        members = strict_json.object_of(text.encode())
    except ValueError as error:
        raise InvalidRequest("The parameter claims is not a JSON object.", str(error)) from None
    places = {name: members.get(name) or {} for name in _PLACES}
    for place in places.values():
        _check(place)
    return places


def _check(place: Any) -> None:  # a JSON value
    """Section 5.5.1, of every claim, so that a slip of an app is not passed over in silence."""
    requests = [each for each in place.values() if each is not None] if isinstance(place, dict) else [place]
    for each in requests:
        if (
            not isinstance(place, dict)
            or not isinstance(each, dict)
            or not isinstance(each.get("essential", False), bool)
            or not isinstance(each.get("values", []), list)
        ):
            raise InvalidRequest("The parameter claims holds a request that has not the shape of one.")


def _texts(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The value and the values that it names."""
    values = [*([request["value"]] if "value" in request else []), *request.get("values", [])]
    if not all(isinstance(each, str) for each in values):
        raise InvalidRequest("The parameter claims holds a value that is not text.")
    return tuple(dict.fromkeys(values))


def _subject(request: Mapping[str, Any]) -> str | None:
    """Section 3.1.2.2: nobody else may be answered for."""
    values = _texts(request)
    if len(values) > 1:
        raise InvalidRequest("The parameter claims names more than one sub.")
    return values[0] if values else None
