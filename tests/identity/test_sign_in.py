"""People sign in with a password; the five roles exist; a session ends."""

import subprocess
import sys
from datetime import timedelta

import pytest

from trivet import db
from trivet.identity import audit, service, sessions
from trivet.identity.models import ROLES
from trivet.kit.clock import utc_now
from trivet.kit.errors import Conflict, Invalid

PASSWORD = "correct horse battery"
RULES = sessions.Rules(timedelta(hours=1), timedelta(hours=1), timedelta(hours=1))


@pytest.fixture
def ada(database: str) -> str:
    with db.transaction() as session:
        service.create_user(session, email="Ada@Example.test", name="Ada", role="sre", password=PASSWORD, actor="test")
    return "ada@example.test"


class TestAPassword:
    def test_costs_whoever_guesses_it_64_mib_and_three_rounds(self) -> None:
        """What OWASP asks for, and more; asked of a process of its own, for tests hash with less."""
        made = "from trivet.identity import service; print(service._hasher.hash('correct horse battery'))"
        said = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, timeout=60, check=True)
        assert said.stdout.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


class TestSigningIn:
    def test_the_right_password_gives_a_session_that_names_the_person(self, ada: str) -> None:
        now = utc_now()
        with db.transaction() as session:
            made = service.sign_in(session, email=ada.upper(), password=PASSWORD, now=now, hours=1)
            assert made is not None
        with db.transaction() as session:
            found = sessions.who(session, made.token, now, RULES)
            assert found is not None
            assert (found[0].email, found[0].role) == (ada, "sre")

    @pytest.mark.parametrize("email", ["ada@example.test", "nobody@example.test"])
    def test_a_wrong_password_or_an_unknown_address_gives_nothing(self, ada: str, email: str) -> None:
        with db.transaction() as session:
            assert service.sign_in(session, email=email, password="wrong", now=utc_now(), hours=1) is None


class TestPeople:
    def test_each_of_the_five_roles_can_be_given_and_no_other(self, database: str) -> None:
        with db.transaction() as session:
            for role in ROLES:
                service.create_user(
                    session, email=f"{role}@example.test", name=role, role=role, password=PASSWORD, actor="test"
                )
            with pytest.raises(Invalid, match="Role is one of"):
                service.create_user(
                    session, email="x@example.test", name="x", role="root", password=PASSWORD, actor="test"
                )

    def test_an_address_is_taken_once(self, ada: str) -> None:
        with db.transaction() as session, pytest.raises(Conflict):
            service.create_user(session, email=ada, name="Ada", role="sre", password=PASSWORD, actor="test")


class TestTheFirstStart:
    def test_makes_the_person_and_the_key_once(self, database: str) -> None:
        wish = {"email": "boss@example.test", "password": PASSWORD, "key": "tvt_" + "k" * 32}
        with db.transaction() as session:
            assert service.bootstrap(session, **wish) == ["person boss@example.test", "admin key"]
        with db.transaction() as session:
            assert service.bootstrap(session, **wish) == []
            assert audit.first_broken(session) is None
