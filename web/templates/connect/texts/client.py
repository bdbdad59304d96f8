import os

from opentelemetry import trace
from trivet_collectors.asgi import Obeying, annotate, current
from trivet_collectors.policy.client import PolicyClient

policy = PolicyClient(
    os.environ["TRIVET_ENDPOINT"],
    os.environ["TRIVET_API_KEY"],
    backend=@json:backend@,
    state_path="/var/lib/app/policy.json",
)
policy.start()  # in each worker, after any fork; stop() at its end
tracer = trace.get_tracer("app")


def obeying(app):
    # The tenant is who was authenticated, never what a caller may write.
    return Obeying(app, policy, default_scenario=@json:scenario@, tenant=lambda scope: scope.get("user"))


def answer(client, messages):
    flags = current().flags
    with tracer.start_as_current_span("chat gpt-4o") as span:
        annotate(span)  # for whom, and under which policy: tenant, scenario, backend, level, revision, generation
        said = client.chat.completions.create(
            model="gpt-4o", messages=messages, max_tokens=flags["output.max_tokens"] or None
        )
        span.set_attributes({
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.id": said.id,
            "gen_ai.usage.input_tokens": said.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": said.usage.completion_tokens,
        })
        return said
