"""The rules of requests: their parameters, their scopes and grants, and the pages of a sign-in."""

from idp.protocol.rules.rule import Turn, rule

RULES = (
    # The authorization request
    rule(
        r"The parameter redirect_uri is not registered",
        "The redirect URI equals one that the client registered, character by character.",
        "RFC 9700 section 2.1",
        "Send one that is registered, or register this one: idp client update CLIENT_ID --redirect-uri URI.",
    ),
    rule(
        r"The parameter redirect_uri is missing",
        "An authorization request names its redirect URI.",
        "OpenID Connect Core section 3.1.2.1",
        "Send redirect_uri, equal to a registered one.",
    ),
    rule(
        r"The parameter client_id (or id_token_hint )?(names no client|is missing)",
        "A request names a client that is registered and enabled.",
        "RFC 6749 section 2.2",
        "Compare client_id with `idp client list`.",
    ),
    rule(
        r"The parameter (client_id|redirect_uri) was sent more than once|A parameter was sent more than once",
        "No parameter is sent more than once.",
        "RFC 6749 section 3.1",
        "Send it once. Look for a value in the query and in the body, or for a list that was serialised.",
    ),
    rule(
        r"The parameter response_type must be code",
        "The response type is code; implicit and hybrid answers put tokens into addresses.",
        "RFC 9700 section 2.1.2",
        "Send response_type=code, with PKCE.",
    ),
    rule(
        r"The parameter response_mode must",
        "The response mode is query or form_post.",
        "OAuth 2.0 Multiple Response Type Encoding Practices section 2.1",
        "Leave response_mode out, or send form_post.",
    ),
    rule(
        r"The parameter code_challenge is missing",
        "The client proves with PKCE that whoever redeems the code is who asked for it.",
        "RFC 7636 section 4.4.1",
        "Send code_challenge and code_challenge_method=S256, and the verifier at the token endpoint.",
    ),
    rule(
        r"The parameter code_challenge(_method)? must",
        "The challenge is the SHA-256 of the verifier, in base64url without padding.",
        "RFC 7636 section 4.2",
        "Send code_challenge_method=S256 and the 43 characters that its hash has.",
    ),
    rule(
        r"The parameter (request|request_uri|registration) is not supported",
        "Parameters are sent plainly; request objects are not supported.",
        "OpenID Connect Core section 6",
        "Send the parameters themselves.",
    ),
    rule(
        r"The parameter prompt holds",
        "prompt is none alone, or any of login, consent and select_account.",
        "OpenID Connect Core section 3.1.2.1",
        "Send one of these values, or leave prompt out.",
    ),
    rule(
        r"The parameter prompt is none",
        "With prompt=none nobody is asked anything, so everything has to be settled before.",
        "OpenID Connect Core section 3.1.2.6",
        "Ask again without prompt=none.",
    ),
    rule(
        r"The parameter max_age must",
        "max_age is a whole number of seconds.",
        "OpenID Connect Core section 3.1.2.1",
        "Send digits alone, or leave max_age out.",
    ),
    rule(
        r"The parameter claims (is|holds|names)",
        "claims is a JSON object; each claim in it is null, or an object with essential, value and values.",
        "OpenID Connect Core section 5.5.1",
        "Compare it with the examples of that section. A sub is named once.",
    ),
    rule(
        r"The parameter claims asks for an acr",
        "An essential acr is met, or the sign-in has failed.",
        "OpenID Connect Core section 5.5.1.1",
        "Ask for one of acr_values_supported, or leave out that it is essential.",
    ),
    rule(
        r"The parameters id_token_hint and claims name two people",
        "Nobody but the person whom the app names is answered for, so that it names one.",
        "OpenID Connect Core section 3.1.2.2",
        "Send one of the two, or the same person in both.",
    ),
    rule(
        r"The parameter id_token_hint",
        "The hint is an ID token that this very client was given here, by a key that is still published.",
        "OpenID Connect Core section 3.1.2.1",
        "Send the ID token as it came, or leave the hint out.",
    ),
    rule(
        r"The parameter state holds a line break",
        "State comes back as it was, which a form cannot do with a line break.",
        "RFC 6749 appendix A.5",
        "Send printable characters, such as base64url.",
    ),
    rule(
        r"The parameter \w+ is too long|The request is too long",
        "A value fits into an address.",
        "RFC 9110 section 4.1",
        "Send a short, random value, and keep what it stands for in the app's own session.",
    ),
    rule(
        r"The person did not allow the access",
        "A person decides what an app may get.",
        "RFC 6749 section 4.1.2.1",
        "Nothing is wrong. Say so to the person, and offer to try again.",
        Turn.PERSON,
    ),
    # The logout request
    rule(
        r"The parameter post_logout_redirect_uri is not registered",
        "The post-logout redirect URI equals one that the client registered, character by character.",
        "OpenID Connect RP-Initiated Logout section 3",
        "Send one that is registered, or register this one: "
        "idp client update CLIENT_ID --post-logout-redirect-uri URI.",
    ),
    rule(
        r"The parameter post_logout_redirect_uri needs",
        "An address to return to is some client's, which the request names.",
        "OpenID Connect RP-Initiated Logout section 2",
        "Send client_id, or the ID token as id_token_hint.",
    ),
    rule(
        r"The address of this logout is not one of ours",
        "An address of ours that holds a logout is as we made it, under a secret key that we still have.",
        "OpenID Connect RP-Initiated Logout section 2",
        "Sign out again at the app.",
        Turn.PERSON,
    ),
    # Every request
    rule(
        r"The parameter \w+ is missing\.",
        "The parameter is required here; one that is empty counts as absent.",
        "RFC 6749 section 3.1",
        "Send it.",
    ),
    rule(
        r"There are too many parameters|The parameters are not valid UTF-8|A parameter holds a control character",
        "A request has at most 100 parameters, in UTF-8, without control characters.",
        "RFC 6749 appendix B",
        "Look at how the request is encoded.",
    ),
    rule(
        r"The body must be application/x-www-form-urlencoded",
        "A request to this endpoint is a form.",
        "RFC 6749 appendix B",
        "Send Content-Type: application/x-www-form-urlencoded, not JSON and not multipart.",
    ),
    # Scopes and grants
    rule(
        r"The parameter scope is malformed",
        "Scopes are printable ASCII words without quotes and backslashes, separated by spaces.",
        "RFC 6749 section 3.3",
        "Send the names, separated by single spaces.",
    ),
    rule(
        r"The parameter scope names",
        "A client gets scopes that are registered for it.",
        "RFC 6749 section 3.3",
        'Ask for less, or register more: idp client update CLIENT_ID --scope "...".',
    ),
    rule(
        r"The parameter scope asks for more",
        "A refresh gives what was granted, or less.",
        "RFC 6749 section 6",
        "Leave scope out, or send the person through the authorization endpoint for more.",
    ),
    rule(
        r"The parameter grant_type names",
        "The grant exists here.",
        "RFC 6749 section 5.2",
        "Use authorization_code, refresh_token or client_credentials.",
    ),
    rule(
        r"This client may not use",
        "A client uses the grants that are registered for it.",
        "RFC 6749 section 5.2",
        "Register the grant: idp client update CLIENT_ID --grant-type ...",
        Turn.OPERATOR,
    ),
    # Pages
    rule(
        r"This form could not be trusted",
        "A form is sent by our own page in the browser that it was shown to.",
        "RFC 6819 section 4.4.1.8",
        "Go back and send it again. Where it happens to everybody, a proxy changes the Origin header or drops cookies.",
        Turn.PERSON,
    ),
    rule(
        r"Your browser does not keep our cookie",
        "The browser brings back the cookie that the sign-in began with.",
        "RFC 6265 section 5.4",
        "Allow cookies. Where it happens to everybody, people reach the provider by another address than the issuer.",
        Turn.PERSON,
    ),
    rule(
        r"This sign-in is over",
        "A sign-in is finished within its lifetime.",
        "OpenID Connect Core section 3.1.2.2",
        "Start again at the app.",
        Turn.PERSON,
    ),
    rule(
        r"This app is not known here",
        "The app is registered and enabled while the person signs in.",
        "RFC 6749 section 2.2",
        "It was disabled or deleted meanwhile: see `idp client list`.",
        Turn.OPERATOR,
    ),
    rule(
        r"You cannot be sent back to this app",
        "The redirect URI is registered while the person signs in.",
        "RFC 9700 section 2.1",
        "It was taken out meanwhile: see `idp client show CLIENT_ID`.",
        Turn.OPERATOR,
    ),
    rule(
        r"That was too much",
        "A request stays within the limits that the documentation of the endpoints names.",
        "RFC 9110 section 15.5.14",
        "Send less. Where it is headers, look for cookies that have piled up; too long a URL can be posted instead.",
    ),
    rule(
        r"This is not where we are found",
        "The Host header names the issuer.",
        "RFC 9110 section 7.2",
        "Have the proxy pass on the Host that it got. IDP_ISSUER is the address that browsers and apps use.",
        Turn.OPERATOR,
    ),
    rule(
        r"That was not understood\n(no Host header|two headers|a transfer coding)",
        "A header that decides comes once, and a length is a length.",
        "RFC 9112 section 11.2",
        "Look at what the HTTP client or the proxy sends; something in between may add the header again.",
    ),
    rule(
        r"That was not understood\nthe body is compressed",
        "A body is sent as it is.",
        "RFC 9110 section 8.4",
        "Send it without Content-Encoding.",
    ),
    rule(
        r"There is no such page\na control character in the path",
        "A path is printable UTF-8.",
        "RFC 3986 section 2.1",
        "Send an address of ours as the discovery document has it.",
    ),
    rule(
        r"That took too long",
        "A body comes within the time that the documentation of the limits names.",
        "RFC 9110 section 15.5.9",
        "Send it again; where it happens often, look at the network, and at what announces more than it sends.",
        Turn.PERSON,
    ),
)
