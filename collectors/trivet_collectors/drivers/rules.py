"""What a driver should bring about under a policy: flags in, desired state out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trivet_collectors.policy.evaluate import FlagValue

Flags = Mapping[str, FlagValue]


@dataclass(frozen=True)
class When:
    """What is wanted at `level` and above, or while `flag` `equals` a value."""

    do: Mapping[str, Any]
    level: int | None = None
    flag: str | None = None
    equals: FlagValue | None = None

    def holds(self, flags: Flags) -> bool:
        if self.level is not None and int(flags["degrade.level"]) < self.level:
            return False
        return self.flag is None or flags.get(self.flag) == self.equals


@dataclass(frozen=True)
class Rules:
    """`normal` is what is wanted where nothing else is; over it, in order, what each rule that holds says."""

    normal: Mapping[str, Any] = field(default_factory=dict)
    when: tuple[When, ...] = ()

    def desired(self, flags: Flags) -> dict[str, Any]:
        """Tables are joined key by key, so that one rule may load an adapter and another unload one."""
        found: dict[str, Any] = {}
        for said in (self.normal, *(rule.do for rule in self.when if rule.holds(flags))):
            for key, value in said.items():
                before = found.get(key)
                both = isinstance(before, dict) and isinstance(value, dict)
                found[key] = {**(before or {}), **value} if both else value
        return found
