"""What each engine's page says in the one vocabulary: the first scrape is the same page at nothing, the second is the page."""

from typing import Any

import pytest
from tests.collectors.pages import at_nothing, page, read_twice, text_of, told

from trivet_collectors import semconv
from trivet_collectors.receivers.prometheus_map import METRICS, engines
from trivet_collectors.receivers.prometheus_read import EngineReader


def second_scrape(name: str) -> tuple[str, dict[tuple[str, ...], Any]]:
    text = text_of(name)
    engine, read = read_twice(at_nothing(text), text)
    return engine, told(read)


class TestVllm:
    def test_with_names_of_both_generations_is_told_by_the_newer_ones(self) -> None:
        m = "facebook/opt-125m"
        zero = dict.fromkeys((0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25), 0)
        engine, points = second_scrape("vllm-mixed-v0-v1")
        assert engine == "vllm"
        assert points == {
            ("trivet.requests.running", m): 0,
            ("trivet.requests.waiting", m): 0,
            ("trivet.kv_cache.usage", m): 0,
            ("trivet.prefix_cache.queries", m): 117,
            ("trivet.prefix_cache.hits", m): 64,
            (
                "trivet.tokens",
                m,
                "input",
            ): 53,  # not the 5 of prompt_tokens_total: the newer name says where they came from
            ("trivet.tokens", m, "cache_read"): 64,
            ("trivet.tokens", m, "output"): 7,
            ("trivet.requests.finished", m, "ok"): 1,
            ("trivet.engine.ttft", m): (
                1,
                0.313267231,
                zero | {0.5: 1, 0.75: 0, 1.0: 0, 2.5: 0, 5.0: 0, 7.5: 0, 10.0: 0, "more": 0},
            ),
            ("trivet.engine.inter_token", m): (  # only the older name is there
                6,
                0.190163136,
                {0.01: 0, 0.025: 0, 0.05: 6, 0.075: 0, 0.1: 0, 0.15: 0, 0.2: 0, 0.3: 0, 0.4: 0, 0.5: 0, 0.75: 0}
                | {1.0: 0, 2.5: 0, "more": 0},
            ),
            ("trivet.engine.e2e", m): (
                1,
                0.503430367,
                {1.0: 1, 2.5: 0, 5.0: 0, 10.0: 0, 15.0: 0, 20.0: 0, 30.0: 0, 40.0: 0, 50.0: 0, 60.0: 0, "more": 0},
            ),
        }

    def test_of_several_engines_is_one_backend(self) -> None:
        m = "llama-70b"
        _, points = second_scrape("vllm-0.26-made")
        assert points == {
            ("trivet.requests.running", m): 8,
            ("trivet.requests.waiting", m): 2,
            ("trivet.kv_cache.usage", m): 0.5,  # a share is not added up
            ("trivet.prefix_cache.queries", m): 4000,
            ("trivet.prefix_cache.hits", m): 1600,
            ("trivet.preemptions", m): 4,
            ("trivet.tokens", m, "input"): 2300,
            ("trivet.tokens", m, "cache_read"): 1700,
            ("trivet.tokens", m, "output"): 1200,
            ("trivet.requests.finished", m, "ok"): 55,
            ("trivet.requests.finished", m, "error"): 3,
            ("trivet.errors", m, "abort"): 2,
            ("trivet.errors", m, "error"): 1,
            ("trivet.engine.ttft", m): (58, 9.0, {0.1: 40, 1.0: 17, "more": 1}),
            ("trivet.engine.inter_token", m): (475, 9.5, {0.025: 400, "more": 75}),
            ("trivet.engine.queue_time", m): (25, 0.75, {0.3: 25, "more": 0}),
        }

    def test_before_it_said_where_prompt_tokens_came_from_has_cached_ones_taken_off(self) -> None:
        text = "\n".join(line for line in text_of("vllm-0.26-made").splitlines() if "_by_source" not in line) + "\n"
        points = told(read_twice(at_nothing(text), text)[1])
        assert points["trivet.tokens", "llama-70b", "input"] == 4000 - 1700
        assert points["trivet.tokens", "llama-70b", "cache_read"] == 1700

    def test_of_the_old_generation_has_its_own_name_for_the_cache(self) -> None:
        text = 'vllm:gpu_cache_usage_perc{model_name="m"} 0.5\n'
        assert told(read_twice(text, text)[1]) == {("trivet.kv_cache.usage", "m"): 0.5}


class TestOthers:
    def test_sglang_is_read_on_its_first_rank(self) -> None:
        m = "qwen3-32b"
        engine, points = second_scrape("sglang-made")
        assert engine == "sglang"
        assert points == {
            ("trivet.requests.running", m): 7,
            ("trivet.requests.waiting", m): 3,
            ("trivet.kv_cache.usage", m): 0.42,
            ("trivet.prefix_cache.queries", m): 9000,
            ("trivet.prefix_cache.hits", m): 2700,
            ("trivet.preemptions", m): 2,
            ("trivet.tokens", m, "input"): 6300,
            ("trivet.tokens", m, "cache_read"): 2700,
            ("trivet.tokens", m, "output"): 4100,
            ("trivet.requests.finished", m, "ok"): 46,
            ("trivet.requests.finished", m, "error"): 4,
            ("trivet.errors", m, "abort"): 4,
            ("trivet.engine.ttft", m): (46, 10.0, {0.1: 12, 0.4: 31, "more": 3}),
        }

    def test_sglang_of_earlier_years_has_other_labels_and_one_name_for_each_gap(self) -> None:
        m = "meta-llama/Llama-3.1-8B-Instruct"
        engine, points = second_scrape("sglang-0.4")
        spreads = {key[0]: points.pop(key) for key in list(points) if isinstance(points[key], tuple)}
        assert engine == "sglang"
        assert points == {
            ("trivet.requests.running", m): 162,
            ("trivet.requests.waiting", m): 2826,
            ("trivet.kv_cache.usage", m): 0.28,
            ("trivet.tokens", m, "input"): 8_128_902,  # no hits are told, and so no rate of 0
            ("trivet.tokens", m, "output"): 7_557_572,
        }
        assert {name: (count, total) for name, (count, total, _) in spreads.items()} == {
            "trivet.engine.ttft": (11_008, 2351897.947411776),
            "trivet.engine.e2e": (11_228, 3116093.850019932),
            "trivet.engine.inter_token": (7_400_757, 866964.57915496),
        }
        assert spreads["trivet.engine.ttft"][2]["more"] == 11_008 - 2_513

    def test_tgi_has_counters_without_total_and_no_model(self) -> None:
        engine, points = second_scrape("tgi")
        assert engine == "tgi"
        e2e = points.pop(("trivet.engine.e2e",))
        assert points == {
            ("trivet.requests.running",): 0,
            ("trivet.requests.waiting",): 0,
            ("trivet.requests.finished", "ok"): 109,
            ("trivet.requests.finished", "error"): 2,
            ("trivet.errors", "validation"): 2,
        }
        assert e2e[:2] == (109, 245.917438391)
        assert [n for n in e2e[2].values() if n] == [2, 81, 20, 1, 5]

    def test_tgi_is_given_its_model_by_the_configuration(self) -> None:
        _, read = read_twice(text_of("tgi"), text_of("tgi"), **{"gen_ai.request.model": "mistral-7b"})
        assert told(read) == {
            ("trivet.requests.running", "mistral-7b"): 0,
            ("trivet.requests.waiting", "mistral-7b"): 0,
        }

    def test_triton_tells_means_and_leaves_the_cards_to_others(self) -> None:
        engine, points = second_scrape("triton")
        assert engine == "triton"
        assert points == {
            ("trivet.requests.waiting", "densenet_onnx"): 0,
            ("trivet.requests.finished", "densenet_onnx", "ok"): 3,
            ("trivet.engine.e2e", "densenet_onnx"): (3, 1.327965, {}),
            ("trivet.engine.queue_time", "densenet_onnx"): (3, 0.000145, {}),
        }

    def test_llama_cpp(self) -> None:
        engine, points = second_scrape("llamacpp-made")
        assert engine == "llamacpp"
        assert points == {
            ("trivet.requests.running",): 2,
            ("trivet.requests.waiting",): 1,
            ("trivet.kv_cache.usage",): 0.5,
            ("trivet.tokens", "input"): 1234,
            ("trivet.tokens", "output"): 400,
            ("trivet.engine.inter_token",): (400, 10.0, {}),
        }

    def test_dynamo(self) -> None:
        m = "qwen3-32b"
        engine, points = second_scrape("dynamo-made")
        assert engine == "dynamo"
        assert points == {
            ("trivet.requests.running", m): 6,
            ("trivet.requests.waiting", m): 2,
            ("trivet.prefix_cache.queries", m): 20000,
            ("trivet.prefix_cache.hits", m): 8000,
            ("trivet.tokens", m, "input"): 12000,
            ("trivet.tokens", m, "cache_read"): 8000,
            ("trivet.tokens", m, "output"): 5000,
            ("trivet.requests.finished", m, "ok"): 100,
            ("trivet.requests.finished", m, "rejected"): 3,
            ("trivet.requests.finished", m, "timeout"): 2,
            ("trivet.errors", m, "response_timeout"): 2,
            ("trivet.engine.inter_token", m): (4900, 98.0, {0.02: 4000, "more": 900}),
        }


class TestLiteLlm:
    def test_says_what_came_between_two_scrapes(self) -> None:
        m = "gpt-4o"
        engine, read = read_twice(text_of("litellm-1"), text_of("litellm-2"))
        points = told(read)
        assert engine == "litellm"
        buckets = {key: value[:2] for key, value in points.items() if isinstance(value, tuple)}
        assert {key: value for key, value in points.items() if key not in buckets} == {
            ("trivet.requests.running",): 0,  # the one it tells of is the scrape
            ("trivet.spend", m): 0.00054,
            ("trivet.tokens", m, "input"): 28,
            ("trivet.tokens", m, "output"): 47,
            ("trivet.requests.finished", m, "ok"): 3,
            ("trivet.requests.finished", "broken", "error"): 1,
            ("trivet.requests.finished", "limited", "rejected"): 1,
            ("trivet.errors", "broken", "Openai.InternalServerError"): 1,
            ("trivet.requests.denied", "limited", "Openai.RateLimitError"): 1,
        }
        assert buckets == {
            ("trivet.engine.ttft", m): (1, 0.003385),
            ("trivet.engine.inter_token", m): (3, 0.001328786),
            ("trivet.engine.e2e", m): (3, 0.040053012),
            ("trivet.engine.queue_time", m): (3, 0.013422012),
        }

    def test_names_the_team_as_the_tenant_and_drops_the_text_none(self) -> None:
        text = text_of("litellm-2").replace('team_alias="None"', 'team_alias="search"')
        _, read = read_twice(at_nothing(text), text)
        spend = next(r for r in read if r.metric is semconv.TRIVET_SPEND)
        assert spend.attributes == {"trivet.tenant": "search", "gen_ai.request.model": "gpt-4o"}

    def test_makes_an_event_of_a_deployment_that_goes_out(self) -> None:
        well = 'litellm_deployment_state{litellm_model_name="gpt-4o",model_id="a"} 0\n'
        other = 'litellm_deployment_state{litellm_model_name="gpt-4o",model_id="b"} 1\n'
        out = well.replace("} 0", "} 2")
        _, read = read_twice(well + other, out + other)
        assert told(read) == {("trivet.health", "gpt-4o", "deployment", "outage"): 1}
        assert read_twice(out, out)[1] == []  # it was so when we came, and still is
        assert read_twice(out, well)[1] == []


CARD = {
    "hw.driver_version": "460.106.00",
    "hw.id": "GPU-20c56d28-0da5-6d26-a36a-e7af1ce2586e",
    "hw.model": "Tesla T4",
    "hw.name": "nvidia0",
    "hw.type": "gpu",
    "hw.vendor": "NVIDIA",
    "host.name": "424773df46e0",
}


class TestDcgm:
    def test_says_of_a_card_what_nvml_would(self) -> None:
        text = text_of("dcgm-t4")
        engine, read = read_twice(at_nothing(text), text)
        assert engine == "dcgm"
        assert all(dict(r.attributes) == CARD for r in read)
        assert told(read, *CARD) == {
            ("hw.gpu.utilization",): 0,
            ("hw.gpu.memory.usage",): 0,
            ("hw.gpu.memory.limit",): 15109 * 1024**2,
            ("hw.power",): 8.969,
            ("hw.energy",): 128996.013,
            ("hw.temperature",): 25,
            ("trivet.gpu.clock.sm",): 300,
            ("trivet.gpu.clock.memory",): 405,
        }

    def test_keeps_instances_apart_and_says_once_what_is_the_whole_cards(self) -> None:
        text = text_of("dcgm-mig-made")
        _, read = read_twice(at_nothing(text), text)
        points = told(read, "hw.model", "hw.name", "hw.type", "hw.vendor", "host.name", "trivet.gpu.mig.profile")
        one, three = ("MIG-GPU-h200/7", "GPU-h200"), ("MIG-GPU-h200/2", "GPU-h200")
        assert points == {
            ("hw.gpu.utilization", *one): 0.5,
            ("hw.gpu.utilization", *three): 0.25,
            ("hw.gpu.memory.usage", *one): 100 * 1024**2,
            ("hw.gpu.memory.usage", *three): 200 * 1024**2,
            ("hw.power", "GPU-h200"): 320.5,
            ("hw.energy", "GPU-h200"): 5000,
            ("trivet.gpu.throttle.time", "GPU-h200", "power"): 1.5,
            ("hw.errors", "uncorrected", "GPU-h200"): 2,
            ("trivet.gpu.xid", "GPU-h200", "79"): 1,
            ("trivet.health", "xid", "xid_79"): 1,
            ("trivet.health", "ecc", "uncorrected"): 2,
        }
        profiles = {r.attributes.get("hw.id"): r.attributes.get("trivet.gpu.mig.profile") for r in read}
        assert profiles == {"MIG-GPU-h200/7": "1g.18gb", "MIG-GPU-h200/2": "3g.71gb", "GPU-h200": None, None: None}

    def test_says_an_xid_once_though_the_page_keeps_it(self) -> None:
        text = text_of("dcgm-mig-made")
        assert not [r for r in read_twice(text, text)[1] if r.metric is semconv.TRIVET_GPU_XID]


ENERGY = 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="GPU-a"%s} %d\n'
BLANK = 9223372036854775794


def energy(*pages: str) -> list[float | None]:
    """Joules that each page after the first says."""
    reader = EngineReader(engines()["dcgm"], {})
    read = [reader.read(page(text)) for text in pages]
    return [next((round(r.value, 3) for r in found if r.metric is semconv.HW_ENERGY), None) for found in read[1:]]


class TestWhatACardCounted:
    """The driver keeps it, and not the exporter's process: it is the same number whoever asks, and for whomever."""

    def test_goes_on_when_another_pod_has_the_card(self) -> None:
        a, b = ',pod="a",namespace="n"', ',pod="b",namespace="n"'
        assert energy(ENERGY % (a, 5_000_000), ENERGY % (b, 5_001_000), ENERGY % ("", 5_003_000)) == [1, 2]

    def test_is_told_once_by_a_card_that_pods_share(self) -> None:
        a, b = ',pod="a"', ',pod="b"'
        first, second = (ENERGY % (a, n) + ENERGY % (b, n) for n in (5_000_000, 5_007_000))
        assert energy(first, second) == [7]

    def test_is_not_told_anew_by_an_exporter_that_started_anew(self) -> None:
        start = "process_start_time_seconds %d\n"
        assert energy(start % 1 + ENERGY % ("", 5_000_000), start % 2 + ENERGY % ("", 5_004_000)) == [4]

    def test_of_a_card_that_turns_up_later_begins_there(self) -> None:
        other = "DCGM_FI_DEV_GPU_TEMP 40\n"
        assert energy(other, ENERGY % ("", 5_000_000), ENERGY % ("", 5_002_000)) == [None, 2]

    def test_is_nothing_while_it_cannot_be_read(self) -> None:
        known, blank, then = ENERGY % ("", 90_000_000), ENERGY % ("", BLANK), ENERGY % ("", 90_006_000)
        assert energy(known, blank + "DCGM_FI_DEV_GPU_TEMP 40\n", then) == [None, 6]

    def test_begins_anew_with_the_driver(self) -> None:
        assert energy(ENERGY % ("", 5_000_000), ENERGY % ("", 1_000), ENERGY % ("", 3_000)) == [None, 2]

    def test_gauges_of_a_shared_card_are_not_added_up(self) -> None:
        rows = "".join(
            f'DCGM_FI_DEV_GPU_UTIL{{UUID="GPU-a",pod="{pod}"}} 80\nDCGM_FI_DEV_FB_USED{{UUID="GPU-a",pod="{pod}"}} 10\n'
            f'DCGM_FI_DEV_FB_FREE{{UUID="GPU-a",pod="{pod}"}} 30\n'
            for pod in "abc"
        )
        points = told(read_twice(rows, rows)[1], "hw.type", "hw.vendor")
        assert points == {
            ("hw.gpu.utilization", "GPU-a"): 0.8,
            ("hw.gpu.memory.usage", "GPU-a"): 10 * 1024**2,
            ("hw.gpu.memory.limit", "GPU-a"): 40 * 1024**2,
        }


class TestTheDataFile:
    def test_speaks_of_known_metrics_and_attributes_only(self) -> None:
        details = {*semconv.SIGNAL_DETAILS, *semconv.GPU_DETAILS}
        for engine in engines().values():
            for row in engine.rows:
                assert row.metric.name in METRICS
                assert set(row.details) <= details, row
                assert all(source.name.startswith(engine.prefixes) or engine.name == "triton" for source in row.sources)

    def test_names_values_that_the_vocabulary_has(self) -> None:
        allowed = {
            semconv.TRIVET_OUTCOME: {*semconv.OUTCOMES},
            semconv.TRIVET_HEALTH_KIND: {*semconv.HEALTH_KINDS},
            semconv.TRIVET_TOKEN_KIND: {"input", "output", "cache_read", "cache_write", "reasoning"},
        }
        for row in (row for engine in engines().values() for row in engine.rows):
            for attribute, values in allowed.items():
                if attribute in row.details:
                    said = row.details[attribute]
                    assert {text for text in (said.text, said.other, *said.values.values()) if text} <= values

    @pytest.mark.parametrize("name", ["vllm", "sglang", "tgi", "triton", "llamacpp", "litellm", "dynamo"])
    def test_maps_each_engine_to_tokens_calls_and_waits_where_it_has_them(self, name: str) -> None:
        told_of = {row.metric.name for row in engines()[name].rows}
        assert {"trivet.tokens", "trivet.requests.waiting"} & told_of
        assert {"trivet.engine.e2e", "trivet.engine.inter_token"} & told_of

    def test_does_not_read_a_histogram_that_is_called_a_total(self) -> None:
        reader = EngineReader(engines()["vllm"], {})
        text = "\n".join(line for line in text_of("vllm-0.26-made").splitlines() if "iteration" in line) + "\n"
        reader.read(page(at_nothing(text)))
        assert reader.read(page(text)) == []
