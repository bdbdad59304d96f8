"""Driving: from a policy's flags to what is wanted, to the driver, and to the proof that Trivet keeps."""

import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.collectors.ofrep_server import eventually
from tests.collectors.test_reserver import Service
from tests.support.governed import revise
from tests.support.replay import recorded, replaying

from trivet import db
from trivet.command import service, sweep
from trivet.command.models import Command
from trivet.fleet.models import Backend
from trivet.identity.service import create_key
from trivet.kit.clock import utc_now
from trivet.tenant.models import Scenario
from trivet_collectors.config import ConfigError
from trivet_collectors.drivers.driver import Applied, DriverError
from trivet_collectors.drivers.plan import load, parse
from trivet_collectors.drivers.rules import Rules, When
from trivet_collectors.drivers.run import RECHECK_S, Driving, Runner
from trivet_collectors.policy.evaluate import DEFAULTS

LIMIT_S = 60.0
TEXT = """
[[drivers]]
name = "llm"
kind = "vllm"
backend = "vllm-1"
scenario = "chat"
url = "{url}"
normal = {{ sleep = 0 }}
[[drivers.when]]
level = 2
do = {{ sleep = 1 }}
"""


def flags(level=0, generation=1, **more):
    return DEFAULTS | {"degrade.level": level, "policy.generation": generation} | {
        name.replace("__", "."): value for name, value in more.items()
    }  # fmt: skip


class TestRules:
    RULES = Rules(
        {"sleep": 0, "loras": {"cheap": "", "dear": "/dear"}},
        (
            When({"loras": {"cheap": "/cheap"}}, level=1),
            When({"sleep": 1}, level=2),
            When({"sleep": 2}, flag="pool.route", equals="spot"),
        ),
    )

    @pytest.mark.parametrize(
        ("said", "wanted"),
        [
            (flags(0), {"sleep": 0, "loras": {"cheap": "", "dear": "/dear"}}),
            (flags(1), {"sleep": 0, "loras": {"cheap": "/cheap", "dear": "/dear"}}),
            (flags(3), {"sleep": 1, "loras": {"cheap": "/cheap", "dear": "/dear"}}),
            (flags(0, pool__route="spot"), {"sleep": 2, "loras": {"cheap": "", "dear": "/dear"}}),
        ],
    )
    def test_lay_what_holds_over_what_is_normal(self, said, wanted):
        assert self.RULES.desired(said) == wanted


class Hands:
    """A driver that keeps what it was told, and fails while it is told to."""

    def __init__(self):
        self.state, self.asked, self.fails = {}, 0, False

    def apply(self, desired, *, dry=False):
        self.asked += 1
        if self.fails:
            raise DriverError("out of reach")
        changed = dict(desired) != self.state
        if not dry:
            self.state = dict(desired)
        return Applied(changed, "done" if changed else "as wanted")

    def close(self):
        pass


@pytest.fixture
def driving():
    """A driver whose policy, clock and listener the test holds."""
    world = SimpleNamespace(flags=flags(0), now=0.0, told=[], hears=True)

    def tell(report):
        world.told.append((report.attributes()["trivet.policy.generation"], report.applied.changed))
        return world.hears

    plan = SimpleNamespace(
        name="llm", kind="vllm", backend="vllm-1", scenario="chat", tenant="",
        rules=Rules({"sleep": 0}, (When({"sleep": 1}, level=2),)),
    )  # fmt: skip
    made = Driving(plan, Hands(), lambda: world.flags, tell, lambda: world.now)
    return made, world


class TestDriving:
    def test_acts_once_and_tells_it_once(self, driving):
        made, world = driving
        world.flags = flags(2, generation=7)
        assert [made.round() for _ in range(5)] == [True] * 5
        assert (made.driver.state, made.driver.asked) == ({"sleep": 1}, 1)
        assert world.told == [(7, True)]

    def test_tells_a_generation_that_wants_the_same(self, driving):
        """Nothing is to be done for it, and it holds all the same."""
        made, world = driving
        made.round()
        world.flags = flags(1, generation=2)
        made.round()
        assert world.told == [(1, True), (2, False)]

    def test_proves_nothing_that_it_could_not_do(self, driving):
        made, world = driving
        made.driver.fails = True
        assert not made.round()
        assert (world.told, made.problem) == ([], "out of reach")
        world.now += 1_000
        made.driver.fails = False
        assert made.round()
        assert world.told == [(1, True)]

    def test_tries_again_ever_more_slowly_and_not_each_round(self, driving):
        made, world = driving
        made.driver.fails = True
        for tenth in range(600):  # a minute
            world.now = tenth / 10
            made.round()
        assert made.driver.asked < 10

    def test_looks_again_after_a_while_and_heals_what_others_undid(self, driving):
        made, world = driving
        made.round()
        made.driver.state = {"sleep": 1}
        world.now = RECHECK_S - 1
        made.round()
        assert made.driver.state == {"sleep": 1}
        world.now = RECHECK_S
        made.round()
        assert made.driver.state == {"sleep": 0}

    def test_tells_until_it_is_heard(self, driving):
        made, world = driving
        world.hears = False
        assert [made.round(), made.round()] == [False, False]
        world.hears = True
        assert [made.round(), made.round()] == [True, True]
        assert len(world.told) == 3
        assert made.driver.asked == 1

    def test_runs_dry_without_a_word_to_trivet(self, driving):
        made, world = driving
        made.dry = True
        world.flags = flags(2)
        assert made.round()
        assert (made.driver.state, world.told) == ({}, [])


class TestAConfiguration:
    TOP = {"endpoint": "http://127.0.0.1:8000", "api_key": "tvt_x"}  # noqa: RUF012  # never changed
    DRIVER = {"name": "a", "kind": "vllm", "backend": "b", "scenario": "s", "url": "http://127.0.0.1:9"}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"kind": "tgi"}, r"drivers\[0\].kind: must be one of argo, kubernetes, triton, vllm"),
            ({"urls": "x"}, r"drivers\[0\].urls: unknown key"),
            ({"scenario": ""}, r"drivers\[0\].scenario: missing"),
            ({"url": "vllm:8000"}, r"drivers\[0\].url: must be an address that begins with http"),
            ({"timeout_s": "10"}, r"drivers\[0\].timeout_s: must be a number from 0.1 to 600"),
            ({"mode": "now"}, r"drivers\[0\].mode: must be one of wait, abort, keep"),
            ({"normal": {"slep": 1}}, r"drivers\[0\].normal.slep: unknown key, there are loras, sleep"),
            ({"when": [{"do": {}}]}, r"drivers\[0\].when\[0\]: give a `level`"),
            ({"when": [{"level": 0, "do": {}}]}, r"when\[0\].level: must be"),
            ({"when": [{"flag": "pool.rout", "equals": "x", "do": {}}]}, r"there is no flag 'pool.rout'"),
            ({"when": [{"flag": "pool.route", "equals": 3, "do": {}}]}, r"equals: must be a str"),
        ],
    )
    def test_that_is_wrong_is_named(self, changed, named):
        with pytest.raises(ConfigError, match=named):
            parse(self.TOP | {"drivers": [self.DRIVER | changed]}, {})

    def test_of_the_example_drives_one_of_each_kind(self):
        raw = tomllib.loads((Path(__file__).parents[2] / "deploy/drivers.toml").read_text())
        drive = parse(raw | {"api_key_file": "", "api_key": "tvt_x"}, {})
        assert [plan.kind for plan in drive.plans] == ["vllm", "triton", "kubernetes", "argo"]
        assert drive.plans[0].rules.desired(flags(2)) == {"sleep": 1, "loras": {"polite": ""}}

    def test_names_its_drivers_apart(self):
        with pytest.raises(ConfigError, match="stands there twice"):
            parse(self.TOP | {"drivers": [self.DRIVER, self.DRIVER]}, {})

    def test_is_refused_by_the_command_in_one_line(self, tmp_path):
        (tmp_path / "drivers.toml").write_text("endpoint = 'http://127.0.0.1:1'\napi_key = 'x'\n")
        command = [sys.executable, "-m", "trivet_collectors.cli", "drive", "--config", str(tmp_path / "drivers.toml")]
        program = "from trivet_collectors.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *command[3:]], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (
            2, "trivet-collector: drivers: write [[drivers]], 1 to 256 of them\n",
        )  # fmt: skip


class TestTheWholeWay:
    def test_from_a_command_to_the_engine_and_back_as_proof(self, shared_engine, database, tmp_path):
        """A degrade to level 2 puts a model to sleep, and only then is the command effective."""
        with db.transaction() as session:
            key = create_key(session, name="drive", scopes=["ingest", "policy"], tenant=None, actor="test").secret
            session.add(Backend(name="vllm-1", registered_at=utc_now()))
            id_ = db.named_ids(session, Scenario, ["chat"])["chat"]
            revise(session, id_, 1, utc_now())
        with db.transaction() as session:
            command = service.issue(
                session, kind="degrade", level=2, scenario_id=id_, reason="test", actor="ole", now=utc_now()
            ).id
        trivet = Service()
        with replaying(recorded("vllm")["sleep"]["exchanges"]) as engine:
            file = tmp_path / "drivers.toml"
            file.write_text(f'endpoint = "{trivet.url}"\napi_key = "{key}"\n' + TEXT.format(url=engine.url))
            assert Runner(load(file, {})).once()
        trivet.server.force_exit = True
        trivet.stop()

        def effective():
            with db.transaction() as session:
                sweep.fold_seen(session)
            with db.transaction() as session:
                sweep.judge(session, utc_now(), 60)
                return session.get(Command, command).status == "effective"

        eventually(effective, LIMIT_S)
