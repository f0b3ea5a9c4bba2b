"""What each error code means and what its reader can do: the pages of `error_uri` (RFC 6749 section 4.1.2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """For the people who develop the app."""

    what: str
    what_to_do: str


MEANINGS: Mapping[str, Meaning] = {
    "invalid_request": Meaning(
        "A parameter is missing, was sent twice, or has a value that it may not have.",
        "The description names the parameter. Compare what the app sends with the specification.",
    ),
    "invalid_client": Meaning(
        "The client is not known, or did not prove that it is the one it names.",
        "Compare the client id, the secret and the authentication method with what is registered.",
    ),
    "invalid_grant": Meaning(
        "The code or refresh token is not valid any more, or was given to another client or another request.",
        "Send the person through the authorization endpoint again. Where it happens often, look for a code that is "
        "sent twice, or for two workers that refresh with the same token.",
    ),
    "temporarily_unavailable": Meaning(
        "The provider cannot answer now, or (429) the client sends more requests than it may.",
        "Wait as long as Retry-After says, and send it again.",
    ),
    "unauthorized_client": Meaning(
        "The client is not registered for this grant type.",
        "Ask the operator to add the grant type to the client.",
    ),
    "unsupported_grant_type": Meaning(
        "There is no such grant here.", "The discovery document lists those that there are: grant_types_supported."
    ),
    "unsupported_response_type": Meaning(
        "The app asked for something else than a code.", "Send response_type=code, with PKCE."
    ),
    "invalid_scope": Meaning(
        "The scope is malformed, or holds nothing that the client may have.",
        "Ask for scopes that are registered for the client, or ask the operator to add them.",
    ),
    "access_denied": Meaning(
        "The person did not allow the access.", "Say so to the person, and offer to try again. It is their choice."
    ),
    "login_required": Meaning(
        "The app sent prompt=none, but nobody is signed in who could be answered for.",
        "Ask again without prompt=none, so that the person can sign in.",
    ),
    "account_selection_required": Meaning(
        "The app sent prompt=none, but several people are signed in and none of them is named.",
        "Ask again without prompt=none, or name the person with id_token_hint or login_hint.",
    ),
    "consent_required": Meaning(
        "The app sent prompt=none, but the person has to be asked what the app may get.",
        "Ask again without prompt=none.",
    ),
    "unmet_authentication_requirements": Meaning(
        "The app insists on a way of signing in that does not exist here.",
        "Ask for one of acr_values_supported in the discovery document, or leave out that it is essential.",
    ),
    "request_not_supported": Meaning("Request objects are not supported.", "Send plain parameters."),
    "request_uri_not_supported": Meaning("The parameter request_uri is not supported.", "Send plain parameters."),
    "registration_not_supported": Meaning(
        "The parameter registration is not supported.", "Ask the operator to register the app."
    ),
    "unsupported_token_type": Meaning(
        "The token is of a kind that cannot be revoked.",
        "Revoke the access token or the refresh token. An ID token only tells who signed in.",
    ),
    "invalid_token": Meaning(
        "The access token is expired, ended, malformed or not from here.",
        "Refresh it, or send the person through the authorization endpoint again.",
    ),
    "insufficient_scope": Meaning(
        "The access token does not have the scope that this endpoint needs.",
        "Ask for the scope in the authorization request.",
    ),
    "invalid_redirect_uri": Meaning(
        "The redirect URI cannot be registered.", "Register an https address, or a loopback one, without a fragment."
    ),
    "invalid_client_metadata": Meaning(
        "The client's data does not fit together.", "The description names the member that is wrong."
    ),
}


def uri(issuer: str, error: str, reference: str) -> str:
    """Where `error` is explained to who develops the app; `reference` tells the operator which refusal it was."""
    return f"{issuer}/errors/{error}?reference={reference}"
