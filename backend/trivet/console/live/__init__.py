"""Word that something on a page has changed, by server-sent events."""
