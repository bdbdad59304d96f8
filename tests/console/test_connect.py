"""Connect a backend: the exact configuration, a test call over real HTTP, and what of it was stored."""

import ast
import re
import shlex
import socket
import subprocess
import threading
import tomllib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.support import books
from tests.support.calls import call
from typer.testing import CliRunner

from trivet import db
from trivet.cli import app as cli
from trivet.console.connect import checks, words
from trivet.console.connect.arrived import Arrived, Poll
from trivet.console.connect.configs import Wish, files
from trivet.console.connect.kinds import KINDS
from trivet.identity.models import ApiKey
from trivet.ingest.store.persist import store
from trivet.kit.clock import utc_now
from trivet_collectors import semconv as sc
from trivet_collectors.config import parse

ROOT = Path(__file__).parents[2]
WISH = Wish("https://trivet.example", "gateway-1", "support-chat", key="tvt_abcdefgh")


def texts(what, wish=WISH):
    return {text.name: text.text for text in files(KINDS[what], wish)}


class TestTheConfiguration:
    def test_of_litellm_is_the_one_that_is_deployed(self):
        ours = texts("litellm")
        assert yaml.safe_load(ours["config.yaml"]) == yaml.safe_load((ROOT / "deploy/litellm/config.yaml").read_text())
        deployed = tomllib.loads((ROOT / "deploy/litellm/trivet.toml").read_text())
        assert tomllib.loads(ours["trivet.toml"]) == {"scenario": "support-chat"} | deployed

    def test_of_a_collector_is_the_one_that_is_deployed_but_for_the_address(self):
        deployed = yaml.safe_load((ROOT / "deploy/otel-collector.yaml").read_text())
        deployed["exporters"]["otlphttp"]["endpoint"] = "https://trivet.example"
        assert yaml.safe_load(texts("collector")["otel-collector.yaml"]) == deployed

    @pytest.mark.parametrize("what", ["vllm", "triton", "node"])
    def test_of_an_agent_is_one_that_it_takes(self, what):
        read = parse(tomllib.loads(texts(what, replace(WISH, pool="h200"))["collector.toml"]))
        assert [each.backend for each in read.prometheus] == ["gateway-1"]

    @pytest.mark.parametrize("what", KINDS)
    def test_every_text_is_one_that_its_reader_takes(self, what):
        for name, text in texts(what).items():
            if name == "terminal":
                assert (
                    subprocess.run(["bash", "-n"], input=text, text=True, check=False, capture_output=True).returncode
                    == 0
                )
                assert "tvt_abcdefgh" in text
            elif name.endswith(".py"):
                ast.parse(text)
            elif name.endswith(".toml"):
                tomllib.loads(text)
            assert "@" not in re.sub(r"^#.*$", "", text, flags=re.MULTILINE)

    @given(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30))
    def test_names_cannot_leave_their_quotes(self, name):
        nasty = replace(WISH, backend=name, scenario=name)
        line = next(line for line in texts("litellm", nasty)["terminal"].splitlines() if "TRIVET_BACKEND" in line)
        assert shlex.split(line) == ["export", f"TRIVET_BACKEND={name}"]
        assert tomllib.loads(texts("litellm", nasty)["trivet.toml"])["scenario"] == name
        assert name in {
            node.value
            for node in ast.walk(ast.parse(texts("client", nasty)["app.py"]))
            if isinstance(node, ast.Constant)
        }


def stored(**given):
    said = {
        "tenant": "acme", "tenant_id": 1, "scenario": "support-chat", "backend": "gateway-1", "model": "gpt-4o",
        "provider": "openai", "pool": "none", "ttft_ms": None, "conversation_id": None, "response_id": "r1",
        "finish_reason": "stop", "revision": 1, "generation": 3, "trace_id": "ab" * 16, "span_id": "cd" * 8,
        "tokens": {"input": 10, "output": 5, "cache_read": 0, "cache_write": 0, "reasoning": 0},
        "cost": {"amount": "0.001000000000", "currency": "USD"}, "unpriced_reason": None,
    }  # fmt: skip
    return said | given


GOOD = Arrived(
    calls=(stored(),), registered=frozenset({"support-chat"}), mapped=frozenset({"acme"}),
    poll=Poll(utc_now(), holds_etag=True, generation=3),
)  # fmt: skip


def judged(found, what="litellm", wish=WISH):
    every = checks.checks(KINDS[what], wish, found)
    return {each.name: each for each in every}, words.watched(wish.backend, found, every)


class TestWhatArrived:
    def test_all_that_is_needed_is_connected(self):
        by_name, sentence = judged(GOOD)
        assert {each.state for each in by_name.values() if each.needed} == {"arrived"}
        assert by_name[sc.GEN_AI_CONVERSATION_ID].state == "missing"
        assert sentence == "gateway-1 is connected: all that is needed arrives."

    def test_nothing_yet_says_what_to_do(self):
        assert judged(Arrived())[1] == "Nothing has come from gateway-1 yet. Send a test call, or its own first one."

    def test_a_test_call_is_not_the_backend(self):
        said = judged(replace(GOOD, calls=(stored(finish_reason="trivet_connect"),)))[1]
        assert said == "The test call arrived and is stored; gateway-1 itself has not sent one yet."

    @pytest.mark.parametrize(
        ("given", "name", "why"),
        [
            ({"calls": (stored(tenant="unattributed"),)}, sc.TRIVET_TENANT, "Says who pays. Without it the cost shows as unattributed."),
            ({"mapped": frozenset()}, sc.TRIVET_TENANT, "This tenant is charged to no cost centre: its cost shows as unattributed."),
            ({"registered": frozenset()}, sc.TRIVET_SCENARIO, "Nobody registered this scenario: it has no card, so no guard and no ladder."),
            ({"calls": (stored(backend="other"),)}, sc.TRIVET_BACKEND, "It calls itself other, and you asked for gateway-1."),
            ({"calls": (stored(model="overflow"),)}, sc.GEN_AI_RESPONSE_MODEL, "The key named more than it may, so this name is not kept: see the limits in docs/settings.md."),
            ({"calls": (stored(cost=None, unpriced_reason="no_price"),)}, "cost", "It is in no cost, so no budget sees it."),
            ({"calls": (stored(generation=0),)}, sc.TRIVET_POLICY_GENERATION, "Proves under which state it ran: without it no command ever becomes effective."),
            ({"poll": Poll(utc_now())}, "ETag", "A poll that names what it holds: that is how a command is observed."),
            ({"refused": {"too_old": 4}}, "too_old", "Refused, and counted by its reason today."),
        ],
    )  # fmt: skip
    def test_each_gap_is_named_with_why_it_matters(self, given, name, why):
        by_name, sentence = judged(replace(GOOD, **given))
        assert by_name[name].state in {"missing", "wrong"} and by_name[name].why == why
        assert sentence.startswith("gateway-1 is heard: 1 ")

    def test_an_engine_is_known_by_its_metrics_and_a_node_by_its_cards(self):
        page = Arrived(metrics=frozenset({sc.TRIVET_REQUESTS_RUNNING.name, sc.TRIVET_REQUESTS_WAITING.name}), cards=8)
        wish = replace(WISH, backend="vllm-1", pool="h200")
        assert judged(page, "node", wish)[1] == "vllm-1 is connected: all that is needed arrives."
        assert judged(replace(page, cards=0), "node", wish)[1] == "vllm-1 is heard: 1 thing it needs is missing."


@pytest.fixture
def listening(database):
    """The real app on a port of this machine, in this process."""
    from trivet.app import create_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(), port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


class TestThePage:
    def test_offers_every_kind_and_then_its_configuration(self, sign_in):
        client = sign_in("viewer")
        assert all(f"/connect?what={what}" in client.get("/connect").text for what in KINDS)
        page = client.get("/connect?what=vllm&backend=vllm-9&pool=h200").text
        assert "trivet.backend=vllm-9" in page and "http://127.0.0.1/v1/traces" in page and "/connect/key" not in page

    def test_a_key_is_made_with_the_least_scopes_shown_once_and_audited(self, sign_in, client, admin):
        browser = sign_in("admin")
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/connect?what=vllm").text)[1]
        page = browser.post(
            "/connect/key", data={"what": "vllm", "backend": "vllm-9", "scenario": "chat", "csrf_token": token}
        )
        secret = re.search(r'<code class="command-line">(tvt_[^<]+)</code>', page.text)[1]
        made = client.get("/api/v1/keys", headers=admin).json()["items"][-1]
        assert (made["name"], made["scopes"]) == ("vllm-9", ["ingest"]) and page.headers["cache-control"] == "no-store"
        assert secret not in browser.get(f"/connect?what=vllm&backend=vllm-9&key={made['id']}").text
        assert client.get("/api/v1/audit", headers=admin).json()["items"][0]["action"] == "key.create"

    def test_who_is_no_admin_makes_no_key(self, sign_in):
        browser = sign_in("sre")
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/connect?what=vllm").text)[1]
        assert browser.post("/connect/key", data={"what": "vllm", "csrf_token": token}).status_code == 403

    def test_what_was_stored_with_the_key_is_what_it_shows(self, sign_in, scenario):
        from trivet.identity import service

        books.tenants(acme="CC-1")
        books.price("openai", "gpt-4o", input="2.50", output="10")
        with db.transaction() as session:
            key = service.create_key(session, name="g", scopes=["ingest"], tenant=None, actor="test")
        now = utc_now()
        mine = call(
            now, scenario="support-chat", backend="gateway-1", input_tokens=400, conversation_id='"><img src=x>'
        )
        store([mine], [], tenant_id=None, key_id=key.id, now=now)
        store([call(now, scenario="another's")], [], tenant_id=None, key_id=0, now=now)
        page = sign_in("viewer").get(f"/connect/watch?what=otel&backend=gateway-1&key={key.id}").text
        assert "0.001000000000 USD" in page and "another" not in page
        assert "&#34;&gt;&lt;img src=x&gt;" in page and f"/requests/{mine.trace_id.hex()}-{mine.span_id.hex()}" in page
        assert re.search(r"output_tokens</td>\s*<td[^>]*><span class=\"check check--missing", page)


class TestInATerminal:
    def run(self, *arguments):
        return CliRunner().invoke(cli, ["connect", *arguments])

    def test_the_test_call_goes_over_http_and_costs_nothing(self, listening, client, admin):
        done = self.run("--what", "otel", "--backend", "app-7", "--tenant", "acme", "--endpoint", listening)
        assert done.exit_code == 0, done.output
        assert "the test call is stored" in done.output and "ok  trivet.backend = app-7" in done.output
        item = client.get("/api/v1/requests", headers=admin).json()["items"][0]
        assert (item["tenant"], item["cost"], item["generation"]) == (
            "acme",
            {"amount": "0.000000000000", "currency": "USD"},
            0,
        )

    def test_a_backend_that_does_not_come_is_told_by_the_status(self, listening):
        done = self.run("--what", "otel", "--endpoint", listening, "--wait", "0.01")
        assert done.exit_code == 3 and "app-1 itself has not sent one yet" in done.output

    def test_one_that_comes_with_something_missing_is_told_apart_from_one_that_is_connected(self, database, scenario):
        with self.own_call(scenario="unheard-of"):
            done = self.run("--what", "otel", "--backend", "app-9", "--no-test", "--wait", "1.5")
        assert done.exit_code == 2, done.output
        assert "!!  trivet.scenario = unheard-of" in done.output and "Nobody registered this scenario" in done.output
        assert "the test call" not in done.output and "app-9 is heard: " in done.output

    def test_one_that_comes_with_all_that_is_needed_ends_the_wait(self, database, scenario):
        books.tenants(acme="CC-1")
        books.price("openai", "gpt-4o", input="2.50", output="10")
        with self.own_call(scenario=scenario):
            done = self.run("--what", "otel", "--backend", "app-9", "--no-test", "--wait", "60")
        assert done.exit_code == 0, done.output
        assert "app-9 is connected: all that is needed arrives." in done.output

    @contextmanager
    def own_call(self, **given):
        """Meanwhile a call of app-9 comes, with the key that `trivet connect` makes for it."""

        def send():
            while not over.is_set():
                with db.transaction() as session:
                    key_id = session.scalar(select(ApiKey.id).where(ApiKey.name == "app-9"))
                if key_id is not None:
                    said = {"backend": "app-9", "revision": 1, "generation": 3, "input_tokens": 9, "output_tokens": 2}
                    store([call(utc_now(), **said | given)], [], tenant_id=None, key_id=key_id, now=utc_now())
                    return
                over.wait(0.02)

        over = threading.Event()
        thread = threading.Thread(target=send)
        thread.start()
        yield
        over.set()
        thread.join()

    def test_an_address_where_nothing_listens_is_said(self, database):
        done = self.run("--what", "otel", "--endpoint", "http://127.0.0.1:9")
        assert done.exit_code == 1 and "the test call did not arrive: ConnectError" in done.output

    def test_a_kind_that_is_none_is_refused_with_those_there_are(self, database):
        assert "litellm, vllm, triton, otel, client, collector, node" in self.run("--what", "abacus").output
