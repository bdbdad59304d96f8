"""News of one topic to one reader: at most one message an hour, with the list."""

from datetime import timedelta

from sqlalchemy import update
from tests.notify.alerting import every

from trivet import db
from trivet.kit.clock import utc_now
from trivet.notify.models import Message
from trivet.notify.tasks import deliver


def an_hour_later(minutes=61):
    with db.transaction() as session:
        back = timedelta(minutes=minutes)
        session.execute(
            update(Message).values(
                created_at=Message.created_at - back,
                sent_at=Message.sent_at - back,
                next_try_at=Message.next_try_at - back,
            )
        )


def news(tell, *keys, to=("ann@example.com",)):
    for key in keys:
        tell(key=key, to=to, subject=f"Budget of {key}: 80 %", text=f"{key} spent 80.\nMore.\n", topic="budgets")


def told(box):
    return [(mail["To"], mail["Subject"]) for mail in box.mails]


class TestOneTopic:
    def test_a_single_message_goes_as_it_is(self, start, tell):
        box = start()
        news(tell, "acme", to=("ann@example.com", "bo@example.com"))
        deliver()
        assert told(box) == [("ann@example.com, bo@example.com", "Budget of acme: 80 %")]

    def test_hundreds_at_once_are_one_message_that_lists_them(self, start, tell):
        box = start()
        news(tell, *(f"t{n}" for n in range(250)))
        assert deliver() == 1
        (mail,) = box.mails
        assert mail["Subject"] == "250 messages about budgets: Budget of t0: 80 %"
        text = mail.get_body(("plain",)).get_content()
        assert "- Budget of t0: 80 %\n  t0 spent 80.\n" in text.replace("\r\n", "\n")
        assert "And 50 more: http://127.0.0.1:8000/budgets" in text
        assert {row.state for row in every(Message)} == {"digested", "sent"}

    def test_what_comes_within_the_hour_waits_for_its_end(self, start, tell):
        box = start()
        news(tell, "a")
        deliver()
        news(tell, "b", "c")
        assert [deliver(), deliver()] == [0, 0]
        an_hour_later(minutes=59)
        assert deliver() == 0
        an_hour_later(minutes=2)
        deliver()
        assert told(box)[1:] == [("ann@example.com", "2 messages about budgets: Budget of b: 80 %")]
        assert deliver() == 0

    def test_each_reader_has_an_hour_of_their_own(self, start, tell):
        box = start()
        news(tell, "a", to=("ann@example.com",))
        deliver()
        news(tell, "b", to=("ann@example.com", "bo@example.com"))
        deliver()
        assert told(box)[1:] == [("bo@example.com", "Budget of b: 80 %")]
        an_hour_later()
        deliver()
        assert [box.recipients[n] for n in (1, 2)] == [["bo@example.com"], ["ann@example.com"]]
        assert [row.state for row in every(Message)] == ["sent", "sent", "sent"]

    def test_other_topics_and_messages_without_one_do_not_wait(self, start, tell):
        box = start()
        news(tell, "a")
        deliver()
        tell(key="report", subject="Report")
        tell(key="x", subject="Other", topic="close")
        deliver()
        assert sorted(subject for _, subject in told(box)[1:]) == ["Other", "Report"]

    def test_without_a_mail_server_nothing_is_lost(self, start, tell):
        news(tell, "a", "b")
        deliver()
        box = start()
        deliver()
        assert told(box) == [("ann@example.com", "2 messages about budgets: Budget of a: 80 %")]
        assert utc_now() > every(Message)[-1].created_at
