# In a checkout of Trivet; nothing of the server comes with it.
pip install .
install -m 600 /dev/stdin /etc/trivet/collector.key <<< @sh:key@
trivet-collector run --config /etc/trivet/collector.toml --check
trivet-collector run --config /etc/trivet/collector.toml
