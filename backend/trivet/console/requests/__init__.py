"""Single requests: searched, one at a time, a trace of them, a receipt of a conversation."""
