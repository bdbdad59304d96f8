"""Trivet's callback in a real LiteLLM proxy, before a real Trivet: what arrives at the model, what callers are told, what is
proven. The proxy takes ten seconds to start, so all tests share one; each has a scenario of its own.
"""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select
from tests.budget.reserve.support import budget
from tests.collectors.ofrep_server import eventually
from tests.collectors.test_reserver import Service
from tests.conftest import _empty
from tests.support.books import price
from tests.support.governed import revise
from tests.support.litellm_proxy import Proxy, models

from trivet import db
from trivet.budget.reserve.models import Reservation
from trivet.command import service, sweep
from trivet.command.models import Command
from trivet.fleet.models import Backend
from trivet.identity.service import create_key
from trivet.ingest.models import Request
from trivet.kit.clock import utc_now
from trivet.tenant.models import Scenario

pytestmark = pytest.mark.timeout(300)  # the proxy alone takes ten seconds of a whole core to start
LIMIT_S = 60.0
CONFIG = """
model_list:
  - model_name: big
    litellm_params: {{model: openai/gpt-big, api_key: none, api_base: "{url}"}}
  - model_name: little
    litellm_params: {{model: openai/gpt-little, api_key: none, api_base: "{url}"}}
  - model_name: broken
    litellm_params: {{model: openai/broken, api_key: none, api_base: "{url}"}}
litellm_settings:
  callbacks: trivet_collectors.litellm.handler
  cache: true
  cache_params: {{type: local, mode: default_off}}
  num_retries: 0
general_settings: {{master_key: sk-tests}}
"""
SHAPES = """
poll_interval_s = 0.1
trust_caller = true
reserve = true
reserve_timeout_s = 30
local_tools = ["site_*"]
[routes]
small = "little"
"""
LADDER = [
    {
        "level": 1, "name": "light", "min_stay_s": 20, "recover_after_s": 30,
        "flags": {
            "model.route": "small", "context.max_turns": 2, "output.max_tokens": 64, "tools.mode": "local",
            "features.off": "images,charts",
        },
    },
    {"level": 2, "name": "medium", "min_stay_s": 20, "recover_after_s": 30, "flags": {
        "model.route": "small", "context.max_turns": 2, "output.max_tokens": 32, "tools.mode": "off",
        "admission": "limit", "admission.daily_requests": 2, "features.off": "images,charts",
    }},
    {"level": 3, "name": "heavy", "min_stay_s": 20, "recover_after_s": 30, "flags": {
        "model.route": "small", "context.max_turns": 2, "output.max_tokens": 32, "tools.mode": "off",
        "cache.only": True, "admission.message": "Busy: only known questions.", "admission.retry_after_s": 40,
        "features.off": "images,charts",
    }},
]  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("site_search", "web")]
TALK = [
    {"role": "system", "content": "You are kind."}, {"role": "user", "content": "one"},
    {"role": "assistant", "content": "first"}, {"role": "user", "content": "two"},
    {"role": "assistant", "content": "second"}, {"role": "user", "content": "three"},
]  # fmt: skip


@pytest.fixture(scope="module")
def stage(shared_engine, tmp_path_factory):
    """Trivet, the models and the proxy between them."""
    folder = tmp_path_factory.mktemp("litellm")
    db.forget_rows()
    with db.transaction() as session:
        key = create_key(session, name="gateway", scopes=["ingest", "policy"], tenant=None, actor="test").secret
        session.add(Backend(name="gw-1", registered_at=utc_now()))
    price("openai", "gpt-big", input="2", output="10")
    price("openai", "gpt-little", input="0.2", output="1")
    (folder / "trivet.toml").write_text(SHAPES)
    trivet = Service()
    with models() as served:
        environment = {
            "TRIVET_ENDPOINT": trivet.url, "TRIVET_API_KEY": key, "TRIVET_BACKEND": "gw-1",
            "TRIVET_STATE_PATH": str(folder / "policy.json"), "TRIVET_LITELLM_CONFIG": str(folder / "trivet.toml"),
        }  # fmt: skip
        proxy = Proxy(folder, CONFIG.format(url=served.url), environment)
        try:
            proxy.wait()
            yield SimpleNamespace(proxy=proxy, models=served, trivet=trivet)
        finally:
            proxy.stop()
            stop(trivet)
            _empty(shared_engine)
            db.forget_rows()


def stop(trivet):
    """At once: it does not wait for those who listen to it."""
    trivet.server.force_exit = True
    trivet.stop()


@pytest.fixture
def scenario(request):
    """A scenario with the ladder above, named for its test."""
    name = request.node.name.removeprefix("test_")[:60]
    with db.transaction() as session:
        id_ = db.named_ids(session, Scenario, [name])[name]
        revise(session, id_, 1, utc_now() - timedelta(hours=1), ladder=LADDER)
    return SimpleNamespace(name=name, id=id_)


def command(scenario, kind="degrade", **more):
    with db.transaction() as session:
        given = {"reason": "a test", "actor": "ole@example.com", "now": utc_now(), "scenario_id": scenario.id} | more
        return service.issue(session, kind=kind, **given).id


def status(id_):
    with db.transaction() as session:
        sweep.fold_seen(session)
    with db.transaction() as session:
        sweep.judge(session, utc_now(), 60)
        return session.get(Command, id_).status


def observed(scenario, **more):
    """A command that the proxy holds."""
    id_ = command(scenario, **more)
    eventually(lambda: status(id_) in ("observed", "effective"), LIMIT_S)
    return id_


def requests(scenario, count=1):
    """What Trivet keeps of the scenario's calls, once there are so many."""

    def look():
        with db.transaction() as session:
            return session.scalars(
                select(Request).where(Request.scenario_id == scenario.id).order_by(Request.started_at)
            ).all()

    eventually(lambda: len(look()) >= count, LIMIT_S)
    found = look()
    assert len(found) == count
    return found


class TestACall:
    def test_goes_as_it_came_where_nothing_is_degraded(self, stage, scenario):
        answer = stage.proxy.chat(scenario.name, *TALK, tools=TOOLS, max_tokens=500)
        assert answer.status == 200
        arrived = stage.models.bodies[-1]
        assert (arrived["model"], arrived["messages"], arrived["tools"]) == ("gpt-big", TALK, TOOLS)
        assert arrived["max_tokens"] == 500
        (kept,) = requests(scenario)
        assert (kept.outcome, kept.streamed) == (0, False)
        assert (kept.input_tokens, kept.cache_read_tokens, kept.output_tokens, kept.reasoning_tokens) == (20, 10, 10, 2)
        assert kept.cost_picos > 0

    def test_is_shaped_by_the_level_and_proves_it(self, stage, scenario):
        id_ = observed(scenario, level=1)
        stage.proxy.chat(scenario.name, *TALK, tools=TOOLS, max_tokens=500)
        arrived = stage.models.bodies[-1]
        assert arrived["model"] == "gpt-little"
        assert arrived["messages"] == [TALK[0], *TALK[3:]]  # the system's word and the last two turns
        assert arrived["max_tokens"] == 64
        assert arrived["tools"] == TOOLS[:1]
        eventually(lambda: status(id_) == "effective", LIMIT_S)
        (kept,) = requests(scenario)
        assert (kept.policy_revision, kept.degrade_level) == (1, 1)

    def test_is_told_while_it_streams_with_its_first_token_and_tokens(self, stage, scenario):
        answer = stage.proxy.chat(scenario.name, "hello", stream=True)
        assert "data: [DONE]" in answer.text
        (kept,) = requests(scenario)
        assert kept.streamed
        assert kept.ttft_us > 0
        assert (kept.input_tokens, kept.output_tokens) == (20, 10)

    def test_is_told_though_its_caller_goes_away(self, stage, scenario):
        """What was made until then was paid for."""
        stage.proxy.leave(scenario.name, "slowly")
        (kept,) = requests(scenario)
        assert (kept.outcome, kept.streamed) == (0, True)

    def test_that_fails_is_told_as_an_error(self, stage, scenario):
        assert stage.proxy.chat(scenario.name, "hello", model="broken").status == 400
        (kept,) = requests(scenario)
        assert kept.outcome == 1

    def test_is_one_call_though_its_caller_tells_of_it_too(self, stage, scenario):
        """The proxy's span goes into the caller's trace, and carries the model's id of the answer."""
        trace = "0af7651916cd43dd8448eb211c80319c"
        answer = stage.proxy.chat(scenario.name, "hello", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        (kept,) = requests(scenario)
        assert kept.trace_id.hex() == trace
        assert kept.response_id == answer.body["id"]


class TestOtherWaysOfCalling:
    """The proxy speaks several dialects; what it is asked in each is shaped, told once and priced alike."""

    @pytest.mark.parametrize(
        ("path", "body", "tokens"),
        [
            ("/v1/messages", {"messages": TALK[1:], "max_tokens": 500}, (20, 10)),
            ("/v1/responses", {"input": TALK[1:], "max_output_tokens": 500}, (20, 10)),
            ("/v1/embeddings", {"input": "a text"}, (30, 0)),
        ],
        ids=["messages", "responses", "embeddings"],
    )
    def test_are_shaped_and_told_too(self, stage, scenario, path, body, tokens):
        observed(scenario, level=1)
        answer = stage.proxy.post(path, scenario.name, {"model": "big", **body})
        assert answer.status == 200, answer.text
        arrived = stage.models.bodies[-1]
        assert arrived["model"] == "gpt-little"
        assert "one" not in str(arrived)  # the oldest turn
        limits = [
            arrived[name] for name in ("max_tokens", "max_completion_tokens", "max_output_tokens") if name in arrived
        ]
        assert limits == [64][: len(body) - 1]
        (kept,) = requests(scenario)
        assert (kept.input_tokens, kept.output_tokens, kept.degrade_level) == (*tokens, 1)


class TestACallThatIsNotLetIn:
    def test_is_told_when_to_come_back_where_its_tenant_is_cut_off(self, stage, scenario):
        with db.transaction() as session:
            from trivet.tenant.models import Tenant

            tenant_id = db.named_ids(session, Tenant, ["loud"])["loud"]
        observed(scenario, kind="break", tenant_id=tenant_id)
        before = len(stage.models.bodies)
        refused = stage.proxy.chat(scenario.name, "hello", headers={"X-Trivet-Tenant": "loud"})
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) > 0
        assert refused.body["error"]["message"]
        assert stage.proxy.chat(scenario.name, "hello", headers={"X-Trivet-Tenant": "quiet"}).status == 200
        assert len(stage.models.bodies) == before + 1
        kept = requests(scenario, 2)
        assert [each.outcome for each in kept] == [4, 0]  # rejected, which is no error, and ok

    def test_is_counted_by_the_day(self, stage, scenario):
        observed(scenario, level=2)
        statuses = [stage.proxy.chat(scenario.name, "hello", tools=TOOLS).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert "tools" not in stage.models.bodies[-1]

    def test_is_answered_from_the_cache_or_not_at_all(self, stage, scenario):
        kept = {"cache": {"use-cache": True}}
        assert stage.proxy.chat(scenario.name, "known", model="little", max_tokens=32, **kept).status == 200
        observed(scenario, level=3)
        before = len(stage.models.bodies)
        eventually(
            lambda: stage.proxy.chat(scenario.name, "known", model="little", max_tokens=32, **kept).status == 200,
            LIMIT_S,
        )
        refused = stage.proxy.chat(scenario.name, "unknown", **kept)
        assert (refused.status, refused.body["error"]["message"]) == (503, "Busy: only known questions.")
        assert 30 <= int(refused.headers["retry-after"]) <= 50  # jittered around 40
        assert len(stage.models.bodies) == before

    def test_has_no_room_in_its_budget(self, stage, scenario):
        budget("poor", "0.000001", scope="scenario", subject_id=scenario.id)
        refused = stage.proxy.chat(scenario.name, "hello", max_tokens=1000)
        assert refused.status == 402
        assert "poor" in refused.body["error"]["message"]


class TestACallWithABudget:
    def test_holds_what_it_may_cost_and_settles_what_it_came_to(self, stage, scenario):
        """Both the callback and the span say what it came to, each to its own column: 30 tokens in, 12 out."""
        budget("rich", "100", scope="scenario", subject_id=scenario.id)
        assert stage.proxy.chat(scenario.name, "hello", max_tokens=100).status == 200
        (kept,) = requests(scenario)

        def held():
            with db.transaction() as session:
                return session.get(Reservation, kept.reservation)

        assert held().each_tokens > 42
        eventually(lambda: (held().posted_calls, held().posted_tokens) == (1, 42), LIMIT_S)


class TestTrivetAway:
    def test_delays_no_call_and_the_last_policy_holds(self, stage, scenario):
        """The last test of the file: nothing serves the policy after it."""
        observed(scenario, level=1)
        stop(stage.trivet)
        began = time.monotonic()
        answer = stage.proxy.chat(scenario.name, *TALK)
        assert answer.status == 200
        assert time.monotonic() - began < 5
        assert stage.models.bodies[-1]["model"] == "gpt-little"
