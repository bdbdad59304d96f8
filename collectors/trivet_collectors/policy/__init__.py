"""The policy client: last state on disk, a poller, local evaluation, an OpenFeature provider (extra `client`)."""
