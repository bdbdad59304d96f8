"""Breaches in detail, drills, readiness and proofs of commands."""

from fastapi import APIRouter

from trivet.evidence import breach_api, drill_api, proof_api

router = APIRouter()
router.include_router(breach_api.router)
router.include_router(drill_api.router)
router.include_router(proof_api.router)
