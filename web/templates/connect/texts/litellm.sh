# Where the proxy runs, beside `litellm[proxy]`, from a checkout of Trivet.
pip install '.[client]'
export TRIVET_ENDPOINT=@sh:endpoint@
export TRIVET_API_KEY=@sh:key@
export TRIVET_BACKEND=@sh:backend@
export TRIVET_STATE_PATH=/var/lib/litellm/policy.json
export TRIVET_LITELLM_CONFIG=trivet.toml
litellm --config config.yaml

# A call of your own, through the proxy.
curl -H "Authorization: Bearer $LITELLM_MASTER_KEY" -H 'Content-Type: application/json' \
    -H @sh:scenario_header@ -H 'X-Trivet-Session: 1' localhost:4000/v1/chat/completions \
    -d '{"model": "large", "messages": [{"role": "user", "content": "hello"}]}'
