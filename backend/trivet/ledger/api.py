"""The ledger over REST: periods and shared costs. Postings are read through `report`."""

from fastapi import APIRouter

from trivet.ledger import period_api

router = APIRouter()
router.include_router(period_api.router)
