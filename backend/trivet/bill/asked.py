"""What an import may say, the same words in the API, the command and the page."""

import json
from typing import IO, Annotated

from pydantic import AfterValidator, Field

from trivet.bill.intake import Asked
from trivet.bill.service import Wanted
from trivet.kit import body
from trivet.kit.errors import Invalid
from trivet.kit.page import INT4

COLUMNS_MAX = 4_096


def _id(given: int | None) -> int | None:
    if given is not None and given not in INT4:
        raise ValueError("is no id of a bill")
    return given


class Given(body.Body):
    """Empty is as the file says. `columns` is JSON, such as {"date": "Day", "model": "Model", "amount": "Cost",
    "currency": "=USD"}, kept under the name in `format`.
    """

    format: body.Asked = ""
    provider: body.Asked = ""
    zone: body.Asked = ""
    currency: body.Asked = ""
    services: body.Asked = ""
    invoice: body.Asked = ""
    file_name: body.Asked = ""
    columns: Annotated[str, Field(max_length=COLUMNS_MAX)] = ""
    skip_bad: bool = False
    compared: bool = True
    replaces: Annotated[int | None, AfterValidator(_id)] = None


def wanted_of(given: Given, file: IO[bytes], usage: IO[bytes] | None, file_name: str) -> Wanted:
    """What the service takes."""
    return Wanted(
        file=file,
        file_name=file_name.replace("\0", "")[: body.NAME_MAX],
        asked=Asked(given.format, given.provider, given.zone, given.currency, given.services, given.skip_bad),
        columns=_columns(given.columns),
        usage=usage,
        invoice_id=given.invoice,
        compared=given.compared,
        replaces=given.replaces,
    )


def _columns(told: str) -> dict[str, str] | None:
    if not told:
        return None
    try:
        found = json.loads(told)
    except (ValueError, RecursionError) as bad:
        raise Invalid("Write the columns as a JSON object.", field="columns") from bad
    if not isinstance(found, dict) or not all(isinstance(v, str) and body.is_storable(k + v) for k, v in found.items()):
        raise Invalid("The columns are a JSON object of texts.", field="columns")
    return found
