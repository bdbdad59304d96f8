"""The console's sub-app, put together."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from trivet.console import door, overview, pages, search, steer
from trivet.console.alerts import alerts, routes, windows
from trivet.console.cards import baselines, cards, cards_file, editor, scores
from trivet.console.connect import connect
from trivet.console.control import backends, commands, ladder
from trivet.console.evidence import breach, breaches, drills, proofs, readiness
from trivet.console.fleet import fleet
from trivet.console.jobs import exports, jobs
from trivet.console.live import events as live_events
from trivet.console.money import (
    bills,
    budgets,
    costs,
    costs_trace,
    periods,
    periods_centres,
    prices,
    statements,
    unit_costs,
)
from trivet.console.people import routes as people
from trivet.console.people.cookies import Renewal
from trivet.console.requests import receipts, requests
from trivet.console.settings import channels, pools, scenarios, tenants
from trivet.console.shield import Shield
from trivet.console.tongue import Tongue
from trivet.paths import shipped

ASSET_AGE_S = 31_536_000


class Assets(StaticFiles):
    """Built files under hashed names: a browser may keep them for good."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed through as they came
        answer.headers["Cache-Control"] = ", ".join(("public", f"max-age={ASSET_AGE_S}", "immutable"))
        return answer


def create_site() -> FastAPI:
    """Routes, assets, headers and error pages. It describes no API: the page is for people."""
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    pages.install(site)

    def signed_out(request: Request, _: Exception) -> Response:
        return door.to_the_door(request)

    site.add_exception_handler(door.SignedOut, signed_out)
    site.include_router(door.router)
    site.include_router(overview.router)
    site.include_router(live_events.router)
    site.include_router(search.router)
    site.include_router(receipts.router)
    site.include_router(costs.router)
    site.include_router(costs_trace.router)
    site.include_router(steer.router)
    site.include_router(breaches.router)
    site.include_router(breach.router)
    site.include_router(drills.router)
    site.include_router(readiness.router)
    site.include_router(proofs.router)
    site.include_router(budgets.router)
    site.include_router(alerts.router)
    site.include_router(routes.router)
    site.include_router(windows.router)
    site.include_router(bills.router)
    site.include_router(periods.router)
    site.include_router(periods_centres.router)
    site.include_router(prices.router)
    site.include_router(exports.router)
    site.include_router(jobs.router)
    site.include_router(statements.router)
    site.include_router(unit_costs.router)
    site.include_router(scores.router)
    site.include_router(baselines.router)
    site.include_router(editor.router)
    site.include_router(cards.router)
    site.include_router(cards_file.router)
    site.include_router(commands.router)
    site.include_router(ladder.router)
    site.include_router(backends.router)
    site.include_router(connect.router)
    site.include_router(requests.router)
    site.include_router(fleet.router)
    site.include_router(tenants.router)
    site.include_router(scenarios.router)
    site.include_router(pools.router)
    site.include_router(channels.router)
    site.include_router(people.router)
    site.mount("/static", Assets(directory=shipped("web") / "static" / "dist", check_dir=False))
    site.add_middleware(Renewal)
    site.add_middleware(Tongue)
    site.add_middleware(Shield)
    return site
