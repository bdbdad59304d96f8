pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http opentelemetry-distro
export OTEL_EXPORTER_OTLP_ENDPOINT=@sh:endpoint@
export OTEL_EXPORTER_OTLP_HEADERS=@sh:authorization@
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_RESOURCE_ATTRIBUTES=@sh:resource@
opentelemetry-instrument python app.py
