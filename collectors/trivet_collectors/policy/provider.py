"""The policy as an OpenFeature provider: any OpenFeature client reads Trivet's flags from memory, without I/O.

The evaluation context's `targeting_key` is the tenant; attributes `scenario`, `tier` and `session` say the rest. `session`
is the conversation, which stays on its side of every share; without one each evaluation draws its own, so an app that
asks for several flags of one call says it, or reads them together as `policy`. While Trivet is out of reach values keep coming, with reason STALE. Without any state at all the caller's default applies, so
the default written in the code must be the safe one.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, FlagNotFoundError, ProviderNotReadyError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.evaluate import POLICY, resolve, values, variant
from trivet_collectors.policy.poller import Event

T = TypeVar("T")
NOT_READY: Final = "no policy document yet: Trivet has not been reached and nothing was kept from before"


class PolicyProvider(AbstractProvider):
    """Evaluates against `client`, which it starts and stops with itself."""

    def __init__(self, client: PolicyClient) -> None:
        super().__init__()
        self._client = client
        client.listen(self._tell)

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - the protocol's signature
        self._client.start()
        if self._client.situation.document is None:
            raise ProviderNotReadyError(NOT_READY)

    def shutdown(self) -> None:
        self._client.stop()

    def get_metadata(self) -> Metadata:
        return Metadata(name="trivet")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        del default_value  # the SDK falls back to it when we raise
        return self._resolve(flag_key, bool, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        del default_value
        return self._resolve(flag_key, str, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        del default_value
        return self._resolve(flag_key, int, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        del default_value
        return self._resolve(flag_key, float, evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        del default_value
        return self._resolve(flag_key, dict, evaluation_context)

    def _resolve(self, key: str, kind: type[T], context: EvaluationContext | None) -> FlagResolutionDetails[T]:
        situation = self._client.situation
        if situation.document is None:
            raise ProviderNotReadyError(NOT_READY)
        state = resolve(situation.document, _plain(context), datetime.now(UTC), stale=situation.stale)
        flags = values(state)
        value: Any = flags if key == POLICY else flags.get(key)
        if value is None:
            raise FlagNotFoundError(f"`{key}` is no flag of Trivet's")
        if type(value) is not kind:  # not isinstance: True is an int to Python and no level to anyone
            raise TypeMismatchError(f"`{key}` is a {type(value).__name__}, not a {kind.__name__}")
        return FlagResolutionDetails(
            value=value,
            reason=Reason.STALE if situation.stale else Reason(state.reason),
            variant=variant(state.level),
            flag_metadata={
                "generation": state.generation,
                "revision": state.revision,
                "level": state.level,
                "cause": state.cause,
            },
        )

    def _tell(self, event: Event) -> None:
        """Passes on what happened to the policy as the provider's own event."""
        tell: dict[Event, Callable[[ProviderEventDetails], None]] = {
            "changed": self.emit_provider_configuration_changed,
            "fresh": self.emit_provider_ready,
            "stale": self.emit_provider_stale,
            "denied": self.emit_provider_error,
        }
        # GENERAL, not FATAL: what is held goes on being answered, and FATAL would make the SDK refuse.
        code = ErrorCode.GENERAL if event == "denied" else None
        tell[event](ProviderEventDetails(message=f"policy {event}", error_code=code))


def _plain(context: EvaluationContext | None) -> dict[str, Any]:
    said = {} if context is None else {**context.attributes, "targetingKey": context.targeting_key}
    return {**said, "session": said.get("session") or secrets.token_hex(8)}
