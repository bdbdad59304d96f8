"""LiteLLM's hooks: before a call the policy, the gate and the budget; after it the span and what it came to.

Nothing here waits for Trivet: the policy is in memory, spans leave in the background, and where budgets are held, holds are
taken ahead. A fault of ours lets the call pass as it came, and says so once.
"""

import hashlib
import json
import logging
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from trivet_collectors.litellm import proxy
from trivet_collectors.litellm.caller import Caller, caller_of
from trivet_collectors.litellm.calls import Answers, Calls, Open, finish
from trivet_collectors.litellm.context import tokens_of, tokens_of_text
from trivet_collectors.litellm.settings import Settings
from trivet_collectors.litellm.shaping import shape
from trivet_collectors.litellm.telling import OPERATIONS, at_end, at_start, failed, turned_away, usage_of
from trivet_collectors.policy.admission import CACHE_ONLY, Admission, Turned, told
from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.evaluate import FlagValue
from trivet_collectors.policy.lane import Call, Usage
from trivet_collectors.policy.reserver import Held, RefusedError, Reserver
from trivet_collectors.semconv import OUTCOME_TIMEOUT, TRIVET_OUTCOME, TRIVET_POLICY_SHAPED

log = logging.getLogger("trivet.litellm")

CACHE_RETRY_AFTER_S: Final = 60
ESTIMATE_MARGIN: Final = 1.5  # a hold bounds what an estimate of tokens may miss
PROPAGATOR: Final = TraceContextTextMapPropagator()
# What of a body does not belong to the question it asks.
ASIDE: Final = frozenset({"metadata", "litellm_metadata", "user", "stream", "stream_options", "cache"})


class Trivet(CustomLogger):  # type: ignore[misc]  # LiteLLM is in an environment of its own, so its types are not here
    """The callback. `policy` is started; `reserver` is None where budgets are not held."""

    def __init__(
        self, settings: Settings, policy: PolicyClient, tracer: Tracer, reserver: Reserver | None = None
    ) -> None:
        super().__init__()
        self.settings, self.policy, self.tracer, self.reserver = settings, policy, tracer, reserver
        self.calls, self.answers, self.admission = Calls(), Answers(), Admission()
        self._said: set[str] = set()

    # --- before a call ---
    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any] | None:
        """The request as the policy wants it, or an `HTTPException` where it is not let in."""
        del cache
        if call_type not in OPERATIONS:
            return None
        try:
            turned = await self._begin(user_api_key_dict, data, call_type)
        except Exception:
            self._say("a call passed without its policy", exc_info=True)
            return None
        if turned is not None:
            headers = {"Retry-After": str(turned.retry_after_s)} if turned.retry_after_s else {}
            raise HTTPException(turned.status, detail=turned.message, headers=headers)
        return data

    async def _begin(self, key: Any, body: dict[str, Any], call_type: str) -> Turned | None:
        own = self.settings
        caller = caller_of(key, body, tenant=own.tenant, scenario=own.scenario, trust_caller=own.trust_caller)
        flags = self.policy.policy(
            caller.tenant or None, caller.scenario, caller.session or None, tier=caller.tier or None
        )
        changed = shape(body, call_type, flags, own.shapes)
        self._say_unserved(str(flags["model.route"]))
        attributes = at_start(call_type, body, caller, own.backend, flags)
        span = self._span(key, body, attributes | ({TRIVET_POLICY_SHAPED: changed} if changed else {}))
        call = Open(span, time.time(), None, question_of(body))
        turned = await self._turned(call, body, caller, flags)
        if turned is not None:
            finish(call, turned_away(turned), None)
            return turned
        self.calls.begin(str(body.get("litellm_call_id")), call)
        return None

    async def _turned(
        self, call: Open, body: Mapping[str, Any], caller: Caller, flags: Mapping[str, FlagValue]
    ) -> Turned | None:
        turned = self.admission.turned(f"{caller.scenario}\0{caller.tenant}", flags, datetime.now(UTC), random.random())
        if turned is not None:
            return turned
        if flags["cache.only"] and not await proxy.is_kept(self.answers.key_of(call.question)):
            return told(flags, CACHE_ONLY, "Only stored answers are given now, and there is none.", CACHE_RETRY_AFTER_S)
        if self.reserver is None or flags["cache.only"]:  # an answer out of a cache costs nothing
            return None
        try:
            call.held = await self._hold(self.reserver, body, caller)
        except RefusedError as refused:
            until = f" It is open again at {refused.refusal.resets_at}." if refused.refusal.resets_at else ""
            kind = refused.refusal.kind or "budget-exceeded"
            return Turned(kind, refused.refusal.detail + until, 1 if kind == "away" else 0)
        call.span.set_attributes(call.held.attributes)
        return None

    async def _hold(self, reserver: Reserver, body: Mapping[str, Any], caller: Caller) -> Held:
        provider, model = proxy.deployment_of(str(body.get("model") or ""))
        limit = next(
            (body[n] for n in ("max_completion_tokens", "max_tokens", "max_output_tokens") if body.get(n)), None
        )
        return await reserver.adraw(
            Call(
                tenant=caller.tenant,
                scenario=caller.scenario,
                provider=provider,
                model=model,
                input_tokens=_bound(body),
                max_output_tokens=limit if isinstance(limit, int) else None,
                n=body["n"] if isinstance(body.get("n"), int) else 1,
                tier=str(body.get("service_tier") or ""),
                end_user=caller.end_user,
            )
        )

    def _span(self, key: Any, body: Mapping[str, Any], attributes: Mapping[str, Any]) -> Span:
        name = f"{attributes['gen_ai.operation.name']} {body.get('model') or ''}".strip()
        return self.tracer.start_span(name, _parent(key, body), SpanKind.CLIENT, attributes)

    # --- after it ---
    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """The call's span ends with what it came to, and its hold is settled."""
        del start_time
        payload = kwargs.get("standard_logging_object") or {}
        call = self.calls.end(_id(kwargs, payload))
        if call is None:
            return
        usage = Usage() if payload.get("cache_hit") else usage_of(payload)
        finish(call, at_end(payload, call.began_s, _finish_of(response_obj)), usage, _seconds(end_time))

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> None:
        """A deployment was chosen. Only now is it known under which key the proxy's cache would keep the answer."""
        del call_type
        call = self.calls.get(str(kwargs.get("litellm_call_id")))
        if call is not None:
            self.answers.keep(call.question, proxy.key_in_cache(kwargs))

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """An attempt failed; the proxy may try again."""
        del response_obj, start_time, end_time
        self.calls.attempted(_id(kwargs, kwargs.get("standard_logging_object") or {}))

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        """The proxy has given up."""
        del user_api_key_dict, traceback_str
        call = self.calls.end(str(request_data.get("litellm_call_id")))
        if call is None:
            return
        attributes = failed(original_exception)
        # A provider may bill what it was not given time to finish; what it refused it does not.
        finish(call, attributes, None if attributes[TRIVET_OUTCOME] == OUTCOME_TIMEOUT else Usage())

    def _say_unserved(self, route: str) -> None:
        model = self.settings.shapes.routes.get(route, route)
        if model and not self.settings.shapes.serves(model):
            self._say(
                f"the policy routes to `{route}`, and the proxy has no model `{model}`: add it, or name it in routes"
            )

    def _say(self, message: str, *, exc_info: bool = False) -> None:
        """Once: a thing that is wrong is wrong for every call."""
        if message not in self._said:
            self._said.add(message)
            log.warning(message, exc_info=exc_info)


def _parent(key: Any, body: Mapping[str, Any]) -> Context | None:
    """The proxy's own span where it has one, else the caller's: spans of one call share a trace, and count once."""
    span = getattr(key, "parent_otel_span", None)
    if isinstance(span, Span):
        return set_span_in_context(span)
    request = body.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    return PROPAGATOR.extract(headers) if headers else None


def question_of(body: Mapping[str, Any]) -> str:
    """A digest of what is asked, of the fields that the caller sent and the policy left."""
    request = body.get("proxy_server_request")
    asked = request.get("body") if isinstance(request, Mapping) else None
    names = sorted({*(asked or ()), "model"} - ASIDE)
    said = json.dumps([(name, body.get(name)) for name in names], sort_keys=True, default=str)
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()


def _bound(body: Mapping[str, Any]) -> int:
    """Tokens that go in, at most, about."""
    messages = next((body[name] for name in ("messages", "input") if isinstance(body.get(name), list)), None)
    if messages and all(isinstance(each, Mapping) for each in messages):
        tokens = sum(tokens_of(message) for message in messages)
    else:
        tokens = tokens_of_text(
            json.dumps([body.get(n) for n in ("prompt", "input", "query", "documents")], default=str)
        )
    for name in ("system", "instructions", "tools", "functions"):
        tokens += tokens_of_text(json.dumps(body[name], default=str)) if body.get(name) else 0
    return int(tokens * ESTIMATE_MARGIN)


def _id(kwargs: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    return str(payload.get("litellm_call_id") or kwargs.get("litellm_call_id"))


def _finish_of(response: Any) -> str | None:
    choices = getattr(response, "choices", None)
    reason = getattr(choices[0], "finish_reason", None) if choices else None
    return reason if isinstance(reason, str) else None


def _seconds(at: Any) -> float | None:
    return at.timestamp() if isinstance(at, datetime) else None
