export TRIVET_INGEST_KEY=@sh:key@
otelcol-contrib --config otel-collector.yaml
# Senders then need no key of Trivet's: OTEL_EXPORTER_OTLP_ENDPOINT=http://this-host:4318
