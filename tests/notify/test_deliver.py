"""Messages on their way through a real mail server, and when it is away, busy, unwilling, or its client is killed."""

import os
import signal
import ssl
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from tests.notify.conftest import free_port, sign_in, use
from tests.notify.tls import self_signed

from trivet import db
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.notify import delivery
from trivet.notify.models import Message, MessageAttachment
from trivet.notify.service import Attachment
from trivet.notify.tasks import deliver, slim


def later() -> None:
    """Time goes by: whatever waits is due."""
    with db.transaction() as session:
        session.execute(update(Message).values(next_try_at=utc_now() - timedelta(seconds=1)))


class TestOneMessage:
    def test_arrives_with_its_text_its_html_and_its_files(self, start, tell, row):
        box = start()
        tell(text="Look.\n", html="<p>Look.</p>", attachments=[Attachment("账单.csv", "text/csv", b"a,b\n1,2\n")])
        assert deliver() == 1
        (mail,) = box.mails
        assert (mail["From"], mail["To"]) == ("Trivet <trivet@example.com>", "ann@example.com")
        assert mail["Subject"] == "80 % of the month's money"
        assert mail.get_body(("plain",)).get_content().splitlines() == ["Look."]
        assert mail.get_body(("html",)).get_content().strip() == "<p>Look.</p>"
        (file,) = mail.iter_attachments()
        assert (file.get_filename(), file.get_content().splitlines()) == ("账单.csv", ["a,b", "1,2"])
        assert (row().state, row().attempts, row().last_error) == ("sent", 1, "")
        assert row().sent_at is not None

    def test_goes_once(self, start, tell):
        box = start()
        assert tell() is True
        assert tell() is False
        deliver()
        later()
        assert deliver() == 0
        assert len(box.mails) == 1

    def test_goes_in_rounds_oldest_first(self, start, tell, monkeypatch):
        monkeypatch.setattr("trivet.notify.tasks.ROUND", 2)
        box = start()
        for minute in (3, 1, 2):
            tell(key=f"m{minute}", subject=f"{minute}", now=utc_now() - timedelta(minutes=10 - minute))
        assert [deliver(), deliver(), deliver()] == [2, 1, 0]
        assert [mail["Subject"] for mail in box.mails] == ["1", "2", "3"]

    def test_two_workers_at_once_send_it_once(self, start, tell):
        box = start()
        for n in range(6):
            tell(key=f"m{n}")
        threads = [threading.Thread(target=deliver) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({mail["Message-ID"] for mail in box.mails}) == len(box.mails) == 6


class TestGoingWrong:
    def test_a_server_that_is_away_is_tried_again_ever_more_slowly_and_not_for_ever(self, tell, row, monkeypatch):
        use(monkeypatch, smtp_host="127.0.0.1", smtp_port=free_port(), smtp_from="t@example.com", smtp_tls="none")
        tell()
        waits = []
        for _ in range(delivery.ATTEMPTS_MAX):
            later()
            before = utc_now()
            assert deliver() == 1
            waits.append((row().next_try_at - before).total_seconds())
        assert [round(wait / 10) * 10 for wait in waits[:-1]] == [30, 120, 300, 900, 3600, 14400, 43200]
        assert row().state == "failed"
        assert row().last_error.startswith("Given up after 8 tries.")
        assert "Connection refused" in row().last_error
        later()
        assert deliver() == 0

    def test_what_waited_goes_when_the_server_is_back(self, start, tell, row, monkeypatch):
        use(monkeypatch, smtp_host="127.0.0.1", smtp_port=free_port(), smtp_from="t@example.com", smtp_tls="none")
        tell()
        deliver()
        assert (row().state, row().attempts) == ("queued", 1)
        box = start()
        assert deliver() == 0, "not before its time"
        later()
        deliver()
        assert (row().state, len(box.mails)) == ("sent", 1)

    @pytest.mark.parametrize("at", ["to_recipient", "to_data"])
    def test_a_4xx_is_tried_again(self, start, tell, row, at):
        box = start()
        setattr(box, at, lambda *_: "451 try again later")
        tell()
        deliver()
        assert (row().state, row().last_error) == ("queued", "ann@example.com: 451 try again later")
        setattr(box, at, lambda *_: None)
        later()
        deliver()
        assert (row().state, row().last_error, len(box.mails)) == ("sent", "", 1)

    @pytest.mark.parametrize("at", ["to_recipient", "to_data"])
    def test_a_5xx_fails_at_once_and_says_why(self, start, tell, row, at):
        box = start()
        setattr(box, at, lambda *_: "550 no such user")
        tell()
        tell(key="next")
        deliver()
        assert (row().state, row().attempts) == ("failed", 1)
        assert row().refused == {"ann@example.com": "550 no such user"}
        assert row().last_error == "ann@example.com: 550 no such user"
        assert row("next").attempts == 1, "one refusal stops no other message"
        assert box.mails == []

    def test_each_address_has_its_own_fate(self, start, tell, row):
        box = start()
        answers = {"gone@example.com": "550 gone", "busy@example.com": "450 busy"}
        box.to_recipient = answers.get
        tell(to=("ann@example.com", "gone@example.com", "busy@example.com"))
        deliver()
        assert (row().state, row().unserved) == ("queued", ["busy@example.com"])
        del answers["busy@example.com"]
        later()
        deliver()
        assert box.recipients == [["ann@example.com"], ["busy@example.com"]]
        assert (row().state, row().refused) == ("sent", {"gone@example.com": "550 gone"})

    def test_killed_between_the_mail_and_the_row_it_goes_again_under_the_same_id(self, start, tell, row):
        box = start()
        tell()
        code = (
            "import os, signal\n"
            "from trivet.notify import delivery, tasks\n"
            "delivery.settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
            "tasks.deliver()\n"
        )
        done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
        assert (row().state, row().attempts, len(box.mails)) == ("queued", 1, 1)
        assert deliver() == 0, "its claim has not run out"
        later()
        assert deliver() == 1
        assert row().state == "sent"
        assert len(box.mails) == 2
        assert len({mail["Message-ID"] for mail in box.mails}) == 1

    def test_a_process_whose_claim_ran_out_changes_nothing(self, start, tell, row):
        start()
        tell()
        with db.transaction() as session:
            (slow,) = delivery.claim(session, "t@example.com", utc_now(), 10)
        later()
        deliver()
        with db.transaction() as session:
            delivery.settle(session, slow, delivery.Fate(never={"ann@example.com": "550"}), utc_now())
        assert (row().state, row().refused) == ("sent", {})


class TestWithoutAChannel:
    def test_a_message_says_so(self, tell, row):
        tell()
        assert deliver() == 0
        assert (row().state, row().attempts) == ("no_channel", 0)
        assert "TRIVET_SMTP_HOST" in row().last_error

    def test_it_goes_when_there_is_one_unless_it_is_old_news(self, start, tell, row):
        tell(key="new")
        tell(key="old", now=utc_now() - timedelta(days=4))
        deliver()
        box = start()
        deliver()
        assert (row("new").state, row("old").state, len(box.mails)) == ("sent", "no_channel", 1)


class TestProtection:
    def test_starttls_and_a_password(self, start, tell, row, tmp_path, monkeypatch):
        certificate, key = self_signed(tmp_path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        box = start("starttls", tls_context=context, require_starttls=True, authenticator=sign_in, auth_required=True)
        use(monkeypatch, smtp_ca_file=certificate, smtp_user="ops", smtp_password="wrong")
        tell()
        deliver()
        assert (row().state, box.mails) == ("queued", [])
        assert "535" in row().last_error
        assert "wrong" not in row().last_error
        use(monkeypatch, smtp_password="right")
        later()
        deliver()
        assert (row().state, len(box.mails)) == ("sent", 1)

    def test_a_server_without_tls_gets_neither_mail_nor_password(self, start, tell, row, monkeypatch):
        box = start("starttls", authenticator=sign_in, auth_require_tls=False)
        use(monkeypatch, smtp_user="ops", smtp_password="right")
        tell()
        deliver()
        assert (row().state, box.mails) == ("queued", [])
        assert "STARTTLS" in row().last_error

    def test_a_certificate_nobody_vouches_for_is_refused(self, start, tell, row, tmp_path):
        certificate, key = self_signed(tmp_path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        box = start("starttls", tls_context=context)
        tell()
        deliver()
        assert (row().state, box.mails) == ("queued", [])
        assert "CERTIFICATE_VERIFY_FAILED" in row().last_error


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "address",
        [
            "ann@example.com\r\nBcc: eve@example.com", "ann@example.com\n", "ann", "", "a b@example.com",
            "Ann <ann@example.com>", "ann@example.com,eve@example.com", "ann@exämple.com", "@example.com", "ann@",
            "x" * 300 + "@example.com", "ann@example.com\0",
        ],
    )  # fmt: skip
    def test_what_is_no_address(self, tell, address):
        with pytest.raises(Invalid, match="mail address") as refused:
            tell(to=(address,))
        assert refused.value.field == "to"

    def test_nobody_and_too_many(self, tell):
        for to in ((), tuple(f"a{n}@example.com" for n in range(51))):
            with pytest.raises(Invalid, match="1 to 50"):
                tell(to=to)

    def test_files_past_their_limits(self, tell):
        large = Attachment("a.csv", "text/csv", b"x" * ((15 << 20) + 1))
        for files in ([large], [Attachment("a.csv", "text/csv", b"")] * 11):
            with pytest.raises(Invalid, match="at most 10 files of 15 MiB"):
                tell(attachments=files)

    @pytest.mark.parametrize(
        ("name", "kind"), [("a\r\nX: y", "text/csv"), ("../a", "text/csv"), ("a", "text/csv\r\nX: y")]
    )
    def test_a_file_whose_name_is_none(self, tell, name, kind):
        with pytest.raises(Invalid, match="cannot name a file"):
            tell(attachments=[Attachment(name, kind, b"")])

    def test_a_subject_becomes_one_line(self, start, tell):
        """A tenant's name may hold anything, and its message still arrives."""
        box = start()
        tell(subject="over: x\r\nBcc: eve@example.com\u2028\0" + "y" * 500)
        deliver()
        (mail,) = box.mails
        assert mail["Bcc"] is None
        assert box.recipients == [["ann@example.com"]]
        assert mail["Subject"].startswith("over: x Bcc: eve@example.com yyy")
        assert len(mail["Subject"]) == 200

    def test_text_that_no_database_keeps_is_left_out(self, tell, row):
        tell(text="a\0b\ud800c")
        assert row().text == "abc"


class TestOldFiles:
    def test_go_and_the_message_stays(self, tell, row):
        files = [Attachment("a.csv", "text/csv", b"1")]
        tell(key="old", attachments=files, now=utc_now() - timedelta(days=31))
        tell(key="new", attachments=files)
        assert slim() == 1
        with db.transaction() as session:
            assert session.scalars(select(MessageAttachment.message_id)).all() == [row("new").id]
        assert row("old").state == "queued"
