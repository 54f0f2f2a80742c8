"""What one row of the schema is made of: a rule, a default, a meaning. Rules and defaults that many
rows share.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pmgsync.pmgconf.formats import ADDRESS
from pmgsync.pmgconf.values import OptionRule, Value, ValueType

ByMemory = Callable[[int], int]
"""A default that depends on the machine: whole MiB of memory in, number out."""

ENOUGH_MIB = 3840
"""With less memory PMG warns whenever it reads its configuration."""
_LEAST_MIB = 1900
_MOST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Setting:
    """One option of a section."""

    name: str
    rule: OptionRule
    default: str | int | ByMemory | None
    meaning: str

    def default_with(self, memory_mib: int) -> Value:
        """The default on a machine with that much memory; None where there is none."""
        return self.default(memory_mib) if callable(self.default) else self.default


def max_filters(memory_mib: int) -> int:
    """How many filter processes fit: one for each 150 MiB beyond what the rest needs."""
    rest = 2560 if memory_mib >= ENOUGH_MIB else max(memory_mib * 5 // 8, 512)
    return min(5 + max((memory_mib - rest) // 150, 0), 40) - 2


def max_policy(memory_mib: int) -> int:
    """How many policy processes fit."""
    return 5 if memory_mib >= 500 else 2  # noqa: PLR2004  PMG's own limit, used nowhere else


def max_smtpd(memory_mib: int) -> int:
    """How many smtpd processes fit on each port."""
    return min(25 + max((memory_mib - 512) // 20, 0), 100)


def memory_warning(memory_mib: int) -> str:
    """What PMG says about too little memory whenever it loads; empty where there is enough."""
    if memory_mib >= ENOUGH_MIB:
        return ""
    limit = "minimum 2" if memory_mib <= _LEAST_MIB else "recommended 4"
    return f"system memory size of {memory_mib / 1024:.1f} GiB is below the {limit}+ GiB limit!"


FLAG = OptionRule(type=ValueType.BOOLEAN)
ANY = OptionRule()
COUNT = OptionRule(type=ValueType.INTEGER, least=0)
DAYS = OptionRule(type=ValueType.INTEGER, least=1)
HOST = OptionRule(format=ADDRESS)


def whole(least: int, most: int | None = None) -> OptionRule:
    """A whole number within limits."""
    return OptionRule(type=ValueType.INTEGER, least=least, most=most)


def one_of(*choices: str) -> OptionRule:
    """One of these words, exactly."""
    return OptionRule(choices=choices)


PORT = whole(1, _MOST_PORT)
