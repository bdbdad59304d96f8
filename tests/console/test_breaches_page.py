"""The page of breaches: open first, then before; numbers, who carries it, what it caused; the same rows as a file."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.support import breached, commanding
from tests.support.governed import at

from trivet import db
from trivet.command.models import Command
from trivet.console.evidence.breaches_words import carried, outcome, sentence, took
from trivet.evidence.breach_list import First
from trivet.evidence.models import BreachTimes
from trivet.guard.models import Breach

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RANGE = "since=2026-11-21T07:00:00Z&until=2026-11-21T10:00:00Z"


class TestTheWords:
    def test_the_sentence_says_what_is_broken_then_how_much_was(self):
        first = ("P95", "chat", NOW - timedelta(minutes=5), "P95 2.9 s over 1.5 s")
        assert sentence(3, 1, first, NOW, UTC) == (
            "P95 of chat is broken since 11:55: P95 2.9 s over 1.5 s. 2 other guards are broken too. 1 breach of this time is over."
        )
        assert sentence(0, 2, None, NOW, UTC) == "Nothing is broken now. 2 breaches of this time are over."
        assert sentence(0, 0, None, NOW, UTC) == "Nothing is broken, and nothing was in this time."

    def test_who_carries_it_stands_with_both_shares(self):
        found = carried(True, First("acme", 0.9, 0.1, claimed=True))
        assert (found.name, found.words) == ("acme", "90 % of the excess, 10 % of the traffic")
        assert carried(True, None).name == "" and not carried(False, None).known

    def test_times_count_from_the_detection_and_say_what_is_known(self):
        command = Command(created_at=NOW + timedelta(seconds=2), effective_at=NOW + timedelta(seconds=5))
        assert took(NOW, command, None) == ("acted after 2.0 s", "effective after 5.0 s")
        assert took(NOW, None, None) == ()

    def test_what_was_saved_and_lost_stands_where_it_could_be_measured(self):
        kept = BreachTimes(saved=Decimal("1.5"), currency="USD", lost=0.02)
        assert outcome(kept) == "saved $1.500; lost 0.020 of quality"
        assert outcome(BreachTimes(saved=Decimal("-1.5"), currency="USD", lost=None)) == "cost $1.500 more"
        assert outcome(None) == ""


class TestThePage:
    @pytest.fixture
    def breach(self, database):
        """Acme's calls are slow: P95 breaks at 615 s, and a command for it at 616 s takes hold at 618 s."""
        found = breached.p95()
        id_ = commanding.issue(at(616), breach_id=found.id)
        with db.transaction() as session:
            session.get(Command, id_).effective_at = at(618)
        return found

    def test_shows_the_numbers_who_carries_it_and_what_it_caused(self, breach, sign_in):
        page = sign_in("sre").get(f"/breaches?{RANGE}").text.replace("\N{NO-BREAK SPACE}", " ")
        assert "P95 of chat is broken since" in page and "1.5" in page and "/ 1 s" in page
        assert "acme" in page and "100 % of the excess, 25 % of the traffic" in page
        assert "degrade to level 1" in page and "acted after 1.0 s" in page and "effective after 3.0 s" in page
        assert "lane__band--open" in page and f"/breaches/{breach.id}" in page

    def test_the_file_has_the_same_rows_and_filters_narrow_both(self, breach, sign_in):
        browser = sign_in("viewer")
        for asked, count in (
            ("", 1),
            ("&state=open", 1),
            ("&state=closed", 0),
            ("&guard=floor", 0),
            ("&scenario=chat", 1),
        ):
            lines = browser.get(f"/breaches.csv?{RANGE}{asked}").text.splitlines()
            shown = re.findall(r'id="breach-(\d+)"', browser.get(f"/breaches?{RANGE}{asked}").text)
            assert len(lines) - 1 == len(shown) == count
        line = browser.get(f"/breaches.csv?{RANGE}").text.splitlines()[1]
        assert f"{breach.id},chat,p95," in line and ",acme,1.0,0.25," in line

    def test_pages_go_on_where_the_last_ended_the_open_ones_first(self, breach, sign_in):
        with db.transaction() as session:
            for n in range(25):
                session.add(
                    Breach(
                        scenario_id=1, guard="p95", revision=1, value=2.0, worst_value=2.0, threshold=1.0, sample=9, reason="r",
                        opened_at=at(n), closed_at=at(n + 1), closed_reason="calm",
                    )
                )  # fmt: skip
        browser = sign_in("sre")
        first = browser.get(f"/breaches?{RANGE}").text
        ids = re.findall(r'id="breach-(\d+)"', first)
        assert ids[0] == str(breach.id) and len(ids) == 20
        older = browser.get(re.search(r'<a href="([^"]+cursor=[^"]+)">Older', first)[1].replace("&amp;", "&")).text
        rest = re.findall(r'id="breach-(\d+)"', older)
        assert len(rest) == 6 and not set(rest) & set(ids)

    def test_who_carries_one_is_asked_for_by_itself_where_nobody_looked_yet(self, breach, sign_in):
        told = sign_in("sre").get(f"/breaches/{breach.id}/carrier").text
        assert "acme" in told and "of the excess" in told
