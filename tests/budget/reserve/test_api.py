"""Reservations as a backend meets them: over REST, with its key."""

import pytest
from tests.budget.reserve.support import budget, dollar_tokens, windows

PATH = "/api/v1/reservations"
CALL = {"provider": "house", "model": "dollar", "input_tokens": 3, "max_output_tokens": 2, "tenant": "acme"}


@pytest.fixture
def key(make_key):
    return {"Authorization": f"Bearer {make_key(['policy'])}"}


def asked(client, headers, path="", **body):
    return client.post(PATH + path, json=body, headers=headers)


class TestAHold:
    def test_answers_with_its_layers_and_what_is_left_of_each(self, client, key) -> None:
        budget("all", "10")
        dollar_tokens()
        answer = asked(client, key, **CALL)
        assert answer.status_code == 201
        told = answer.json()
        [layer] = told.pop("layers")
        assert (told["amount"], told["currency"], told["tokens"], told["requests"]) == ("5.000000000000", "USD", 5, 1)
        assert layer["resets_at"].endswith("-01T00:00:00Z")
        assert layer | {"resets_at": ""} == {
            "budget": "all", "layer": "global", "hard": True, "resets_at": "", "unreachable": "closed",
            "limit": {"amount": "10.000000000000", "currency": "USD"},
            "committed": {"amount": "5.000000000000", "currency": "USD"},
            "remaining": {"amount": "5.000000000000", "currency": "USD"},
        }  # fmt: skip

    def test_that_does_not_fit_is_402_and_names_the_layer_what_is_left_and_when_it_resets(self, client, key) -> None:
        budget("all", "10")
        dollar_tokens()
        answer = asked(client, key, **(CALL | {"calls": 3}))
        assert answer.status_code == 402
        problem = answer.json()
        assert problem["type"] == "urn:trivet:problem:budget-exceeded"
        assert (problem["budget"], problem["layer"]) == ("all", "global")
        assert problem["asked"]["amount"] == "15.000000000000"
        assert problem["remaining"]["amount"] == "10.000000000000"
        assert problem["resets_at"].endswith("-01T00:00:00Z")
        assert windows() == [("all", 0, 0)]

    def test_without_a_bound_is_422_and_names_what_is_missing(self, client, key) -> None:
        budget("all", "10")
        answer = asked(client, key, model="nobody-knows", provider="nobody", input_tokens=1, max_output_tokens=1)
        assert answer.status_code == 422
        assert answer.json()["missing"] == "the model has no price"

    @pytest.mark.parametrize(
        "body",
        [{"amount": "1"}, {"input_tokens": -1}, {"calls": 0}, {"ttl_s": 0}, {"amount": 1.5, "currency": "USD"},
         {"cost": "1"}, {"tier": "auto", "model": "gpt-4o", "provider": "openai"}, {"key": 99}],
    )  # fmt: skip
    def test_that_cannot_be_read_is_422(self, client, key, body) -> None:
        assert asked(client, key, **body).status_code == 422

    def test_with_an_idempotency_key_is_made_once(self, client, key) -> None:
        budget("all", "10")
        headers = key | {"Idempotency-Key": "one"}
        first = asked(client, headers, amount="4", currency="USD")
        again = asked(client, headers, amount="4", currency="USD")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"
        assert asked(client, headers, amount="5", currency="USD").status_code == 422
        assert windows() == [("all", 0, 4)]

    def test_needs_a_key_that_may_hold(self, client, make_key) -> None:
        for scopes, status in ((["read"], 403), (["ingest"], 201), (["policy"], 201), (["admin"], 201)):
            headers = {"Authorization": f"Bearer {make_key(scopes)}"}
            assert asked(client, headers, amount="1", currency="USD").status_code == status


class TestAKeyBoundToATenant:
    def test_holds_for_its_own_tenant_and_sees_and_ends_no_others(self, client, key, make_key) -> None:
        budget("each", "10", scope="tenant")
        bolt = {"Authorization": f"Bearer {make_key(['policy'], tenant='bolt')}"}
        acmes = asked(client, key, amount="1", currency="USD", tenant="acme").json()["id"]
        bolts = asked(client, bolt, amount="2", currency="USD", tenant="acme").json()["id"]
        assert sorted(row[2] for row in windows()) == [1, 2]
        assert [each["tenant"] for each in client.get(PATH, headers=bolt).json()["items"]] == ["bolt"]
        assert client.get(f"{PATH}/{acmes}", headers=bolt).status_code == 404
        assert asked(client, bolt, f"/{acmes}/void").status_code == 404
        assert asked(client, bolt, f"/{bolts}/void").status_code == 200


class TestItsLife:
    def test_is_extended_posted_and_looked_up(self, client, key) -> None:
        budget("all", "10")
        dollar_tokens()
        id_ = asked(client, key, **CALL).json()["id"]
        assert asked(client, key, f"/{id_}/extend", amount="11", currency="USD").status_code == 402
        assert asked(client, key, f"/{id_}/extend", amount="7", currency="USD").json()["amount"] == "7.000000000000"
        posted = asked(client, key, f"/{id_}/post", amount="2", currency="USD")
        assert (posted.json()["state"], posted.json()["amount"]) == ("posted", "2.000000000000")
        assert asked(client, key, f"/{id_}/post").status_code == 409
        assert asked(client, key, f"/{id_}/void").status_code == 409
        found = client.get(f"{PATH}/{id_}", headers=key).json()
        assert (found["state"], found["tenant"], found["posted"]["money"]) == (
            "posted", "acme", {"amount": "2.000000000000", "currency": "USD"},
        )  # fmt: skip

    def test_is_listed_newest_first_page_by_page(self, client, key) -> None:
        ids = [asked(client, key, amount=str(n), currency="USD").json()["id"] for n in range(3)]
        first = client.get(PATH, params={"limit": 2}, headers=key).json()
        rest = client.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}, headers=key).json()
        assert sorted(ids) == sorted(each["id"] for each in first["items"] + rest["items"])
        assert rest["next_cursor"] is None
        assert client.get(PATH, params={"state": "gone"}, headers=key).status_code == 422
        assert client.get(PATH, params={"state": "void"}, headers=key).json()["items"] == []


class TestABatch:
    def test_grants_or_refuses_each_on_its_own_in_the_order_asked(self, client, key) -> None:
        budget("all", "10")
        money = {"currency": "USD", "tenant": "acme"}
        holds = [{"amount": amount, **money} for amount in ("8", "3", "2")]
        came = asked(client, key, "/batch", hold=holds).json()["items"]
        assert [next(iter(each)) for each in came] == ["granted", "refused", "granted"]
        ids = [came[0]["granted"]["id"], came[2]["granted"]["id"]]
        posts = [{"id": ids[0], "amount": "1", "currency": "USD"}]
        ended = asked(client, key, "/batch", post=posts, void=[ids[1], ids[1]]).json()["items"]
        assert [each["granted"]["state"] for each in ended] == ["posted", "void", "void"]
        assert windows() == [("all", 0, 1)]

    def test_has_a_limit(self, client, key) -> None:
        one = {"amount": "1", "currency": "USD"}
        assert asked(client, key, "/batch", hold=[one] * 501).status_code == 422
        assert asked(client, key, "/batch").status_code == 422


class TestAnEstimate:
    def test_shows_the_sum_line_by_line(self, client, key) -> None:
        dollar_tokens()
        body = {name: value for name, value in CALL.items() if name != "tenant"} | {"max_retries": 1}
        told = asked(client, key, "/estimate", **body).json()
        assert (told["amount"], told["tokens"], told["requests"]) == ("10.000000000000", 10, 2)
        assert [(line["what"], line["count"], line["amount"]) for line in told["lines"]] == [
            ("input", 6, "6.000000000000"), ("output", 4, "4.000000000000"),
        ]  # fmt: skip

    def test_of_a_model_nobody_met_has_its_list_price(self, client, key) -> None:
        told = asked(
            client, key, "/estimate", provider="openai", model="gpt-4o", input_tokens=10**6, max_output_tokens=0
        )
        assert told.json()["amount"] == "2.500000000000"

    def test_without_a_bound_says_what_is_missing(self, client, key) -> None:
        told = asked(client, key, "/estimate", provider="nobody", model="nobody-knows").json()
        assert (told["amount"], told["missing"]) == (None, "the model has no price")


class TestWhatPrometheusReads:
    def test_counts_grants_refusals_by_layer_and_excess(self, client, key) -> None:
        budget("all", "10")

        def value(name):
            lines = client.get("/metrics").text.splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

        names = (
            "trivet_reservations_granted_total",
            'trivet_reservations_refused_total{layer="global",reason="budget-exceeded"}',
            "trivet_reservations_excess_total",
        )
        before = [value(name) for name in names]
        id_ = asked(client, key, amount="4", currency="USD").json()["id"]
        asked(client, key, amount="7", currency="USD")
        asked(client, key, f"/{id_}/post", amount="5", currency="USD")
        assert [value(name) - was for name, was in zip(names, before, strict=True)] == [1, 1, 1]
        assert value("trivet_reservations_expired_total") == 0
