"""The filters of a page: what each may be, what is chosen, and the addresses that take one away. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trivet.console.address import Address, Link
from trivet.console.tongue import N_, _

LISTED_MAX = 300  # choices of one filter
ALL = N_("all")
OWN = ("range", "since", "until")  # of an address: the form of filters keeps them


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a filter; an empty value is all."""

    value: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One filter as the form shows it."""

    name: str
    words: str
    options: tuple[Option, ...]


def field(name: str, words: str, options: Iterable[tuple[str, str]], chosen: str) -> Field:
    """All, then each choice; one that is asked for and not there any more is a choice all the same."""
    listed = list(options)[:LISTED_MAX]
    if chosen and chosen not in {value for value, _words in listed}:
        listed.append((chosen, chosen))
    every = [("", _(ALL)), *listed]
    return Field(name, words, tuple(Option(value, said, value == chosen) for value, said in every))


def chips(address: Address, words: Mapping[str, str]) -> tuple[Link, ...]:
    """Filters that are set, as `name value`, each with the address without it. `words` are what filters are called."""
    return tuple(
        Link(f"{words[name]} {value}", address.url(**{name: "", "cursor": ""}))
        for name, value in address.said.items()
        if name in words
    )


def kept(address: Address) -> tuple[tuple[str, str], ...]:
    """What the form of filters hands on: the range."""
    return tuple((name, address.said[name]) for name in OWN if address.said.get(name))
