# From a checkout of Trivet.
pip install '.[client]' opentelemetry-exporter-otlp-proto-http
export TRIVET_ENDPOINT=@sh:endpoint@
export TRIVET_API_KEY=@sh:key@
export OTEL_EXPORTER_OTLP_ENDPOINT=@sh:endpoint@
export OTEL_EXPORTER_OTLP_HEADERS=@sh:authorization@
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
