"""GET /interactions: what a user did once, with totals of its own."""

import pytest
from tests.support import books
from tests.support.calls import call

from trivet.ingest.request.fact import ERROR
from trivet.kit.clock import rfc3339
from trivet.report import interactions

DAY = {"from": rfc3339(books.DAY), "to": rfc3339(books.clock("23:00"))}
TRACE = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")


@pytest.fixture
def get(client, admin):
    def ask(path, headers=admin, status=200, **params):
        answer = client.get(f"/api/v1/{path}", params=params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


def turn(at, conversation="c-1", **given):
    return call(books.clock(at), conversation_id=conversation, **given)


def three_turns():
    """Two priced calls and one of a model without a price, over two minutes and two seconds."""
    books.price("openai", "gpt-4o", input="2.50", output="10")
    books.ingest(
        turn("07:00", seconds=2.0, input_tokens=400, output_tokens=100, trace_id=TRACE),
        turn("07:01", seconds=1.0, input_tokens=600, outcome=ERROR, trace_id=TRACE, level=1),
        turn("07:02", seconds=1.0, input_tokens=10, model="unheard-of"),
        turn("07:05", conversation="c-2"),
        call(books.clock("07:06")),
    )


class TestOneInteraction:
    def test_adds_up_what_a_conversation_took(self, get):
        three_turns()
        found = get("interactions/conversation/c-1")
        assert (found["requests"], found["errors"], found["unpriced_requests"]) == (3, 1, 1)
        assert found["tokens"]["input"] == 1010 and found["tokens"]["output"] == 100
        assert found["cost"] == [{"amount": "0.003500000000", "currency": "USD"}]  # (1000 × 2.50 + 100 × 10) / 10^6
        assert found["duration_ms"] == 122_000
        assert (found["models"], found["levels"]) == (["gpt-4o", "unheard-of"], [0, 1])
        assert [item["ended_at"] for item in found["items"]] == [
            rfc3339(books.clock(at)) for at in ("07:02", "07:01", "07:00")
        ]

    def test_or_a_trace(self, get):
        three_turns()
        found = get(f"interactions/trace/{TRACE.hex()}")
        assert (found["requests"], found["tokens"]["input"]) == (2, 1000)

    def test_counts_one_call_once_that_two_spans_tell(self, get):
        same = {"trace_id": TRACE, "response_id": "r-1", "input_tokens": 10}
        books.ingest(turn("07:00", seconds=2.0, **same), turn("07:00", seconds=1.0, **same))
        found = get("interactions/conversation/c-1")
        assert (found["requests"], found["repeats"], found["tokens"]["input"]) == (1, 1, 10)
        told = {item["span_id"]: item["repeats"] for item in found["items"]}
        assert sorted(map(str, told.values())) == sorted(["None", next(s for s, of in told.items() if of is None)])

    def test_of_more_requests_than_are_added_up_says_so(self, get, monkeypatch):
        monkeypatch.setattr(interactions, "REQUESTS_MAX", 2)
        three_turns()
        found = get("interactions/conversation/c-1")
        assert (found["requests"], found["requests_left_out"], len(found["items"])) == (2, True, 2)

    def test_that_nobody_had_is_not_found(self, get):
        get("interactions/conversation/never", status=404)
        get(f"interactions/trace/{'0' * 31}1", status=404)

    def test_by_no_trace_id_is_refused(self, get):
        assert "32 hexadecimal" in get("interactions/trace/xyz", status=422)["detail"]

    def test_of_several_tenants_by_one_name_wants_to_know_whose(self, get):
        books.ingest(turn("07:00"), turn("07:00", tenant="globex"))
        assert "say which" in get("interactions/conversation/c-1", status=422)["detail"]
        assert get("interactions/conversation/c-1", tenant="globex")["tenants"] == ["globex"]

    def test_is_another_tenants_secret(self, get, make_key):
        books.ingest(turn("07:00"), turn("07:00", tenant="globex"), turn("07:00", conversation="c-9", tenant="globex"))
        bound = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        assert get("interactions/conversation/c-1", headers=bound)["tenants"] == ["acme"]
        get("interactions/conversation/c-9", headers=bound, status=404)
        get("interactions/conversation/c-9", headers=bound, status=404, tenant="globex")
        assert [item["id"] for item in get("interactions", headers=bound, **DAY)["items"]] == ["c-1"]

    def test_may_have_slashes_in_its_name(self, get):
        books.ingest(turn("07:00", conversation="a/b c"))
        assert get("interactions/conversation/a%2Fb%20c")["id"] == "a/b c"


class TestTheList:
    def test_is_by_the_newest_request_with_the_totals_of_each(self, get):
        three_turns()
        items = get("interactions", **DAY)["items"]
        assert [(item["id"], item["requests"]) for item in items] == [("c-2", 1), ("c-1", 3)]
        assert items[1]["cost"] == [{"amount": "0.003500000000", "currency": "USD"}]

    def test_of_traces_has_every_request(self, get):
        three_turns()
        items = get("interactions", kind="trace", **DAY)["items"]
        assert [item["requests"] for item in items] == [1, 1, 1, 2]

    def test_can_be_filtered(self, get):
        three_turns()
        books.ingest(turn("07:09", conversation="c-3", scenario="search"))
        assert [item["id"] for item in get("interactions", scenario="search", **DAY)["items"]] == ["c-3"]

    def test_comes_in_pages_on_which_each_stands_once(self, get, monkeypatch):
        books.ingest(*(turn(f"07:{m:02}", conversation=f"c-{m % 7}") for m in range(30)))
        for looked_at in (interactions.LOOKED_AT_MAX, 4):
            monkeypatch.setattr(interactions, "LOOKED_AT_MAX", looked_at)
            seen, cursor = [], {}
            for _ in range(40):
                found = get("interactions", limit=3, **DAY, **cursor)
                seen += [item["id"] for item in found["items"]]
                if found["next_cursor"] is None:
                    break
                cursor = {"cursor": found["next_cursor"]}
            assert seen == [f"c-{m % 7}" for m in range(29, 22, -1)]

    def test_takes_no_foreign_cursor(self, get):
        get("interactions", cursor="xyz", status=422)
