"""The policy that every answer carries lets nothing run that is not a file of ours."""

import pytest

from trivet.console import shield

DIRECTIVES = dict(part.strip().split(" ", 1) for part in shield.POLICY.split(";"))


class TestThePolicy:
    def test_nothing_inline_and_nothing_that_is_text_runs(self):
        assert "unsafe" not in shield.POLICY and "*" not in shield.POLICY
        assert DIRECTIVES["default-src"] == "'self'"
        assert {"script-src", "style-src"}.isdisjoint(DIRECTIVES)  # both are what `default-src` says

    def test_nobody_frames_a_page_and_no_form_leaves_it(self):
        assert (DIRECTIVES["frame-ancestors"], DIRECTIVES["base-uri"], DIRECTIVES["object-src"]) == ("'none'",) * 3
        assert DIRECTIVES["form-action"] == "'self'" == DIRECTIVES["connect-src"]

    @pytest.mark.parametrize("path", ["/sign-in", "/nothing-here", "/live-events"])
    def test_every_answer_carries_it_also_those_that_refuse(self, client, path):
        assert client.get(path, follow_redirects=False).headers["content-security-policy"] == shield.POLICY
