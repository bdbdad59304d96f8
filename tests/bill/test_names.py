"""Which model a name on a bill is taken to be, and by which rule."""

import pytest

from trivet.bill.names import RULES, SAME, guess

MODELS = {
    "gpt-4o": 1, "gpt-4o-mini": 2, "claude-sonnet-4-5-20250929": 3, "gemini-2.5-flash": 4, "gemini-2.5-pro": 5,
    "anthropic.claude-sonnet-4-6-20260101-v1:0": 6, "us.meta.llama3-3-70b-instruct-v1:0": 7,
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("gpt-4o", "gpt-4o"),
        ("GPT 4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt 4o 0806", "gpt-4o"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("Claude Sonnet 4.5", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("Claude4.6Sonnet", "anthropic.claude-sonnet-4-6-20260101-v1:0"),
        ("Gemini 2.5 Flash", "gemini-2.5-flash"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("publishers/google/models/gemini-2.5-pro-002", "gemini-2.5-pro"),
        ("meta.llama3-3-70b-instruct-v1:0", "us.meta.llama3-3-70b-instruct-v1:0"),
    ],
)
def test_it_is_guessed(written, model):
    found = guess(written, MODELS)
    assert found is not None and found.model_id == MODELS[model]
    assert found.rule in dict(RULES)


@pytest.mark.parametrize(
    "written", ["gpt-4", "gpt-4.1", "claude-opus-4-5", "Host:ml.g5.xlarge", "gemini-2.5", "4o", "…", ""]
)
def test_it_is_not_guessed(written):
    assert guess(written, MODELS) is None


def test_where_two_models_fit_nobody_is_chosen():
    assert guess("gpt-4o", {"gpt-4o-2024-05-13": 1, "gpt-4o-2024-08-06": 2}) is None


def test_the_same_name_wins_over_one_that_fits_by_rule():
    found = guess("gpt-4o", {"gpt-4o": 1, "gpt-4o-2024-08-06": 2})
    assert found is not None and (found.model_id, found.rule) == (1, SAME)
