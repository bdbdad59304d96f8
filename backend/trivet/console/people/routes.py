"""All routes of this area, as one."""

from fastapi import APIRouter

from trivet.console.people import audit, keys, link, people, provider, yourself

router = APIRouter()
for area in (provider, link, yourself, people, keys, audit):
    router.include_router(area.router)
