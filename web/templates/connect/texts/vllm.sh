# Spans of each call, with tokens and times. vLLM needs opentelemetry-sdk and opentelemetry-exporter-otlp beside it.
export OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_TRACES_HEADERS=@sh:authorization@
export OTEL_RESOURCE_ATTRIBUTES=@sh:resource@
vllm serve meta-llama/Llama-3.3-70B-Instruct --port 8001 --otlp-traces-endpoint @sh:traces@

# Its page of metrics: queue, running calls, KV cache. In a checkout of Trivet, `pip install .` brings the agent.
TRIVET_API_KEY=@sh:key@ trivet-collector run --config collector.toml
