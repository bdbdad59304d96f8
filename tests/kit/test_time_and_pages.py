"""Half-open intervals, buckets, cursors, and the types that bodies share."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError
from tests.support.seeded import seeded

from trivet.ingest.decode.span import TEXT_LIMIT
from trivet.kit import body
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid, TooLarge, Unavailable
from trivet.kit.interval import Interval, month_of
from trivet.kit.page import INT4, INT8, from_cursor, page, to_cursor

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class TestInterval:
    def test_holds_its_start_and_not_its_end(self):
        one = Interval(NOON, NOON + HOUR)
        assert one.contains(NOON)
        assert not one.contains(NOON + HOUR)
        assert one.seconds == 3600

    def test_neighbours_share_no_instant(self):
        left, right = Interval(NOON - HOUR, NOON), Interval(NOON, NOON + HOUR)
        assert [i.contains(NOON) for i in (left, right)] == [False, True]

    @pytest.mark.parametrize(("start", "end"), [(NOON, NOON), (NOON, NOON - HOUR)])
    def test_must_go_forward(self, start, end):
        with pytest.raises(Invalid, match="half-open"):
            Interval(start, end)

    def test_needs_a_zone(self):
        with pytest.raises(Invalid, match="zone"):
            Interval(NOON.replace(tzinfo=None), NOON)

    def test_a_month_is_that_of_utc(self):
        assert month_of(datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=8)))) == "2026-11"


class TestBuckets:
    def test_hold_their_start_and_not_the_next(self):
        for seconds in (10, 60, 3600):
            assert floor(NOON, seconds) == NOON
            assert floor(NOON + timedelta(seconds=seconds) - timedelta(microseconds=1), seconds) == NOON

    def test_every_instant_is_in_its_bucket(self):
        rng = seeded()
        for _ in range(500):
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.randrange(-(10**15), 4 * 10**15))
            for seconds in (10, 60, 3600, 86_400):
                assert timedelta(0) <= at - floor(at, seconds) < timedelta(seconds=seconds)

    def test_times_are_said_in_utc(self):
        assert rfc3339(NOON.astimezone(timezone(HOUR))) == "2026-11-21T12:00:00Z"
        assert rfc3339(NOON + timedelta(microseconds=5)) == "2026-11-21T12:00:00.000005Z"


class TestCursors:
    def test_come_back_as_the_key(self):
        for key in ([1], ["a", 2], ["üñ", "x" * 300, 0]):
            assert from_cursor(to_cursor(key)) == key
        assert from_cursor(to_cursor(["a", 2]), str, int) == ["a", 2]
        assert from_cursor(to_cursor([2**31 - 1, 2**63 - 1]), INT4, INT8) == [2**31 - 1, 2**63 - 1]

    @pytest.mark.parametrize(
        ("key", "kinds"),
        [
            (["a"], [int]),
            ([1], [str]),
            ([True], [int]),
            ([2**63], [int]),
            ([1, 2], [int]),
            (["\0"], [str]),
            ([2**31], [INT4]),
            ([-(2**31) - 1], [INT4]),
            (["1"], [INT4]),
            ([True], [INT4]),
            ([1.0], [INT4]),
            (["\ud800"], [str]),
            ([float("inf")], [int]),
            ([float("inf")], []),
            ([float("nan")], []),
            ([None], []),
            ([[1]], []),
            (["\ud800"], []),
            ([2**63], []),
        ],
    )
    def test_of_other_kinds_are_refused(self, key, kinds):
        with pytest.raises(Invalid, match="not one of ours"):
            from_cursor(to_cursor(key), *kinds)

    @pytest.mark.parametrize("text", ["", "!", "é", "bnVsbA", "e30", "W10", "W1tdXQ", "W251bGxd", "W10" * 999])
    def test_not_made_here_are_refused(self, text):
        with pytest.raises(Invalid, match="not one of ours"):
            from_cursor(text, int)

    def test_a_page_has_one_only_where_there_is_more(self):
        items = [{"id": n} for n in range(3)]
        first = page(items, 2, lambda item: [item["id"]])
        assert first["items"] == items[:2]
        assert from_cursor(first["next_cursor"]) == [1]
        assert page(items, 3, lambda item: [item["id"]])["next_cursor"] is None
        assert page([], 3, lambda item: [item["id"]]) == {"items": [], "next_cursor": None}


class TestProblems:
    def test_say_what_happened_by_rfc_9457(self):
        problem = Invalid("Give a name.", field="name").problem()
        assert problem.pop("title")
        assert problem == {
            "type": "urn:trivet:problem:invalid",
            "status": 422,
            "detail": "Give a name.",
            "errors": [{"field": "name", "detail": "Give a name."}],
        }
        assert TooLarge("x").problem()["type"] == "urn:trivet:problem:too-large"
        assert Unavailable("x", retry_after_s=2).retry_after_s == 2


class TestBodies:
    @pytest.mark.parametrize("good", ["0", "2.50", "1000", "999999999999999", "0.000000000001"])
    def test_amounts_are_exact_decimal_strings(self, good):
        assert TypeAdapter(body.Amount).validate_python(good) == good

    @pytest.mark.parametrize(
        "bad",
        [
            "", "x", "-1", "NaN", "sNaN", "Infinity", "1E+15", "1E-13", 2.5, "9" * 50,
            "1E+3", "0e-999999", "1_000", "１", "٣", " 1", "1\n", "+1", "1.", ".5", "1" + "0" * 15, "0.0000000000000",
        ],
    )  # fmt: skip
    def test_anything_else_is_not(self, bad):
        with pytest.raises(ValidationError):
            TypeAdapter(body.Amount).validate_python(bad)

    def test_names_are_trimmed_and_hold_no_nul(self):
        assert TypeAdapter(body.Name).validate_python(" acme ") == "acme"
        with pytest.raises(ValidationError):
            TypeAdapter(body.Name).validate_python("a\0b")

    @pytest.mark.parametrize("blank", ["", "  ", "\t\n", "\u3000", "\u200b", "\u2060 \ufeff", "\ud800"])
    def test_a_name_that_nobody_can_see_is_none(self, blank):
        with pytest.raises(ValidationError):
            TypeAdapter(body.Name).validate_python(blank)

    def test_what_is_asked_for_may_be_as_long_as_what_is_stored(self):
        assert body.NAME_MAX == TEXT_LIMIT
        assert TypeAdapter(body.Asked).validate_python("x" * TEXT_LIMIT) == "x" * TEXT_LIMIT
        for bad in ("x" * (TEXT_LIMIT + 1), "a\0", "\ud800"):
            with pytest.raises(ValidationError):
                TypeAdapter(body.Asked).validate_python(bad)

    def test_a_field_nobody_knows_is_refused(self):
        class Named(body.Body):
            name: body.Name

        with pytest.raises(ValidationError, match="Extra inputs"):
            Named.model_validate({"name": "acme", "nmae": "x"})

    def test_instants_need_a_zone_and_become_utc(self):
        found = TypeAdapter(body.Instant).validate_python("2026-11-21T13:00:00+01:00")
        assert (found, found.tzinfo) == (NOON, UTC)
        with pytest.raises(ValidationError):
            TypeAdapter(body.Instant).validate_python("2026-11-21T13:00:00")

    @pytest.mark.parametrize(
        "wrong",
        [
            "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:50-14:00", "0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z",
            "2100-01-01T00:00:00Z", "0", "1", 0, 1, 1.5, True, "1763700000", "1763700000000", "2026-11-21", "now",
        ],
    )  # fmt: skip
    def test_instants_are_dates_of_this_century(self, wrong):
        with pytest.raises(ValidationError):
            TypeAdapter(body.Instant).validate_python(wrong)

    @pytest.mark.parametrize("good", ["2000-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z"])
    def test_the_century_is_half_open(self, good):
        assert rfc3339(TypeAdapter(body.Instant).validate_python(good)) == good
