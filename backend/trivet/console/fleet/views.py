"""What the page of GPUs shows."""

from dataclasses import dataclass

from trivet.console.address import Address, Link
from trivet.console.fleet.heat import Group
from trivet.console.fleet.multiples import Multiples
from trivet.console.views import GpuRow, Reader


@dataclass(frozen=True, slots=True)
class FleetPage:
    """templates/fleet/page.html. `left_out` cards are in no cell; `older_url` leads to more rows of the table."""

    reader: Reader
    sentence: str
    address: Address
    ranges: tuple[Link, ...]
    pools: tuple[Link, ...]
    groups: tuple[Group, ...]
    left_out: int
    multiples: Multiples
    rows: tuple[GpuRow, ...]
    older_url: str
