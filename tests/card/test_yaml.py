"""Cards as YAML: read back as they were, in one order, refused where a file is more than a card."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.card import yaml_form
from trivet.card.content import parse
from trivet.card.presets import preset, presets
from trivet.kit.errors import Invalid, TooLarge

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
NUMBERS = st.one_of(st.integers(1, 10**6), st.floats(0.001, 10**6))


@st.composite
def cards(draw):
    card = preset(draw(st.sampled_from(sorted(presets())))).model_dump(mode="json")
    card["latency"]["on_timeout"] = draw(TEXTS)
    card["latency"]["p95_ms"] = draw(st.floats(1, card["latency"]["timeout_ms"]))
    card["quality"]["must_be_right"] = draw(st.lists(TEXTS, max_size=3))
    card["rollback"]["within_s"] = draw(st.none() | st.integers(1, 9999))
    guard = card["guards"][0]
    guard["enter"] = draw(NUMBERS)
    guard |= {"leave": guard["enter"] / 2, "false_alarms_per_month": draw(st.none() | st.floats(0.1, 10))}
    card["flags"] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "tools.mode": st.sampled_from(["all", "local", "off"]),
                "admission.message": TEXTS,
                "cache.only": st.booleans(),
                "output.max_tokens": st.integers(0, 9999),
            },
        )
    )
    return parse(card)


class TestARoundTrip:
    @settings(max_examples=25)
    @given(cards(), TEXTS.filter(bool))
    def test_gives_the_same_card_and_the_same_text(self, card, scenario):
        text = yaml_form.dump(card, scenario)
        named, body = yaml_form.load(text)
        assert (named, parse(body)) == (scenario, card)
        assert yaml_form.dump(parse(body), named) == text

    @pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
    def test_keeps_a_line_end_that_only_unicode_knows(self, end):
        card = preset("rag")
        for scenario in (end, f"a{end}b", f"a{end} b\n"):
            assert yaml_form.load(yaml_form.dump(card, scenario))[0] == scenario

    def test_one_changed_number_is_one_changed_line(self):
        card = preset("rag").model_dump(mode="json")
        before = yaml_form.dump(parse(card), "search").splitlines()
        card["guards"][0]["enter"] = 4100.0
        after = yaml_form.dump(parse(card), "search").splitlines()
        assert [line for line in after if line not in before] == ["    enter: 4100"]
        assert len(before) == len(after)

    def test_flags_are_in_one_order_whatever_order_they_were_stored_in(self):
        card = preset("rag").model_dump(mode="json")
        other = card | {"ladder": [step | {"flags": dict(reversed(step["flags"].items()))} for step in card["ladder"]]}
        assert yaml_form.dump(parse(card), "s") == yaml_form.dump(parse(other), "s")


class TestWordsThatYamlTakesForSomethingElse:
    def test_off_is_a_text_and_a_date_is_none(self):
        text = "trivet_card: 1\nscenario: s\nflags: {tools.mode: off, admission.message: 2026-11-21, model.route: no}\n"
        _, body = yaml_form.load(text)
        assert body["flags"] == {"tools.mode": "off", "admission.message": "2026-11-21", "model.route": "no"}

    def test_a_number_with_an_exponent_is_a_number(self):
        assert yaml_form.load("trivet_card: 1\nscenario: s\nenter: 1e3\nleave: 1.5e-05\n")[1] == {
            "enter": 1000.0,
            "leave": 1.5e-05,
        }

    def test_a_number_beyond_all_numbers_is_refused_as_a_card(self):
        with pytest.raises(Invalid):
            parse(yaml_form.load(f"trivet_card: 1\nscenario: s\nflags: {{output.max_tokens: {'9' * 5000}}}\n")[1])


class TestAFileThatIsRefused:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("trivet_card: 1\nscenario: &a x\nflags: *a\n", "line 3: aliases are not read"),
            ("trivet_card: 1\nscenario: a\nscenario: b\n", "line 3: `scenario` is there twice"),
            ("trivet_card: 1\nscenario: a\n? [flags]\n: 1\n", "a key is one word"),
            ("trivet_card: 1\nscenario: a\nflags: !!python/object:os.system {}\n", "line 3: tags"),
            ("trivet_card: 1\nscenario: a\nflags: !!binary aGVsbG8=\n", "line 3: tags"),
            ("trivet_card: 1\nscenario: a\nflags: !!float abc\n", "line 3: tags"),
            ("trivet_card: 1\nscenario: a\nflags: !!set {a, b}\n", "line 3: tags"),
            ("trivet_card: 1\nscenario: a\nx: " + "[" * 50 + "]" * 50, "nested too deeply"),
            ("trivet_card: 1\n  scenario: a", "line 2"),
            ("- trivet_card: 1", "begins with"),
            ("trivet_card: 2\nscenario: a", "begins with"),
            ("trivet_card: true\nscenario: a", "begins with"),
            ("trivet_card: 1", "Name the scenario"),
            ("", "begins with"),
        ],
    )
    def test_says_where_and_why(self, text, says):
        with pytest.raises(Invalid, match=says.replace("(", r"\(")):
            yaml_form.load(text)

    def test_is_one_that_doubles_itself(self):
        bomb = "trivet_card: 1\nscenario: a\na: &a [x, x]\n" + "".join(
            f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        with pytest.raises(Invalid, match="aliases"):
            yaml_form.load(bomb)

    def test_is_one_that_is_too_long(self):
        with pytest.raises(TooLarge, match="256 KiB"):
            yaml_form.load("#" * (yaml_form.BYTES_MAX + 1))
