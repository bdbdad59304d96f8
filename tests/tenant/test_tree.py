"""Cost centres form a tree by date: moved, never in a circle, never too deep."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from tests.support.bound import bound_headers

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.outbox import Outbox
from trivet.tenant import centres, tree
from trivet.tenant.models import CostCentre

NOW = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
HOUR = datetime(2026, 11, 20, 7, tzinfo=UTC)


def make(name, parent=None, **more):
    with db.transaction() as session:
        return centres.create(session, name=name, parent=parent, actor="ann", **more).id


def move(name, parent, effective_from=None, now=NOW):
    with db.transaction() as session:
        return centres.move(session, name=name, parent=parent, effective_from=effective_from, actor="ann", now=now)


def paths(at=NOW):
    with db.transaction() as session:
        return {" > ".join(path) for path in tree.paths(session, at).values()}


ABOVE = {2: 1, 3: 1, 4: 2, 5: 4}  # 1 over 2 and 3, 2 over 4, 4 over 5


class TestWalks:
    def test_a_lineage_goes_up_and_a_branch_down(self):
        assert tree.lineage(ABOVE, 5) == [5, 4, 2, 1]
        assert tree.beneath(ABOVE, 2) == [2, 4, 5]
        assert tree.beneath(ABOVE, 1) == [1, 2, 3, 4, 5]
        assert tree.beneath(ABOVE, 9) == [9]

    def test_levels_are_counted_through_a_cost_centre(self):
        assert [tree.levels(ABOVE, one) for one in (1, 3, 4, 9)] == [4, 2, 4, 1]

    def test_the_nearest_named_one_is_itself_or_above(self):
        assert [tree.nearest(ABOVE, 5, named) for named in ({5, 1}, {2, 1}, {3})] == [5, 2, 0]

    def test_a_circle_is_told_from_a_way_that_leads_into_one(self):
        assert tree.circle({1: 2, 2: 3, 3: 1}, 1) == [1, 2, 3, 1]
        assert tree.circle({1: 2, 2: 3, 3: 2}, 1) == []
        assert tree.circle({1: 1}, 1) == [1, 1]
        assert tree.beneath({1: 2, 2: 1}, 1) == [1, 2]


@pytest.mark.usefixtures("database")
class TestPlaces:
    def test_the_first_place_holds_from_always_on_and_the_next_from_this_hour(self):
        for name in ("Group", "Sales", "Support"):
            make(name)
        assert move("Support", "Group").year == 1970
        assert move("Support", "Sales") == HOUR
        assert paths(HOUR - timedelta(hours=1)) == {"Group", "Sales", "Group > Support"}
        assert paths(HOUR) == {"Group", "Sales", "Sales > Support"}

    def test_a_cost_centre_can_be_made_in_its_place_and_go_to_the_top(self):
        make("Group")
        sales = make("Sales", "Group")
        emea = make("EMEA", "Sales")
        with db.transaction() as session:
            assert tree.parents(session, NOW)[emea] == sales
        move("Sales", None)
        assert paths() == {"Group", "Sales", "Sales > EMEA"}

    def test_without_an_instant_it_is_the_tree_of_now(self):
        make("Group")
        make("Sales", "Group")
        with db.transaction() as session:
            assert set(tree.paths(session).values()) == {("Group",), ("Group", "Sales")}

    def test_a_circle_is_refused_with_the_way_it_would_go(self):
        make("Group")
        make("Sales", "Group")
        make("EMEA", "Sales")
        with pytest.raises(centres.GoesInCircles, match="beneath itself: Group > Sales > EMEA > Group"):
            move("Group", "EMEA")
        with pytest.raises(centres.GoesInCircles, match="Sales > Sales"):
            move("Sales", "Sales")
        assert paths() == {"Group", "Group > Sales", "Group > Sales > EMEA"}

    def test_a_circle_that_a_later_move_would_make_is_refused_now(self):
        for name in ("a", "b"):
            make(name)
        move("a", "b", HOUR + timedelta(days=2))
        with pytest.raises(centres.GoesInCircles, match="From 2026-11-22T07:00:00Z on"):
            move("b", "a", HOUR)

    def test_a_tree_has_eight_levels_at_most_wherever_it_grows(self):
        make("1")
        for level in range(2, 9):
            make(str(level), str(level - 1))
        with pytest.raises(centres.TooDeep):
            make("9", "8")
        make("above")
        with pytest.raises(centres.TooDeep):
            move("1", "above")

    def test_the_same_instant_twice_a_part_of_an_hour_and_a_stranger_are_refused(self):
        for name in ("a", "b"):
            make(name)
        move("a", "b")
        with pytest.raises(Conflict, match="later effective_from"):
            move("a", None, datetime(1970, 1, 1, tzinfo=UTC))
        with pytest.raises(Invalid, match="whole hour"):
            move("a", "b", NOW)
        with pytest.raises(NotFound, match="There is no cost centre x"):
            move("a", "x")

    def test_a_move_is_audited_and_makes_shared_costs_due_again(self):
        for name in ("a", "b"):
            make(name)
        move("a", "b", HOUR)
        with db.transaction() as session:
            row = session.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one()
            sent = session.execute(select(Outbox.task, Outbox.args)).all()
        assert (row.action, row.before) == ("cost_centre.move", {"path": ["a"]})
        assert row.after == {"parent": "b", "effective_from": "2026-11-20T07:00:00Z"}
        assert sent == [("ledger.tree_changed", ["2026-11-20T07:00:00Z"])]


class TestOverRest:
    def test_a_cost_centre_says_its_path_its_code_and_its_owners(self, client, admin):
        client.post("/api/v1/cost-centres", headers=admin, json={"name": "Group"})
        body = {
            "name": "R&D / EU",
            "parent": "Group",
            "code": "4711",
            "owners": [" Ann@Example.com", "bob@example.com"],
        }
        made = client.post("/api/v1/cost-centres", headers=admin, json=body)
        assert made.status_code == 201
        assert made.json() == {
            "id": 2, "name": "R&D / EU", "parent": "Group", "path": ["Group", "R&D / EU"], "code": "4711",
            "owners": ["ann@example.com", "bob@example.com"],
        }  # fmt: skip
        assert client.get("/api/v1/cost-centres", headers=admin).json()["items"][1] == made.json()

    def test_it_is_moved_and_described_under_its_name(self, client, admin):
        for name in ("Group", "R&D / EU"):
            client.post("/api/v1/cost-centres", headers=admin, json={"name": name})
        at = "/api/v1/cost-centres/R%26D%20%2F%20EU"
        moved = client.post(f"{at}/move", headers=admin, json={"parent": "Group"})
        assert (moved.status_code, moved.json()["path"]) == (200, ["Group", "R&D / EU"])
        owned = client.post(f"{at}/details", headers=admin, json={"owners": ["cfo@example.com"]})
        assert (owned.status_code, owned.json()["owners"], owned.json()["code"]) == (200, ["cfo@example.com"], "")
        with db.transaction() as session:
            assert session.scalar(select(CostCentre.owners).where(CostCentre.name == "R&D / EU")) == ["cfo@example.com"]

    def test_an_owner_is_a_mail_address(self, client, admin):
        for owner in ("nobody", "a@b", "a b@c.de", "a@b.de,c@d.ef", "Ann <a@b.de>", ""):
            answer = client.post("/api/v1/cost-centres", headers=admin, json={"name": "x", "owners": [owner]})
            assert (answer.status_code, owner) == (422, owner)

    def test_a_move_needs_to_say_where_to(self, client, admin):
        client.post("/api/v1/cost-centres", headers=admin, json={"name": "x"})
        assert client.post("/api/v1/cost-centres/x/move", headers=admin, json={}).status_code == 422
        assert client.post("/api/v1/cost-centres/y/move", headers=admin, json={"parent": None}).status_code == 404

    def test_a_tenants_key_changes_nothing_and_sees_nothing_above_its_own(self, client, admin, make_key):
        client.post("/api/v1/cost-centres", headers=admin, json={"name": "Group"})
        client.post(
            "/api/v1/cost-centres", headers=admin, json={"name": "CC-2", "parent": "Group", "owners": ["a@b.de"]}
        )
        client.post("/api/v1/tenants", headers=admin, json={"name": "bolt", "cost_centre": "CC-2"})
        (seen,) = client.get("/api/v1/cost-centres", headers=bound_headers(make_key, "read")).json()["items"]
        assert (seen["name"], seen["path"], seen["owners"]) == ("CC-2", ["CC-2"], [])
        bound = bound_headers(make_key, "admin")
        for step in ("move", "details"):
            assert (
                client.post(f"/api/v1/cost-centres/CC-2/{step}", headers=bound, json={"parent": None}).status_code
                == 403
            )
