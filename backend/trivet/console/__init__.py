"""The console: HTML pages at `/`, a sub-app with its own sign-in, error pages and headers."""

from fastapi import FastAPI


def create_console() -> FastAPI:
    """The sub-app that `trivet.app` mounts at `/`."""
    from trivet.console.site import create_site

    return create_site()
