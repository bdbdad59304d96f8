"""Which font draws which part of a text. Readers of PDF bring fonts for Chinese, Japanese and Korean; nothing is embedded. Pure."""

from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape

LATIN, BOLD = "Helvetica", "Helvetica-Bold"
# Fonts that a reader has, each with the encoding that tells what it can draw; the first that can is taken.
ASIAN = (
    ("STSong-Light", "gbk"),
    ("HeiseiKakuGo-W5", "shift_jis"),
    ("HYGothic-Medium", "euc_kr"),
    ("MSung-Light", "big5"),
)
LENGTH_MAX = 90


def font_of(character: str) -> str:
    """The font that draws a character; "" where none does."""
    if _can(character, "cp1252"):
        return LATIN
    return next((font for font, encoding in ASIAN if _can(character, encoding)), "")


def _can(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def runs(text: str) -> Iterator[tuple[str, str]]:
    """(font, text) pieces of one line. What no font draws stands as its code point, so that it can still be told apart."""
    line = " ".join("".join(c if c.isprintable() or not c.isspace() else " " for c in text).split())
    if len(line) > LENGTH_MAX:
        line = line[: LENGTH_MAX - 1] + "…"
    for font, part in groupby(line, key=font_of):
        piece = "".join(part)
        yield (font, piece) if font else (LATIN, "".join(f"<U+{ord(c):04X}>" for c in piece))


def markup(text: str, bold: bool = False) -> str:
    """A line as the drawing library's markup, nothing in it read as such."""
    found = ""
    for font, part in runs(text):
        own = BOLD if bold and font == LATIN else font
        found += f'<font name="{own}">{escape(part)}</font>'
    return found
