"""Breaches in detail, drills and readiness."""

from fastapi import APIRouter

from trivet.evidence import breach_api, drill_api

router = APIRouter()
router.include_router(breach_api.router)
router.include_router(drill_api.router)
