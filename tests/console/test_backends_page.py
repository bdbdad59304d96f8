"""The page of backends: who is there, how they learn, what they hold of what they should."""

from tests.support.commanding import hold, issue, poll, sweep_at

from trivet.console.control.backends_words import lacks, sentence
from trivet.kit.clock import utc_now


class TestTheSentence:
    def test_says_who_is_there_and_how_they_learn(self):
        assert sentence(["listens", "polls", "polls", "silent"], 0) == (
            "3 backends in sight: 1 listens, 2 poll; all hold what they should."
        )

    def test_says_what_is_not_yet_so(self):
        assert (
            sentence(["webhook"], 1) == "1 backend in sight: 1 told by webhook; 1 of them does not hold what it should."
        )

    def test_says_when_nobody_would_hear(self):
        assert sentence(["silent"], 0) == (
            "No backend has asked in the last minute, so a command would reach nobody yet."
        )
        assert sentence([], 0) == "No backend is known yet, so a command would reach nobody."

    def test_names_five_that_are_lacking_at_most(self):
        assert lacks(list("abcdefg")) == "does not hold a, b, c, d, e and 2 more"


class TestThePage:
    def test_shows_the_generation_that_each_holds_of_the_one_it_should(self, scenario, sign_in):
        now, client = utc_now(), sign_in("sre")
        assert "Register one to be waited for." in client.get("/backends").text
        hold(now, "gw-1")
        issue(now, level=2)
        page = client.get("/backends").text
        assert "gw-1" in page and "support-chat 0 of 1" in page and "lane__band--wanted" in page
        poll(now, "gw-1", poll(now, "gw-1"))
        sweep_at(now)
        page = client.get("/backends").text
        assert "holds 1 of 1" in page and "support-chat 0 of 1" not in page
        (line,) = client.get("/backends.csv").text.splitlines()[1:]
        assert line.startswith("gw-1,polls,") and ",support-chat,1,1," in line
        assert client.get("/backends.csv?learns=silent").text.count("\n") == 1
