# Triton's own spans name no model call: the calls come from the gateway or the app in front of it.
# In a checkout of Trivet, `pip install '.[client]'` brings the agent and its hands.
export TRIVET_API_KEY=@sh:key@
tritonserver --model-repository /models --model-control-mode=explicit --metrics-port 8002
trivet-collector run --config collector.toml
trivet-collector drive --config drivers.toml --dry-run
