"""Budgets and reservations over REST."""

from fastapi import APIRouter

from trivet.budget.reserve import api as reservations

router = APIRouter()
root_router = reservations.router  # found before all others: each call of a model may ask there first
