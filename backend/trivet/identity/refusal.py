"""Why somebody who comes from the sign-in service is not let in."""

import logging
from typing import Final

from trivet.kit.errors import Forbidden

# `why` of a refusal: the console has a sentence for each.
WHY: Final = (
    "away", "clock", "unproven", "begun_elsewhere", "denied", "unverified", "domain", "unknown", "disabled", "no_role",
    "tenant", "other_person",
)  # fmt: skip
_log = logging.getLogger(__name__)


class SignInRefused(Forbidden):
    """Nobody was signed in. `why` is one of `WHY`; the detail is for whoever runs Trivet."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why

    def log(self) -> None:
        """Write down why, for whoever runs Trivet; the page says less."""
        _log.warning("sign-in refused (%s): %s", self.why, self.detail)
