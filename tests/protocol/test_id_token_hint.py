from typing import Any

import pytest

from idp.protocol import id_token_hint
from idp.protocol.errors import InvalidToken
from idp.protocol.id_token_hint import IdTokenHint
from tests.protocol.hostile.good import THEIRS, changed
from tests.protocol.samples import ISSUER, SECONDS
from tests.protocol.test_jwt import ACCESS_TOKEN, ID_TOKEN, KEYS


def read(token: str) -> IdTokenHint:
    return id_token_hint.read(token, KEYS, issuer=ISSUER, now=SECONDS)


def with_claims(**different: Any) -> str:
    return ID_TOKEN.with_(None, changed(ID_TOKEN.claims, **different))


def test_a_hint_may_have_expired() -> None:
    assert read(ID_TOKEN.token) == IdTokenHint("ana", "s1", "app")
    assert read(with_claims(sid=...)).sid is None


@pytest.mark.parametrize(
    "different",
    [
        {"sub": None},
        {"sub": 7},
        {"sid": 7},
        {"sid": None},
        {"aud": ["app"]},
        {"aud": None},
        {"iss": "https://other"},
        {"iat": 1 << 40},
    ],
)
def test_what_is_no_id_token_of_ours_is_no_hint(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        read(with_claims(**different))


def test_an_access_token_or_a_foreign_one_is_no_hint() -> None:
    for token in (ACCESS_TOKEN.token, ID_TOKEN.with_(key=THEIRS), "", "a.b.c", "é.b.c"):
        with pytest.raises(InvalidToken):
            read(token)
