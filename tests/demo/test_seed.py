"""Seeding through the real API and database: five people, three tenants with a payer, cards by two people; and only once."""

import stat

import httpx
import pytest
from sqlalchemy import func, select

from trivet import db
from trivet.card.models import CardRevision
from trivet.command import service as commands
from trivet.demo import cards, seed
from trivet.demo.people import PEOPLE, password, sign_ins
from trivet.fleet.models import Backend, PoolTerm
from trivet.identity import service as identity
from trivet.identity.models import ROLES, Audit, User
from trivet.kit.clock import utc_now
from trivet.pricing.models import Price
from trivet.tenant.models import Tenant, TenantCostCentre

SECRET = "an-installations-own-secret"


@pytest.fixture
def endpoint(server):
    return server


@pytest.fixture
def seeded(endpoint, tmp_path):
    return seed.seed(endpoint, tmp_path, SECRET)


def counted(session):
    tables = (User, Tenant, TenantCostCentre, PoolTerm, Price, Backend, CardRevision)
    return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) for table in tables}


def active(endpoint, keys, scenario):
    headers = {"Authorization": f"Bearer {keys.story}"}
    return httpx.get(f"{endpoint}/api/v1/cards/{scenario}", headers=headers).json()


class TestPeople:
    def test_one_of_each_role(self):
        assert sorted(person.role for person in PEOPLE) == sorted(ROLES)

    def test_each_can_sign_in_with_what_is_printed(self, seeded):
        with db.transaction() as session:
            roles = {person.email: person.role for person in PEOPLE}
            for email, secret, _ in sign_ins(SECRET):
                signed_in = identity.sign_in(session, email=email, password=secret, now=utc_now(), hours=1)
                assert signed_in.user.role == roles.pop(email)
            assert roles == {}

    def test_passwords_are_this_installations_own(self):
        one = {password(SECRET, person) for person in PEOPLE}
        assert len(one) == len(PEOPLE)
        assert one.isdisjoint(password("another", person) for person in PEOPLE)


class TestSeeding:
    def test_tenants_have_a_payer_but_the_one_nobody_registered(self, seeded):
        with db.transaction() as session:
            names = set(session.scalars(select(Tenant.name).where(Tenant.registered_at.is_not(None))))
        assert names == set(seed.COST_CENTRES)
        assert seed.UNMAPPED not in names

    def test_every_scenario_runs_under_the_demos_card(self, endpoint, seeded):
        for scenario in cards.SCENARIOS:
            found = active(endpoint, seeded, scenario)
            assert found["revision"] == 2
            assert found["card"]["latency"]["p95_ms"] == cards.body(scenario)["latency"]["p95_ms"]
            assert found["approved_product_by"] != found["approved_operations_by"]

    def test_the_second_time_nothing_is_added(self, endpoint, seeded, tmp_path):
        with db.transaction() as session:
            before = counted(session)
        assert seed.seed(endpoint, tmp_path, SECRET) == seeded
        with db.transaction() as session:
            assert counted(session) == before
        assert before["card_revision"] == 6
        assert before["price"] == 3

    def test_keys_are_kept_for_their_owner_only_and_may_do_no_more_than_they_must(self, seeded, tmp_path):
        kept = tmp_path / "demo" / "keys.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        with db.transaction() as session:
            assert identity.find_key(session, seeded.backend).scopes == ["ingest", "policy"]
            assert identity.find_key(session, seeded.scorer).scopes == ["ingest"]
            assert identity.find_key(session, seeded.story).scopes == ["read"]

    def test_the_admin_key_of_the_seeding_is_revoked(self, endpoint, seeded):
        with db.transaction() as session:
            made, revoked = (
                session.scalar(select(func.count()).select_from(Audit).where(Audit.action == action))
                for action in ("key.create", "key.revoke")
            )
        assert (made, revoked) == (4, 1)


class TestTheBadRevision:
    def test_it_takes_two_people_and_governs(self, endpoint, seeded):
        number = seed.enact(cards.SUPPORT_CHAT, cards.bad_body(), "cheaper")
        found = active(endpoint, seeded, cards.SUPPORT_CHAT)
        assert found["revision"] == number == 3
        assert found["card"]["flags"] == cards.BAD_FLAGS
        assert (found["approved_product_by"], found["approved_operations_by"]) == (
            "product@demo.trivet",
            "sre@demo.trivet",
        )

    def test_one_left_by_an_ended_story_is_rolled_back_at_the_next_start(self, endpoint, seeded, tmp_path):
        seed.enact(cards.SUPPORT_CHAT, cards.bad_body(), "cheaper")
        seed.seed(endpoint, tmp_path, SECRET)
        assert active(endpoint, seeded, cards.SUPPORT_CHAT)["revision"] == 2

    def test_a_visitors_own_card_stays(self, endpoint, seeded, tmp_path):
        body = cards.body("doc-search")
        body["latency"]["p95_ms"] = 2500
        seed.enact("doc-search", body, "stricter")
        seed.seed(endpoint, tmp_path, SECRET)
        found = active(endpoint, seeded, "doc-search")
        assert (found["revision"], found["card"]["latency"]["p95_ms"]) == (3, 2500)

    def test_commands_name_who_gave_them(self, endpoint, seeded):
        with db.transaction() as session:
            actors = set(session.scalars(select(commands.Command.actor)))
        assert actors == {"sre@demo.trivet"}
