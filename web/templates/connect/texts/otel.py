from opentelemetry import trace

tracer = trace.get_tracer("app")


def answer(client, tenant, conversation, messages):
    with tracer.start_as_current_span("chat gpt-4o") as span:
        said = client.chat.completions.create(model="gpt-4o", messages=messages)
        cached = said.usage.prompt_tokens_details.cached_tokens if said.usage.prompt_tokens_details else 0
        span.set_attributes({
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": said.model,
            "gen_ai.response.id": said.id,
            "gen_ai.usage.input_tokens": said.usage.prompt_tokens,
            "gen_ai.usage.cache_read.input_tokens": cached,
            "gen_ai.usage.output_tokens": said.usage.completion_tokens,
            "gen_ai.conversation.id": conversation,
            "trivet.tenant": tenant,
            "trivet.scenario": @json:scenario@,
            "trivet.backend": @json:backend@,
        })
        return said
