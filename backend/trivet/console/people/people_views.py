"""What the templates of the door and of pages about people get."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignInPage:
    """templates/sign_in/page.html."""

    email: str
    problem: str | None
    next_path: str
