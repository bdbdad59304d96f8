"""What pages say that a language has no words for yet: `scripts/tongue.py [path part …]` prints it as PO entries to fill in."""

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.extract import extract
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
KEYWORDS = {"_": None, "N_": None, "_n": (1, 2)}
METHODS = (("web/templates", "*.html", "jinja2"), ("backend/trivet", "*.py", "python"))
MARKED = re.compile(rb"\bN?_n?\(")  # most modules say nothing: they are not read by the letter
OPTIONS = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


def said() -> Iterator[tuple[str, tuple[str, int, str]]]:
    """Every text marked for translation: its key, and where it stands."""
    for start, names, method in METHODS:
        for path in sorted((ROOT / start).rglob(names)):
            text = path.read_bytes()
            if not MARKED.search(text):
                continue
            for line, message, _, _ in extract(method, BytesIO(text), keywords=KEYWORDS, options=OPTIONS):
                one, many = (message[0], message[1]) if isinstance(message, tuple) else (message, "")
                yield one, (str(path.relative_to(ROOT)), line, many)


def known(language: str) -> dict[str, str]:
    """What a language has words for, by key."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "web/locale" / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language, abort_invalid=True):
                if message.id:
                    key = message.id[0] if isinstance(message.id, tuple) else message.id
                    text = message.string[0] if isinstance(message.string, tuple) else message.string
                    found[key] = text
    return found


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def main() -> None:
    have, wanted = known("zh"), sys.argv[1:]
    printed: set[str] = set()
    for key, (path, line, many) in said():
        if have.get(key) or key in printed or (wanted and not any(part in path for part in wanted)):
            continue
        printed.add(key)
        more = f"msgid_plural {quoted(many)}\nmsgstr[0]" if many else "msgstr"
        sys.stdout.write(f'#: {path}:{line}\nmsgid {quoted(key)}\n{more} ""\n\n')


if __name__ == "__main__":
    main()
