from typing import Any

import pytest

from idp.protocol import id_token_hint
from idp.protocol.errors import InvalidToken
from idp.protocol.id_token_hint import IdTokenHint
from tests.protocol.samples import ISSUER, SECONDS
from tests.protocol.test_jwt import HEADER, KEYS, THEIRS, signed

ID_TOKEN = {"iss": ISSUER, "sub": "ana", "sid": "s1", "aud": "app", "iat": SECONDS - 999, "exp": SECONDS - 99}
OF_ID_TOKEN = HEADER | {"typ": "JWT"}


def read(token: str) -> IdTokenHint:
    return id_token_hint.read(token, KEYS, issuer=ISSUER, now=SECONDS)


def test_a_hint_may_have_expired() -> None:
    assert read(signed(OF_ID_TOKEN, ID_TOKEN)) == IdTokenHint("ana", "s1", "app")
    assert read(signed(OF_ID_TOKEN, ID_TOKEN | {"sid": None})).sid is None


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": None},
        {"sub": 7},
        {"sid": 7},
        {"aud": ["app"]},
        {"aud": None},
        {"iss": "https://other"},
        {"iat": 1 << 40},
    ],
)
def test_what_is_no_id_token_of_ours_is_no_hint(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        read(signed(OF_ID_TOKEN, ID_TOKEN | changed))


def test_an_access_token_or_a_foreign_one_is_no_hint() -> None:
    for token in (signed(HEADER, ID_TOKEN), signed(OF_ID_TOKEN, ID_TOKEN, key=THEIRS), "", "a.b.c", "é.b.c"):
        with pytest.raises(InvalidToken):
            read(token)
