"""Drivers against recorded exchanges with what they drive: what each asks, in which order, and that nothing is asked twice."""

from contextlib import closing

import pytest
from tests.notify.tls import self_signed
from tests.support.replay import recorded, replaying

from trivet_collectors.drivers.argo import Rollout
from trivet_collectors.drivers.cluster import Access, Cluster
from trivet_collectors.drivers.driver import Applied, DriverError, Http
from trivet_collectors.drivers.kubernetes import Deployment
from trivet_collectors.drivers.plan import parse
from trivet_collectors.drivers.triton import Triton
from trivet_collectors.drivers.vllm import Vllm

MAKERS = {
    "vllm": lambda url: Vllm(Http(url)),
    "triton": lambda url: Triton(Http(url)),
    "kubernetes": lambda url: Deployment(Cluster(Access(url)), "serving", "llm"),
    "argo": lambda url: Rollout(Cluster(Access(url)), "serving", "llm"),
}
CASES = [(kind, name) for kind in MAKERS for name in recorded(kind)]


def quick(url):
    return Http(url, sleep=lambda _: None)


class TestADriver:
    @pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}: {name}" for kind, name in CASES])
    def test_does_what_was_recorded_and_nothing_else(self, kind, name):
        case = recorded(kind)[name]
        with replaying(case["exchanges"]) as replay, closing(MAKERS[kind](replay.url)) as driver:
            if "error" in case["applied"]:
                with pytest.raises(DriverError) as refused:
                    driver.apply(case["desired"], dry=case["dry"])
                assert str(refused.value).removeprefix(replay.url) == case["applied"]["error"]
            else:
                assert driver.apply(case["desired"], dry=case["dry"]) == Applied(**case["applied"])

    @pytest.mark.parametrize("kind", MAKERS)
    def test_that_runs_dry_changes_nothing(self, kind):
        """Every exchange of a dry run only looks."""
        for case in recorded(kind).values():
            looks = [each["request"] for each in case["exchanges"] if case["dry"]]
            assert all(each["method"] == "GET" or each["path"] == "/v2/repository/index" for each in looks)

    def test_sleeps_deeper_only_from_awake(self):
        awake, asleep = ({"method": "GET", "path": "/is_sleeping", "body": None},) * 2
        sleeping = {"status": 200, "body": {"is_sleeping": True}}
        done = {"status": 200, "body": None}
        exchanges = [
            {"request": awake, "response": {"status": 200, "body": {"is_sleeping": False}}},
            {"request": {"method": "POST", "path": "/sleep?level=1&mode=wait", "body": None}, "response": done},
            {"request": asleep, "response": sleeping},
            {"request": asleep, "response": sleeping},
            {"request": {"method": "POST", "path": "/wake_up", "body": None}, "response": done},
            {"request": {"method": "POST", "path": "/sleep?level=2&mode=wait", "body": None}, "response": done},
        ]
        with replaying(exchanges) as replay:
            driver = Vllm(Http(replay.url))
            assert [driver.apply({"sleep": level}).changed for level in (1, 1, 2)] == [True, False, True]
            driver.close()

    @pytest.mark.parametrize(
        ("status", "body"), [(401, {"error": "Unauthorized"}), (302, None), (200, None), (200, {"other": 1})]
    )
    def test_takes_nothing_for_awake_that_does_not_say_so(self, status, body):
        """Who is not let in does not know how deep it sleeps, and proves nothing."""
        ask = {"method": "GET", "path": "/is_sleeping", "body": None}
        with replaying([{"request": ask, "response": {"status": status, "body": body}}]) as replay:
            driver = Vllm(Http(replay.url))
            with pytest.raises(DriverError, match=f"is_sleeping: HTTP {status}"):
                driver.apply({"sleep": 0})
            driver.close()


class TestWhatTakesLong:
    LOAD = {"method": "POST", "path": "/wake_up", "body": None}  # noqa: RUF012  # never changed

    def test_is_waited_for_longer_than_a_look(self):
        woken = {"request": self.LOAD, "response": {"status": 200, "body": None}}
        with replaying([woken], hold_s=0.4) as replay, closing(Http(replay.url, timeout_s=0.1)) as http:
            assert http.ok("POST", "/wake_up", patience_s=60).status == 200

    def test_is_not_asked_again_while_it_may_be_at_it(self):
        woken = {"request": self.LOAD, "response": {"status": 200, "body": None}}
        with replaying([woken], hold_s=0.5) as replay, closing(Http(replay.url, timeout_s=0.1)) as http:
            with pytest.raises(DriverError, match=r"wake_up: no answer in 0.2 s, it may still be at it"):
                http.ok("POST", "/wake_up", patience_s=0.2)
            assert len(replay.headers) == 1


class TestOverTls:
    def test_an_authority_of_ones_own_is_trusted_where_it_is_named(self, tmp_path):
        tls = self_signed(tmp_path)
        awake = {
            "request": {"method": "GET", "path": "/is_sleeping", "body": None},
            "response": {"status": 200, "body": {"is_sleeping": False}},
        }
        with replaying([awake], tls=tls) as replay:
            strange = quick(replay.url)
            with pytest.raises(DriverError, match="certificate"):
                Vllm(strange).apply({"sleep": 0})
            strange.close()
            plan = {
                "name": "a", "kind": "vllm", "backend": "b", "scenario": "s", "url": replay.url,
                "ca_file": tls[0], "normal": {"sleep": 0},
            }  # fmt: skip
            driver = parse({"endpoint": "http://127.0.0.1:1", "api_key": "x", "drivers": [plan]}, {}).plans[0].make()
            assert not driver.apply({"sleep": 0}).changed
            driver.close()


class TestACall:
    ASK = {"method": "GET", "path": "/is_sleeping", "body": None}  # noqa: RUF012  # never changed

    def test_is_tried_again_where_that_may_help(self):
        busy = {"request": self.ASK, "response": {"status": 503, "body": None}}
        well = {"request": self.ASK, "response": {"status": 200, "body": {"is_sleeping": False}}}
        with replaying([busy, busy, well]) as replay:
            http = quick(replay.url)
            assert Vllm(http).apply({"sleep": 0}) == Applied(changed=False, reason="as wanted")
            http.close()

    def test_that_never_succeeds_says_what_was_answered_last(self):
        busy = {"request": self.ASK, "response": {"status": 503, "body": None}}
        with replaying([busy] * 3) as replay:
            http = quick(replay.url)
            with pytest.raises(DriverError, match=r"is_sleeping: HTTP 503 \(3 tries\)"):
                Vllm(http).apply({"sleep": 1})
            http.close()

    def test_to_nobody_is_an_error_in_words(self):
        http = quick("http://127.0.0.1:1")
        with pytest.raises(DriverError, match="ConnectError"):
            Triton(http).apply({"models": {"echo": True}})
        http.close()

    def test_to_a_cluster_carries_the_token_as_it_is_now(self, tmp_path):
        token = tmp_path / "token"
        case = recorded("kubernetes")["nothing to scale back"]
        with replaying(case["exchanges"] * 2) as replay:
            driver = Deployment(Cluster(Access(replay.url, token)), "serving", "llm")
            for text in ("first", "second"):  # a pod's token is replaced while it runs
                token.write_text(text + "\n")
                driver.apply(case["desired"])
            driver.close()
            assert [each["authorization"] for each in replay.headers] == ["Bearer first", "Bearer second"]


class TestAccess:
    POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}  # noqa: RUF012  # never changed

    def test_in_a_pod_is_found(self):
        access = Access.of({}, self.POD)
        assert access.url == "https://10.0.0.1:443"
        assert str(access.token_file) == "/var/run/secrets/kubernetes.io/serviceaccount/token"
        assert str(access.ca_file) == "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"

    def test_of_a_pod_goes_to_its_own_cluster_only(self):
        """A pod's token is not sent to another address."""
        assert Access.of({"url": "https://other.example"}, self.POD).token_file is None

    def test_outside_of_one_is_to_be_named(self):
        with pytest.raises(DriverError, match="url: missing"):
            Access.of({}, {})
