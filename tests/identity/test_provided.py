"""Who somebody is whom a provider sent: by a verified address, in a role that a group gives, of a tenant it names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trivet import db
from trivet.identity import audit, people, provided, service, sessions
from trivet.identity.models import User
from trivet.identity.refusal import SignInRefused
from trivet.settings import Settings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example", "sub": "1", "email": "Ada@Example.test", "email_verified": True, "name": "Ada",
}  # fmt: skip
ROLES: Any = {"ops": "sre", "money": "finance", "root": "admin"}


def wanted(claims: dict[str, Any] | None = None, **set_: Any) -> provided.Wanted:
    return provided.wanted(Settings(**set_), CLAIMS | (claims or {}))


def refusal(claims: dict[str, Any] | None = None, **set_: Any) -> str:
    with pytest.raises(SignInRefused) as refused:
        wanted(claims, **set_)
    return refused.value.why


class TestTheAddress:
    def test_counts_in_small_letters_once_it_is_verified(self) -> None:
        assert wanted() == provided.Wanted("https://id.example|1", "ada@example.test", "Ada", None, None)

    @pytest.mark.parametrize(
        "claims", [{"email_verified": False}, {"email_verified": None}, {"email_verified": "false"}, {"email": ""}]
    )
    def test_counts_for_nothing_before(self, claims: dict[str, Any]) -> None:
        assert refusal(claims) == "unverified"

    def test_may_be_verified_by_a_claim_of_another_name(self) -> None:
        assert refusal({"email_verified": None}, oidc_verified_claim="xms_edov") == "unverified"
        assert wanted({"email_verified": None, "xms_edov": True}, oidc_verified_claim="xms_edov")

    def test_is_of_a_domain_that_may_come(self) -> None:
        assert wanted(oidc_domains=("example.test",))
        assert refusal(oidc_domains=("acme.test",)) == "domain"
        assert refusal({"email": "ada@evil-example.test"}, oidc_domains=("example.test",)) == "domain"


class TestTheRole:
    def test_is_the_strongest_that_a_group_gives(self) -> None:
        assert wanted({"groups": ["ops", "money", "other"]}, oidc_roles=ROLES).role == "finance"
        assert wanted({"groups": "ops"}, oidc_roles=ROLES).role == "sre"

    def test_is_looked_up_where_the_setting_says(self) -> None:
        claims = {"realm_access": {"roles": ["root"]}}
        assert wanted(claims, oidc_roles=ROLES, oidc_groups_claim="realm_access.roles").role == "admin"
        assert wanted(
            {"https://x.test/groups": ["ops"]}, oidc_roles=ROLES, oidc_groups_claim="https://x.test/groups"
        ).role

    def test_is_the_default_without_a_group_and_without_one_nobody_comes_in(self) -> None:
        assert wanted({"groups": ["other"]}, oidc_roles=ROLES).role == "viewer"
        assert refusal({"groups": ["other"]}, oidc_roles=ROLES, oidc_default_role="") == "no_role"


class TestTheTenant:
    def test_is_the_one_that_the_claim_names(self) -> None:
        assert wanted({"org": "acme"}, oidc_tenant_claim="org").tenant == "acme"
        assert wanted({"org": "*"}, oidc_tenant_claim="org").tenant is None

    @pytest.mark.parametrize("org", [None, "", ["acme"], {"a": 1}])
    def test_is_not_all_of_them_because_nothing_was_said(self, org: Any) -> None:
        assert refusal({"org": org}, oidc_tenant_claim="org") == "tenant"


@pytest.mark.usefixtures("database")
class TestWhoComes:
    def come(self, claims: dict[str, Any] | None = None, **set_: Any) -> User:
        settings = Settings(**set_)
        with db.transaction() as session:
            return provided.let_in(session, settings, provided.wanted(settings, CLAIMS | (claims or {})), NOON)

    def refused(self, claims: dict[str, Any] | None = None, **set_: Any) -> str:
        with pytest.raises(SignInRefused) as refused:
            self.come(claims, **set_)
        return refused.value.why

    @pytest.fixture
    def ada(self) -> int:
        with db.transaction() as session:
            return service.create_user(
                session, email="ada@example.test", name="Ada", role="sre", password="long enough", actor="test"
            ).id

    def test_is_known_by_their_address_first_and_by_themselves_from_then_on(self, ada: int) -> None:
        assert self.come().id == ada
        assert self.come({"email": "ada@new.test"}).id == ada
        assert self.refused({"sub": "2"}) == "other_person"
        with db.transaction() as session:
            people.forget_provider(session, ada, actor="test")
        assert self.come({"sub": "2"}).id == ada

    def test_is_added_only_where_that_is_allowed(self) -> None:
        assert self.refused() == "unknown"
        made = self.come(oidc_create=True)
        assert (made.email, made.role, made.password_hash) == ("ada@example.test", "viewer", "")
        with db.transaction() as session:
            assert service.right_password(session, "ada@example.test", "") is None
            assert audit.first_broken(session) is None

    def test_stays_out_once_disabled(self, ada: int) -> None:
        with db.transaction() as session:
            user = session.get(User, ada)
            assert user is not None
            user.disabled_at = NOON
        assert self.refused() == "disabled"

    def test_has_the_role_that_their_groups_give_today_and_new_tokens_with_it(self, ada: int) -> None:
        rules = sessions.rules_of(Settings())
        with db.transaction() as session:
            user = session.get(User, ada)
            assert user is not None
            token = sessions.begin(session, user, NOON, rules).token
        assert self.come({"groups": ["money"]}, oidc_roles=ROLES).role == "finance"
        with db.transaction() as session:
            found = sessions.who(session, token, NOON, rules)
            assert found is not None
            assert found[1].rotates_at == NOON

    def test_does_not_stop_being_the_last_admin(self) -> None:
        self.come({"groups": ["root"]}, oidc_roles=ROLES, oidc_create=True)
        assert self.refused({"groups": ["ops"]}, oidc_roles=ROLES) == "no_role"

    def test_has_no_tenant_in_a_role_of_the_whole_platform(self) -> None:
        claims = {"groups": ["money"], "org": "acme"}
        with pytest.raises(Exception, match="concerns the platform as a whole"):
            self.come(claims, oidc_roles=ROLES, oidc_tenant_claim="org", oidc_create=True)
