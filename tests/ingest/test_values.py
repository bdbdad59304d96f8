"""Values as senders may write them: what is whole is a number, what is no truth is refused, long lists are not read."""

import json
import tracemalloc

import pytest
from tests.support.spans import RULES, START_NS, request_in

from trivet.ingest.decode.spans_json import spans_of_json
from trivet.ingest.errors import Malformed
from trivet.ingest.request.normalise import normalise

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.output_tokens": 1}


def told(value, key="gen_ai.usage.input_tokens", status=None):
    attributes = [{"key": name, "value": _any(each)} for name, each in CHAT.items()] + [{"key": key, "value": value}]
    span = {
        "traceId": "ab" * 16, "spanId": "cd" * 8, "attributes": attributes, "status": {"code": status},
        "startTimeUnixNano": str(START_NS), "endTimeUnixNano": START_NS + 10**9,
    }  # fmt: skip
    content = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    [decoded] = spans_of_json(content, RULES.wanted, 10)
    return normalise(decoded, RULES, START_NS + 10**9)


def _any(value):
    return {"intValue": value} if isinstance(value, int) else {"stringValue": value}


class TestJson:
    @pytest.mark.parametrize("value", [100, "100", 100.0, "100.0", "1e2", "1.0E+2"])
    def test_a_whole_number_may_come_as_number_or_text_with_or_without_an_exponent(self, value):
        assert told({"intValue": value}).input_tokens == 100

    @pytest.mark.parametrize("value", ["1.5", 1.5, "many", "", True, [1], "1e400", "NaN", 2**63, "9" * 5000])
    def test_what_is_none_refuses_the_export(self, value):
        with pytest.raises(Malformed):
            told({"intValue": value})

    @pytest.mark.parametrize(("value", "streamed"), [(True, True), (False, False), (None, False)])
    def test_a_truth_is_true_or_false(self, value, streamed):
        assert told({"boolValue": value}, "gen_ai.request.stream").streamed is streamed

    @pytest.mark.parametrize("value", ["false", 0, []])
    def test_a_text_that_says_false_is_not_taken_for_true(self, value):
        with pytest.raises(Malformed):
            told({"boolValue": value}, "gen_ai.request.stream")

    @pytest.mark.parametrize("code", [2, 2.0, "2", "STATUS_CODE_ERROR"])
    def test_an_error_is_one_however_its_code_is_written(self, code):
        assert told({"intValue": 1}, status=code).outcome == 1

    @pytest.mark.parametrize("code", [None, 0, 1, 99, "else", [2]])
    def test_any_other_code_is_none(self, code):
        assert told({"intValue": 1}, status=code).outcome == 0


class TestFinishReasons:
    def test_as_a_json_text_are_the_first_of_the_list(self):
        assert request_in(CHAT | {"gen_ai.response.finish_reasons": '["length", "stop"]'}).finish_reason == "length"

    def test_of_millions_are_not_read(self):
        """A text is one element, whatever it would become as JSON: ten times its size."""
        text = "[" + "{}," * 1_000_000 + "{}]"
        tracemalloc.start()
        try:
            assert request_in(CHAT | {"gen_ai.response.finish_reasons": text}).finish_reason is None
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 40 << 20
