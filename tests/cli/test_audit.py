"""`idp audit verify`: the record is whole, or the command says where it is not."""

from pathlib import Path

import pytest

from idp.services import Services
from idp.store import audit_chain
from tests.oauth.wire import sql, with_services
from tests.provider import EMAIL, Provider, installed


@pytest.fixture
def sealed(tmp_path: Path) -> Provider:
    """What happened is sealed; a minute ago is far enough back, by a clock that is set forward."""
    with installed(tmp_path) as provider:
        provider.create_user()
        provider.create_client()

        async def seal(services: Services) -> None:
            assert await audit_chain.seal_next(
                services.database, services.sealer, services.clock() + 2 * audit_chain.LAG
            )

        with_services(provider, seal)
        return provider


def test_a_record_that_is_whole_says_so_and_which_seal_is_the_last(sealed: Provider) -> None:
    sealed.cli("user", "disable", EMAIL)
    found = sealed.cli("audit", "verify")
    assert (found["whole"], found["seals"], found["not_sealed_yet"]) == (True, 1, 1)
    assert found["rows"] >= 2
    assert sealed.cli("audit", "verify", "--expect", found["last"]) == found


def test_lg_03_a_record_that_was_rewritten_is_told_and_where(sealed: Provider) -> None:
    """The attacker, who can write to the file of the database, makes what he did look like somebody else's doing."""
    last = sealed.cli("audit", "verify")["last"]
    sql(sealed, "DROP TRIGGER audit_is_fixed")
    sql(sealed, "UPDATE audit SET client_id = 'somebody else' WHERE event = 'user.created'")
    done = sealed.run("audit", "verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The audit was tampered with: between the beginning and ")
    sql(sealed, "DROP TRIGGER audit_seals_stay")
    sql(sealed, "DELETE FROM audit_seals")
    done = sealed.run("audit", "verify", "--expect", last)
    assert "the end of the audit was cut off" in done.stderr


@pytest.mark.parametrize("expected", ["12", "0:" + "a" * 64, "1:" + "g" * 64, "1:" + "a" * 63, ""])
def test_what_is_no_seal_of_a_log_is_refused_as_usage(sealed: Provider, expected: str) -> None:
    done = sealed.run("audit", "verify", "--expect", expected)
    assert done.returncode == 2
    assert "as the line audit_sealed of the log has them" in done.stderr
