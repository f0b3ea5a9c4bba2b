"""The rules of what is shown as proof: client authentication, codes, refresh tokens and access tokens."""

from idp.protocol.rules.rule import Turn, rule

_CODE = r"The authorization code is not valid\.\n"
_REFRESH = r"The refresh token is not valid\.\n"
_CLIENT = r"Client authentication failed\.\n"
_OF_TOKEN = r"The (access )?token is not valid\.\n"  # noqa: S105  # a pattern
_AGAIN = "Send the person through the authorization endpoint again."
_REUSED = (
    "An honest app uses each refresh token once and keeps the one that comes with the answer. Look for two workers "
    "that share a token, or for an answer that was not stored. If there is none, somebody else has the token. " + _AGAIN
)

RULES = (
    # Client authentication
    rule(
        _CLIENT + "unknown or disabled client",
        "The client is registered and enabled.",
        "RFC 6749 section 2.3",
        "Compare the client id with `idp client list`.",
    ),
    rule(
        _CLIENT + "used ",
        "A client authenticates by the one method that it registered.",
        "RFC 6749 section 2.3",
        "Send the secret the way that is registered, or register the client anew with --auth-method.",
    ),
    rule(
        _CLIENT + "wrong client secret: it ended",
        "A secret counts until it is rotated, or for as long as the rotation said.",
        "RFC 6749 section 2.3.1",
        "Give the app the new secret. Next time rotate with --keep-old, so that both count for a while.",
    ),
    rule(
        _CLIENT + "wrong client secret",
        "The secret is the client's.",
        "RFC 6749 section 2.3.1",
        "Compare it with the one that was shown; look for a line break, quotes or another client's. "
        "A lost secret is replaced: idp client rotate-secret CLIENT_ID.",
    ),
    rule(
        _CLIENT + "(no client authentication|the Authorization header|client assertions|a public client)",
        "The client proves who it is, by Basic or in the body; introspection is for confidential clients.",
        "RFC 6749 section 2.3.1",
        "Send the client id and the secret, each form-encoded, as the registered method says.",
    ),
    rule(
        r"The client authenticated in more than one way|The parameter client_id is not the client",
        "A request authenticates one client in one way.",
        "RFC 6749 section 2.3",
        "Send either the Authorization header or client_secret, of the same client.",
    ),
    # Codes
    rule(
        _CODE + "the code was used already",
        "A code is redeemed once. A second use ends what the first one gave, because somebody may have stolen it.",
        "RFC 6749 section 4.1.2",
        "Look for a callback that is loaded twice: a reload, a prefetch, two workers. " + _AGAIN,
    ),
    rule(
        _CODE + "unknown code",
        "A code is one that was given here within the last hour.",
        "RFC 6749 section 4.1.3",
        "Look for a code that is cut, changed or of another provider. " + _AGAIN,
    ),
    rule(
        _CODE + "the code was given to the client",
        "A code is redeemed by the client that it was given to.",
        "RFC 6749 section 4.1.3",
        "Look for two apps that share a callback, or a client id that was mixed up.",
    ),
    rule(
        _CODE + "the code expired",
        "A code is redeemed at once: it is short-lived.",
        "RFC 6749 section 4.1.2",
        "Look for what is slow between the callback and the token request, and for clocks that differ.",
    ),
    rule(
        _CODE + "redirect_uri is not the one",
        "The token request repeats the redirect URI of the authorization request.",
        "RFC 6749 section 4.1.3",
        "Send the same redirect_uri, character by character.",
    ),
    rule(
        _CODE + "code_verifier does not match",
        "The verifier is the one of which the challenge was made.",
        "RFC 7636 section 4.6",
        "Keep the verifier in the session that began the sign-in. Usually two tabs overwrote each other's.",
    ),
    rule(
        _CODE + "code_verifier missing",
        "The request had a challenge, so the exchange has the verifier.",
        "RFC 7636 section 4.5",
        "Send code_verifier.",
    ),
    rule(
        _CODE + "code_verifier sent",
        "Without a challenge in the request a verifier means that the challenge was taken out on the way.",
        "RFC 9700 section 4.8.2",
        "Send code_challenge in the authorization request.",
    ),
    rule(
        _CODE + "(the person|their session|their consent)",
        "What the code was given for still holds: the person, their session and their consent.",
        "RFC 6749 section 4.1.3",
        _AGAIN,
    ),
    # Refresh tokens
    rule(
        _REFRESH + "not a refresh token",
        "The token has the form of one that is given here.",
        "RFC 6749 section 6",
        "Look for a token that is cut, changed, of another kind or of another provider.",
    ),
    rule(
        _REFRESH + "(no such family|wrong mac)",
        "The token is one that was given here, and its grant is still kept.",
        "RFC 6749 section 6",
        "Look for a token that was changed or made up, or one whose grant ended long ago. " + _AGAIN,
    ),
    rule(
        _REFRESH + "the grant was ended",
        "A grant that was ended stays so, and every token of it with it.",
        "RFC 6749 section 5.2",
        "The reason says what ended it. " + _AGAIN,
    ),
    rule(
        _REFRESH + "refresh token used by another client",
        "A refresh token is used by the client that it was given to. In other hands it has leaked: its family ends.",
        "RFC 6749 section 10.4",
        "Find out how the other client came by it. " + _AGAIN,
    ),
    rule(
        _REFRESH + "refresh token reused",
        "A refresh token is used once; an older one in use means that there are two who have it, and its family ends.",
        "RFC 9700 section 4.14.2",
        _REUSED,
    ),
    rule(
        _REFRESH + "generation ahead",
        "The database knows every token that was given.",
        "RFC 6749 section 6",
        "The database lost its last commits, as after a restored backup or a disk that lied. " + _AGAIN,
        Turn.OPERATOR,
    ),
    rule(
        _REFRESH + r"[^\n]*is no longer active",
        "What the grant stands on is alive: the person, the client and, without offline_access, the session.",
        "OpenID Connect Core section 11",
        "Ask for offline_access if the app needs access when the person is away. " + _AGAIN,
    ),
    rule(
        _REFRESH + "(unused for too long|too old)",
        "A refresh token is used from time to time, and not for ever.",
        "RFC 9700 section 4.14.2",
        _AGAIN + " The lifetimes are IDP_REFRESH_IDLE_LIFETIME and IDP_REFRESH_ABSOLUTE_LIFETIME.",
    ),
    # Tokens that are shown
    rule(
        _OF_TOKEN + "expired",
        "An access token is used before it expires.",
        "RFC 6750 section 3.1",
        "Refresh it.",
    ),
    rule(
        _OF_TOKEN + "it was revoked",
        "The token, its grant, person, client and session are alive.",
        "RFC 6750 section 3.1",
        _AGAIN,
    ),
    rule(
        _OF_TOKEN,
        "The token is an access token of this provider, as it was given.",
        "RFC 9068 section 4",
        "Look for a token that is cut, an ID token, or one of another provider.",
    ),
    rule(
        r"No access token was sent|The access token was sent in more than one way",
        "The access token is sent once: in the Authorization header, or in the body.",
        "RFC 6750 section 2",
        "Send Authorization: Bearer TOKEN.",
    ),
    rule(
        r"The access token does not have the scope openid",
        "Userinfo is for tokens of a person with the scope openid.",
        "OpenID Connect Core section 5.3",
        "Ask for openid in the authorization request.",
    ),
    rule(
        r"An ID token cannot be revoked",
        "Access tokens and refresh tokens can be revoked.",
        "RFC 7009 section 2.2.1",
        "Revoke the refresh token.",
    ),
)
