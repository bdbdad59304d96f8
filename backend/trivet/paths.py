"""Where run-time data outside the package lies: the checkout first, the copy shipped in the wheel second."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def shipped(name: str) -> Path:
    """Folder `name` (`web`, `migrations`, `alerts`) of the checkout, else of the installed wheel."""
    in_checkout = _CHECKOUT / name
    if in_checkout.is_dir() and (_CHECKOUT / "pyproject.toml").is_file():
        return in_checkout
    return _PACKAGE / "_shipped" / name
