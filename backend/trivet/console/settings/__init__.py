"""Settings that hold for the platform: tenants, scenarios, pools, channels. Each through the API's own service."""
