"""Addresses that somebody entered: which may be called; and secrets that are kept sealed."""

import pytest

from trivet.kit.errors import Broken, Invalid
from trivet.kit.outward import callable_url, is_listed
from trivet.kit.sealed import seal, unseal

HOSTS = ("hooks.example.com", "*.ops.example.com", "10.1.0.0/16", "::1")


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["hooks.example.com", "HOOKS.example.com.", "a.ops.example.com", "10.1.2.3", "::1"]
    )
    def test_on_the_list(self, host):
        assert is_listed(host, HOSTS)

    @pytest.mark.parametrize(
        "host", ["example.com", "ops.example.com", "evilops.example.com", "10.2.0.1", "127.0.0.1", ""]
    )
    def test_not_on_the_list(self, host):
        assert not is_listed(host, HOSTS)

    def test_an_empty_list_allows_none(self):
        assert not is_listed("hooks.example.com", ())


class TestAddresses:
    def test_one_that_may_be_called(self):
        assert callable_url("https://hooks.example.com:8443/trivet?team=1", HOSTS).port == 8443

    @pytest.mark.parametrize(
        "url",
        ["", "ftp://hooks.example.com", "https://", "hooks.example.com", "http://hooks.example.com:99999/",
         "https://hooks.example.com/a b", "https://hooks.example.com/\nX: y", "http://[::1", "https://h" + "o" * 2_000],
    )  # fmt: skip
    def test_what_is_no_address_is_told_what_one_looks_like(self, url):
        with pytest.raises(Invalid, match="Write an address such as") as refused:
            callable_url(url, HOSTS)
        assert refused.value.field == "url"

    @pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://hooks.example.com@127.0.0.1/"])
    def test_a_host_that_is_not_listed_is_refused_and_said_where_to_list_it(self, url):
        with pytest.raises(Invalid, match="TRIVET_OUTWARD_HOSTS"):
            callable_url(url, HOSTS)


class TestSealed:
    def test_is_read_again_and_is_not_there_to_be_seen(self):
        sealed = seal("k" * 32, "channel", "https://user:geheim@example.com")
        assert b"geheim" not in sealed
        assert unseal("k" * 32, "channel", sealed) == "https://user:geheim@example.com"

    @pytest.mark.parametrize(("key", "purpose"), [("o" * 32, "channel"), ("k" * 32, "backend")])
    def test_another_key_or_purpose_opens_nothing(self, key, purpose):
        with pytest.raises(Broken, match="another TRIVET_SECRET_KEY"):
            unseal(key, purpose, seal("k" * 32, "channel", "x"))

    def test_without_a_key_nothing_is_kept(self):
        with pytest.raises(Invalid, match="TRIVET_SECRET_KEY"):
            seal("", "channel", "x")
