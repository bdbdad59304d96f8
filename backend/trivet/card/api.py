"""Scenarios and their cards over REST. What changes the card for everyone, and so what should hold, is in `command.card_api`."""

from fastapi import APIRouter

from trivet.card import api_reviews, api_revisions, api_texts, metrics

__all__ = ["metrics", "router"]  # imported, the metrics register themselves
router = APIRouter()
router.include_router(api_revisions.router)
router.include_router(api_texts.router)
router.include_router(api_reviews.router)
