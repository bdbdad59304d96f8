"""The policy client: the last state kept on disk, a poller, local evaluation, an OpenFeature provider (extra `client`)."""
