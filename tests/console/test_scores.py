"""Scores against their floor."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from tests.support.calls import call, ingest
from tests.support.governed import register

from trivet.console.cards.scores import sentence
from trivet.console.cards.scores_picture import draw
from trivet.console.cards.scores_read import Stretch, step_s
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.interval import Interval

START = datetime(2026, 11, 20, tzinfo=UTC)
DAY = Interval(START, START + timedelta(days=1))


def stretch(hour, mean, n=20):
    return Stretch(START + timedelta(hours=hour), n, mean, mean - 0.1, min(1.0, mean + 0.05))


class TestTheSentence:
    @pytest.mark.parametrize(
        ("stretches", "floor", "says"),
        [
            ([stretch(1, 0.9), stretch(2, 0.8, 60)], 0.7, "Support chat scored 0.82 on average of 80 scores; in no stretch was the mean below its floor of 0.70."),
            ([stretch(1, 0.9), stretch(2, 0.6)], 0.7, "Support chat scored 0.75 on average of 40 scores; in 1 stretch the mean was below its floor of 0.70."),
            ([stretch(1, 0.9)], None, "Support chat scored 0.90 on average of 20 scores; no card gives it a floor."),
        ],
    )  # fmt: skip
    def test_says_the_mean_and_the_floor(self, stretches, floor, says):
        assert sentence("support-chat", stretches, floor) == says


class TestThePicture:
    def test_draws_few_hollow_low_marked_and_the_floor_between(self):
        line = draw(
            [stretch(1, 0.9), stretch(12, 0.6, 3)], DAY, 900, 0.7, [(2, START + timedelta(hours=6))], START, UTC
        )
        assert [(dot.enough, dot.low) for dot in line.dots] == [(True, False), (False, True)]
        assert line.dots[0].y < line.floor_y < line.dots[1].y
        assert line.dots[0].x < line.flags[0].x < line.dots[1].x and line.flags[0].says.startswith("revision 2 since")

    def test_is_none_of_nothing(self):
        assert draw([], DAY, 900, 0.7, [], START, UTC) is None

    @pytest.mark.parametrize(("days", "step"), [(1 / 24, 60), (1, 900), (7, 14_400), (90, 86_400)])
    def test_has_no_more_points_than_can_be_told_apart(self, days, step):
        assert step_s(Interval(START, START + timedelta(days=days))) == step


@pytest.fixture
def scored(client, make_key):
    register("chat")
    now = utc_now()
    trace = bytes(15) + b"\x07"
    ingest(call(now - timedelta(minutes=5), trace_id=trace), now=now)
    at = rfc3339(now - timedelta(minutes=4))
    rows = [{"scenario": "chat", "metric": "helpful", "value": 0.9, "at": at, "id": f"s{n}"} for n in range(11)]
    rows.append({"scenario": "chat", "metric": "<b>kind</b>", "value": 0.2, "at": at, "trace_id": trace.hex()})
    key = make_key(["ingest"])
    assert client.post("/api/v1/scores", headers={"Authorization": f"Bearer {key}"}, json=rows).status_code == 201
    return trace.hex()


class TestThePage:
    def test_teaches_how_to_send_one_where_there_is_none(self, sign_in):
        page = sign_in("product_owner").get("/scores")
        assert "Nothing was scored" in page.text and "/api/v1/scores" in page.text

    def test_shows_each_metric_and_leads_to_the_request_of_a_low_one(self, sign_in, scored):
        page = sign_in("product_owner").get("/scores")
        text = unescape(page.text)
        assert "Chat scored 0.84 on average of 12 scores" in text and "floor 0.80" in text
        assert f'href="/interactions/trace/{scored}"' in page.text and "<b>kind" not in page.text
        one = sign_in("viewer").get("/scores?metric=helpful&range=24h")
        assert "Chat scored 0.90 on average of 11 scores" in unescape(one.text)

    def test_file_is_what_the_line_is_drawn_from(self, sign_in, scored):
        lines = sign_in("viewer").get("/scores.csv").text.splitlines()
        assert lines[0] == "at,scores,mean,p10,p90" and re.match(r"\d{4}-\d\d-\d\dT.*,12,0.841666", lines[1])
