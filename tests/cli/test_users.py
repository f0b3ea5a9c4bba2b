"""`idp user`, while the server runs."""

import subprocess
import sys

import httpx2
import pytest

from tests.cli.conftest import Many
from tests.oauth.wire import sql
from tests.provider import TLS, Browser, Provider, authorize_url, pkce, token_request, tokens_for

SHAPE = {"sub", "email", "email_verified", "name", "claims", "created_at", "updated_at", "disabled_at"}
SHAPE |= {"disowned_at", "recovery_from"}
PASSWORD = "a password of some length"


def userinfo(provider: Provider, token: str) -> httpx2.Response:
    return httpx2.get(f"{provider.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}, verify=TLS)


def may_sign_in(provider: Provider, client: dict[str, object], email: str, password: str) -> bool:
    response = Browser(provider.issuer).sign_in(authorize_url(client, pkce().challenge), email, password)
    return "code=" in response.headers.get("location", "")


def test_a_person_is_created_shown_listed_and_changed(provider: Provider) -> None:
    claim = ("--claim", "given_name=Bo", "--claim", "address=Main Street 1", "--claim", "phone_number_verified=true")
    created = provider.cli("user", "create", "Bo@Example.test", "--name", "Bo Example", *claim)
    assert set(created) == SHAPE
    assert (created["email"], created["email_verified"], created["name"]) == ("Bo@Example.test", False, "Bo Example")
    assert created["claims"]["address"] == {"formatted": "Main Street 1"}
    assert created["claims"]["phone_number_verified"] is True
    assert provider.cli("user", "show", "bo@example.TEST") == created
    assert provider.cli("user", "show", created["sub"]) == created
    assert created in provider.cli("user", "list")
    updated = provider.cli("user", "update", created["sub"], "--name", "Bo Other", "--claim", "given_name=")
    assert updated["name"] == "Bo Other"
    assert "given_name" not in updated["claims"]
    done = provider.shell("user", "list")
    assert (done.returncode, "bo@example.test" in done.stdout.lower()) == (0, True)


def test_exactly_one_newline_of_a_password_is_dropped(provider: Provider) -> None:
    client = provider.create_client()
    provider.create_user("spaces@example.test", f"  {PASSWORD}  \n")  # create_user adds the shell's newline
    assert may_sign_in(provider, client, "spaces@example.test", f"  {PASSWORD}  \n")
    assert not may_sign_in(provider, client, "spaces@example.test", f"  {PASSWORD}  ")
    assert not may_sign_in(provider, client, "spaces@example.test", PASSWORD)
    provider.cli("user", "set-password", "spaces@example.test", "--password-stdin", stdin=f" {PASSWORD} ")
    assert may_sign_in(provider, client, "spaces@example.test", f" {PASSWORD} ")


def test_a_password_that_cannot_be_used_creates_nobody(provider: Provider) -> None:
    create = ("user", "create", "short@example.test", "--password-stdin", "--json")
    short = provider.shell(*create, stdin="elevenchars\n")
    assert (short.returncode, short.stdout) == (1, "")
    assert (
        short.stderr == "Error: That password is too short: take at least 12 characters, such as four or five words.\n"
    )
    command = [sys.executable, "-m", "idp", *create]
    latin = subprocess.run(
        command, input=b"a password in Latin-1: \xe4\n", capture_output=True, env=provider.environment, check=False
    )
    assert (latin.returncode, latin.stdout) == (1, b"")
    assert b"not UTF-8" in latin.stderr
    assert "short@example.test" not in {each["email"] for each in provider.cli("user", "list")}


def test_what_cannot_be_done_is_refused_with_the_reason(provider: Provider, run_many: Many) -> None:
    refused = [
        (["user", "create", "ANA@example.test"], 1, "There is already a person with the address ANA@example.test."),
        (["user", "create", "ana"], 1, "'ana' is not an e-mail address"),
        (["user", "create", "a na@example.test"], 1, "is not an e-mail address"),
        (["user", "create", "a@example.test", "--claim", "role=admin"], 2, "--claim role=admin"),
        (["user", "create", "a@example.test", "--claim", "email_verified=true"], 2, "--claim email_verified"),
        (["user", "create", "a@example.test", "--claim", "address={"], 2, "address"),
        (["user", "create", "a@example.test", "--claim", 'address={"formatted": NaN}'], 2, "whose values are text"),
        (["user", "create", "a@example.test", "--claim", 'address={"country": ["FR"]}'], 2, "whose values are text"),
        (["user", "create", "a@example.test", "--claim", "address=" + '{"country":' * 5000], 2, "a JSON object"),
        (["user", "create", "a@example.test", "--claim", 'address={"country": "\\ud800"}'], 2, "printable"),
        (["user", "create", "a@example.test", "--claim", "address=" + "x" * 1001], 2, "at most 1000"),
        (["user", "create", "a@example.test", "--name", "x" * 1001], 2, "at most 1000 printable characters"),
        (["user", "create", "a@example.test", "--name", "Ana\u202eanA"], 2, "printable"),
        (["user", "create", "a@example.test", "--claim", "nickname=Ana\nExample"], 2, "printable"),
        (["user", "update", "ana@example.test", "--claim", "nickname=\x1b[2J"], 2, "printable"),
        (["user", "update", "ana@example.test"], 2, "Say what to change"),
        (["user", "set-password", "ana@example.test"], 2, "--password-stdin"),
        (["user", "set-password", "ana@example.test", "--password-stdin", "--password-hash-stdin"], 2, "read once"),
        (["user", "create", "a@example.test", "--password-stdin", "--password-hash-stdin"], 2, "read once"),
        (["user", "create", "a@example.test", "--name", "Caf\udce9"], 2, "'Caf\\udce9' is not UTF-8."),
        (["user", "show", "Caf\udce9@example.test"], 2, "is not UTF-8."),
        (["user", "create"], 2, "EMAIL"),
        (["user", "show", "nobody@example.test"], 1, "There is no person nobody@example.test."),
        (["user", "update", "nobody@example.test", "--name", "X"], 1, "There is no person"),
        (["user", "disable", "nobody@example.test"], 1, "There is no person"),
        (["user", "enable", "nobody@example.test"], 1, "There is no person"),
        (["user", "delete", "nobody@example.test"], 1, "There is no person"),
        (["user", "vanish"], 2, "No such command 'vanish'"),
    ]
    for (command, code, reason), done in zip(refused, run_many(provider, [each[0] for each in refused]), strict=True):
        assert (done.code, done.stdout) == (code, ""), command
        assert reason in done.stderr, command
        assert "Traceback" not in done.stderr, command
    assert "a@example.test" not in {each["email"] for each in provider.cli("user", "list")}


def test_arguments_that_are_no_text_are_refused_before_anything_is_asked(provider: Provider) -> None:
    command: list[str | bytes] = [sys.executable, "-m", "idp", "user", "show", b"Caf\xe9@example.test"]
    done = subprocess.run(command, capture_output=True, env=provider.environment, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"Error: 'Caf\\udce9@example.test' is not UTF-8.\n"


def test_claims_are_kept_without_the_space_round_them_and_an_empty_one_is_none(provider: Provider) -> None:
    address = '{"formatted": "Main Street 1\\r\\n1234 Town", "country": "FR"}'
    claims = ("--claim", f"address={address}", "--claim", "nickname=", "--claim", "phone_number_verified=true")
    created = provider.cli("user", "create", "lu@example.test", "--name", "  Lu  ", *claims)
    assert created["claims"] == {
        "name": "Lu",
        "address": {"formatted": "Main Street 1\r\n1234 Town", "country": "FR"},
        "phone_number_verified": True,
    }
    removed = ("--name", "", "--claim", "address=", "--claim", "phone_number_verified=")
    assert provider.cli("user", "update", "lu@example.test", *removed)["claims"] == {}


def test_a_new_password_ends_every_session_and_token(provider: Provider) -> None:
    client = provider.create_client()
    provider.create_user("cy@example.test", PASSWORD)
    browser = Browser(provider.issuer)
    url = authorize_url(client, pkce().challenge, scope="openid")
    browser.sign_in(url, "cy@example.test", PASSWORD)
    other = Browser(provider.issuer)
    other.sign_in(url, "cy@example.test", PASSWORD)
    tokens = tokens_for(provider, client, browser, scope="openid offline_access")
    assert "code=" in other.open(url).headers["location"]
    shown = provider.cli("user", "set-password", "cy@example.test", "--password-stdin", stdin="another long password\n")
    assert set(shown) == SHAPE
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    refreshed = token_request(provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"
    assert 'id="continue"' in other.open(url).text
    assert not may_sign_in(provider, client, "cy@example.test", PASSWORD)
    assert may_sign_in(provider, client, "cy@example.test", "another long password")


@pytest.mark.slow
def test_a_disabled_person_is_out_until_enabled_again(provider: Provider) -> None:
    client = provider.create_client()
    provider.create_user("di@example.test", PASSWORD)
    browser = Browser(provider.issuer)
    browser.sign_in(authorize_url(client, pkce().challenge), "di@example.test", PASSWORD)
    tokens = tokens_for(provider, client, browser, scope="openid offline_access")
    disabled = provider.cli("user", "disable", "di@example.test")
    assert disabled["disabled_at"] is not None
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert not may_sign_in(provider, client, "di@example.test", PASSWORD)
    assert provider.cli("user", "enable", "di@example.test")["disabled_at"] is None
    assert may_sign_in(provider, client, "di@example.test", PASSWORD)
    ended = token_request(provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert ended.json()["error"] == "invalid_grant"
    assert userinfo(provider, tokens["access_token"]).status_code == 401


@pytest.mark.slow
def test_a_deleted_person_is_gone(provider: Provider) -> None:
    client = provider.create_client()
    created = provider.create_user("ed@example.test", PASSWORD)
    browser = Browser(provider.issuer)
    browser.sign_in(authorize_url(client, pkce().challenge), "ed@example.test", PASSWORD)
    tokens = tokens_for(provider, client, browser)
    assert provider.cli("user", "delete", "ed@example.test") == {"sub": created["sub"], "deleted": True}
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert not may_sign_in(provider, client, "ed@example.test", PASSWORD)
    assert "ed@example.test" not in {each["email"] for each in provider.cli("user", "list")}


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("password1234", "tried first"),
        ("qwertyuiopasdf", "easy to guess"),
        ("Passwordpassword", "easy to guess"),
        ("eve@example.test", "easy to guess"),
        ("Evangelina-Zwerenz", "easy to guess"),
        ("eleven char", "12 characters"),
    ],
)
def test_pw_05_a_password_that_would_be_guessed_is_refused_with_the_reason(
    provider: Provider, password: str, why: str
) -> None:
    """The attacker tries what people take when nobody stops them."""
    names = ("--name", "Eve", "--claim", "given_name=Evangelina", "--claim", "family_name=Zwerenz")
    done = provider.shell("user", "create", "eve@example.test", *names, "--password-stdin", stdin=password)
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert password not in done.stderr


def test_pw_11_a_password_has_no_age_and_no_history(provider: Provider) -> None:
    """The attacker knows last year's password, and that people who have to change it count up."""
    client = provider.create_client()
    created = provider.create_user("old@example.test", PASSWORD)
    years_ago = "2020-01-01T00:00:00.000000Z"
    change = "UPDATE credentials SET created_at = ?, updated_at = ? WHERE user_id = ?"
    sql(provider, change, years_ago, years_ago, created["sub"])
    assert may_sign_in(provider, client, "old@example.test", PASSWORD)
    for _ in range(2):
        provider.cli("user", "set-password", "old@example.test", "--password-stdin", stdin=PASSWORD)
    assert may_sign_in(provider, client, "old@example.test", PASSWORD)


def test_a_hash_that_is_none_creates_nobody(provider: Provider) -> None:
    for given in ("plain text", "", "$2b$31$" + "a" * 53, "{}", "{SSHA}AAAAA", '{"credentialData": "{}"}'):
        done = provider.shell("user", "create", "eve@example.test", "--password-hash-stdin", stdin=given)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: That hash cannot be used: ")
    assert provider.shell("user", "show", "eve@example.test").returncode == 1


def test_a_factor_that_nobody_has_is_reset_without_a_word(provider: Provider) -> None:
    provider.create_user("finn@example.test")
    assert [each["factor"] for each in provider.cli("user", "factors", "finn@example.test")] == ["password"]
    assert provider.cli("user", "reset-factors", "finn@example.test")["email"] == "finn@example.test"
    assert [each["factor"] for each in provider.cli("user", "factors", "finn@example.test")] == ["password"]
