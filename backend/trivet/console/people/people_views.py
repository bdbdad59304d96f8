"""What the templates of the door and of pages about people get."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignInPage:
    """templates/sign_in/page.html. `problem` says why the last try did not work; `elsewhere` is the provider's name."""

    email: str
    problem: str | None
    next_path: str
    elsewhere: str = ""
