"""The configuration file: what it may say, and what is said of one that is wrong."""

import dataclasses
import os
import tomllib
from pathlib import Path

import pytest

from trivet_collectors.config import (
    Config,
    ConfigError,
    MetricsConfig,
    NvmlConfig,
    PrometheusConfig,
    QueueConfig,
    load,
    parse,
)
from trivet_collectors.setup import sources

EXAMPLE = Path(__file__).parents[2] / "deploy" / "trivet-collector.toml"
ONE = "[[receivers.nvml]]\n"


def problem(toml: str) -> str:
    with pytest.raises(ConfigError) as raised:
        sources(parse(tomllib.loads(toml)))
    assert "\n" not in str(raised.value)
    return str(raised.value)


class TestAConfiguration:
    def test_says_what_is_read_and_where_it_goes(self, tmp_path: Path) -> None:
        (tmp_path / "agent.toml").write_text("""
            endpoint = "https://trivet.example"
            host = "gpu-7"
            pool = "h200-a"
            send_interval_s = 5
            [queue]
            dir = "/var/lib/q"
            bytes_max = 1_000_000
            [metrics]
            port = 9464
            [[receivers.nvml]]
            interval_s = 0.5
            [[receivers.prometheus]]
            url = "http://127.0.0.1:8000/metrics"
            backend = "vllm-1"
            [[receivers.prometheus]]
            url = "http://127.0.0.1:9400/metrics"
            engine = "dcgm"
        """)
        assert load(tmp_path / "agent.toml") == Config(
            endpoint="https://trivet.example",
            host="gpu-7",
            pool="h200-a",
            send_interval_s=5,
            queue=QueueConfig(dir="/var/lib/q", bytes_max=1_000_000),
            metrics=MetricsConfig(port=9464),
            nvml=(NvmlConfig(interval_s=0.5),),
            prometheus=(
                PrometheusConfig(url="http://127.0.0.1:8000/metrics", backend="vllm-1"),
                PrometheusConfig(url="http://127.0.0.1:9400/metrics", engine="dcgm"),
            ),
        )

    def test_is_shown_whole_by_the_example(self) -> None:
        example = load(EXAMPLE)
        assert example.nvml
        assert example.prometheus
        text = EXAMPLE.read_text()
        every = (Config, QueueConfig, MetricsConfig, NvmlConfig, PrometheusConfig)
        names = {f.name for cls in every for f in dataclasses.fields(cls) if "check" in f.metadata}
        assert {name for name in names if f"{name} = " not in text} == set()

    def test_leaves_the_rest_to_the_environment(self, tmp_path: Path) -> None:
        config = parse(tomllib.loads(ONE))
        environment = {
            "TRIVET_ENDPOINT": "http://t",
            "TRIVET_API_KEY": "tvt_env",
            "TRIVET_POOL": "p",
            "STATE_DIRECTORY": f"{tmp_path}:/other",
            "OTEL_RESOURCE_ATTRIBUTES": "cloud.region=eu-1",
        }
        assert config.destination(environment).url == "http://t/v1/metrics"
        assert config.key(environment) == "tvt_env"
        assert config.queue_directory(environment) == tmp_path / "queue"
        assert config.resource(environment) == {
            "cloud.region": "eu-1",
            "service.name": "trivet-collector",
            "host.name": os.uname().nodename,
            "trivet.pool": "p",
        }

    def test_reads_the_key_from_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("tvt_file\n")
        config = parse(tomllib.loads(f'api_key_file = "{tmp_path / "key"}"\n{ONE}'))
        assert config.key({"TRIVET_API_KEY": "tvt_env"}) == "tvt_file"
        named = parse(tomllib.loads(ONE))
        assert named.key({"TRIVET_API_KEY_FILE": str(tmp_path / "key")}) == "tvt_file"


class TestAWrongConfiguration:
    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            (f"endpint = 'http://t'\n{ONE}", "endpint: unknown key, did you mean endpoint?"),
            (f"endpoint = 'trivet'\n{ONE}", "endpoint: 'trivet' must be an address that begins with http://"),
            (f"send_interval_s = '5'\n{ONE}", "send_interval_s: '5' must be a number from 0.05 to 300"),
            (f"send_interval_s = true\n{ONE}", "send_interval_s: True must be a number"),
            (f"api_key = 'a'\napi_key_file = 'b'\n{ONE}", "api_key and api_key_file: give one of them"),
            (f"{ONE}[queue]\nbytes_max = 1.5", "queue.bytes_max: 1.5 must be a whole number from"),
            (f"{ONE}[queue]\nage_max_s = nan", "queue.age_max_s: nan must be a number"),
            (f"queue = 5\n{ONE}", "queue: write a table, [queue]"),
            ("", "add [[receivers.nvml]] or [[receivers.prometheus]]"),
            ("receivers = 1", "write [[receivers.nvml]]"),
            ("[receivers.nvml]", "receivers.nvml: write [[receivers.nvml]], with two brackets"),
            ("[[receivers.nvlm]]", "receivers.nvlm: unknown key, did you mean nvml?"),
            (ONE * 2, "receivers.nvml[1]: one reads every card"),
            ("[[receivers.prometheus]]", "receivers.prometheus[0].url: missing, it must be an address"),
            ("[[receivers.prometheus]]\nurl = 'file:///etc'", "receivers.prometheus[0].url: 'file:///etc' must be"),
            ("[[receivers.prometheus]]\nurl = 'http://me:secret@a/metrics'", "without a user"),
            ("[[receivers.prometheus]]\nurl = 'http://a/b c'", "receivers.prometheus[0].url: 'http://a/b c' must be"),
            ("[[receivers.prometheus]]\nurl = 'http://größe/metrics'", "receivers.prometheus[0].url: 'http://größe"),
            (f'{ONE}[queue]\ndir = "a\\u0000b"', "queue.dir: 'a\\x00b' must be a text in quotes on one line"),
            (
                "[[receivers.prometheus]]\nurl = 'http://a'\n" * 2,
                "receivers.prometheus[1].url: 'http://a' stands there twice, and would count twice",
            ),
            (
                "[[receivers.prometheus]]\nurl = 'http://a'\n[[receivers.prometheus]]\nurl = 'http://b'\nengine = 'vlm'",
                "receivers.prometheus[1].engine: 'vlm' is not known, there are vllm, sglang",
            ),
        ],
    )
    def test_is_told_which_key_and_what_to_do(self, toml: str, said: str) -> None:
        assert said in problem(toml)

    def test_is_told_without_what_may_be_secret(self) -> None:
        assert "secret" not in problem("[[receivers.prometheus]]\nurl = 'http://me:secret@a/metrics'")
        assert problem(f"api_key = 12345\n{ONE}") == "api_key: it must be a text in quotes on one line, not empty"

    def test_is_told_which_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none.toml: No such file"):
            load(tmp_path / "none.toml")
        (tmp_path / "bad.toml").write_text("a = ")
        with pytest.raises(ConfigError, match=r"bad.toml: not TOML"):
            load(tmp_path / "bad.toml")

    def test_is_told_of_a_key_file_that_is_empty(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(" \n")
        config = parse(tomllib.loads(f'api_key_file = "{tmp_path / "key"}"\n{ONE}'))
        with pytest.raises(ConfigError, match=r"api_key_file: .*key is empty"):
            config.key({})

    @pytest.mark.parametrize("text", ["tvt_\u2713", "tvt_\x07"])
    def test_is_told_of_a_key_that_was_copied_wrong(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "key").write_text(text)
        config = parse(tomllib.loads(f'endpoint = "http://t"\napi_key_file = "{tmp_path / "key"}"\n{ONE}'))
        with pytest.raises(ConfigError, match="the API key holds signs that no key has"):
            config.destination({})

    def test_without_an_address_is_told_where_one_can_come_from(self) -> None:
        with pytest.raises(ConfigError, match="TRIVET_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT"):
            parse(tomllib.loads(ONE)).destination({})
