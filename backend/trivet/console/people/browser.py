"""What a browser is called, coarsely: enough to know one's own again, too little to know anybody else's. Pure."""

from typing import Final

from trivet.console.tongue import N_, _

# In this order: most browsers also say that they are others.
BROWSERS: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"),
    ("Safari/", "Safari"), ("curl/", "curl"),
)  # fmt: skip
SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
READ_MAX = 512  # characters of what a browser says of itself
ANY = N_("a browser")


def called(user_agent: str) -> str:
    """`Firefox on Linux` as `Firefox/Linux`; "" where it is none we know. For the database: words of no language."""
    said = user_agent[:READ_MAX]
    browser = next((name for mark, name in BROWSERS if mark in said), "")
    system = next((name for mark, name in SYSTEMS if mark in said), "")
    return f"{browser}/{system}" if browser or system else ""


def words(kept: str) -> str:
    """The same in the reader's language."""
    browser, _slash, system = kept.partition("/")
    if browser and system:
        return _("{browser} on {system}", browser=browser, system=system)
    return browser or system or _(ANY)
