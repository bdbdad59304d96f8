"""Every colour that carries words can be read on the page's paper, in light and in dark (WCAG 2: 4.5 to 1)."""

import math
import re

import pytest

from trivet.paths import shipped

TOKENS = (shipped("web") / "static/src/css/tokens.css").read_text()
PAIR = re.compile(r"--([\w-]+): light-dark\(oklch\(([^)]+)\), oklch\(([^)]+)\)\)")
COLOURS = {
    name: tuple(tuple(map(float, c.split())) for c in (light, dark)) for name, light, dark in PAIR.findall(TOKENS)
}
WORDS = [n for n in COLOURS if n.startswith(("ink", "accent", "quality", "latency", "cost", "level"))]


def luminance(oklch):
    """Relative luminance of an OKLCH colour (Ottosson's matrices), clipped to sRGB."""
    lightness, chroma, hue = oklch
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    l_, m_, s_ = (
        (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3,
        (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3,
        (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3,
    )
    red = 4.0767416621 * l_ - 3.3077115913 * m_ + 0.2309699292 * s_
    green = -1.2684380046 * l_ + 2.6097574011 * m_ - 0.3413193965 * s_
    blue = -0.0041960863 * l_ - 0.7034186147 * m_ + 1.7076147010 * s_
    r, g, b = (min(max(c, 0), 1) for c in (red, green, blue))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestContrast:
    def test_all_word_colours_are_looked_at(self):
        assert {"ink", "ink-soft", "ink-faint", "accent", "quality", "level-0", "level-3"} <= set(WORDS)

    @pytest.mark.parametrize("name", WORDS)
    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    @pytest.mark.parametrize("ground", ["paper", "raised"])
    def test_words_can_be_read(self, name, scheme, ground):
        assert contrast(COLOURS[name][scheme], COLOURS[ground][scheme]) >= 4.5

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    def test_the_one_clear_button_can_be_read(self, scheme):
        assert contrast(COLOURS["on-accent"][scheme], COLOURS["accent"][scheme]) >= 4.5
