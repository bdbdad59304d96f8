"""The ledger over REST: periods and shared costs. Postings are read through `report`."""

from fastapi import APIRouter

from trivet.ledger import period_api, pool_api, shared_api

router = APIRouter()
router.include_router(period_api.router)
router.include_router(pool_api.router)
router.include_router(shared_api.router)
