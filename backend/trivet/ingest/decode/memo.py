"""What an attribute says, remembered by its bytes.

Most attributes of most spans have been seen before (`gen_ai.provider.name` = `openai`), so a dictionary from the raw
key-value to what it says is nearly all of decoding. What is not in it is read here: the forms that every exporter writes
by hand, anything odd by the official parser, so that both ways say the same. Bounded: emptied when full, and neither long
values nor those that differ from span to span are kept.
"""

from struct import Struct
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from trivet.ingest.dialect.vocabulary import Entry, Places, entry_of
from trivet.ingest.errors import Malformed
from trivet.ingest.line.wire import varint

KEPT_MAX = 32_768  # entries
KEPT_BYTES = 128  # of one key-value; with its entry some 500 bytes of memory
KEPT_NUMBER = 4_096  # larger numbers seldom come twice

_KEY, _VALUE, _STRING, _BOOL, _INT, _DOUBLE = 0x0A, 0x12, 0x0A, 0x10, 0x18, 0x21  # tags, as protobuf writes them
_ONE_BYTE = 0x80  # lengths and numbers below take one byte
_little_double: Final = Struct("<d").unpack_from
_SCALARS: Final = frozenset({"string_value", "int_value", "double_value", "bool_value"})
_ODD: Final = object()

NOT_OTLP: Final = "The body is not a valid OTLP protobuf message."


class Memo(dict[bytes, Entry]):
    """Raw `KeyValue` -> what it says by `places`. Safe under threads: each step is one of dict's own."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places
        heads = {key.encode(): found for key, found in places.items()}
        self._heads = {bytes([_KEY, len(key)]) + key: found for key, found in heads.items() if len(key) < _ONE_BYTE}

    def __missing__(self, raw: bytes) -> Entry:
        """Read one that is not remembered; `Malformed` where it is no `KeyValue`, or a wanted text is no UTF-8."""
        at = raw[1] + 2 if len(raw) > 1 else 0  # the key's end
        found = self._heads.get(raw[:at])
        if found is not None:
            value = _plain(raw, at)
            if value is not _ODD:
                place = found[0]
                if len(found) > 1 or not place.unique:
                    return self._keep(raw, entry_of(found, value), value)
                said = place.shape(value)
                return (place.slot, place.rank, said) if said is not None else None
        elif _is_whole(raw, at):
            return self._keep(raw, None)
        return self._official(raw)

    def say(self, key: str, value: Any) -> Entry:
        """What an attribute says that was not in protobuf."""
        found = self.places.get(key)
        return entry_of(found, value) if found is not None else None

    def _official(self, raw: bytes) -> Entry:
        try:
            pair = KeyValue.FromString(raw)
        except DecodeError as bad:
            raise Malformed(NOT_OTLP) from bad
        found = self.places.get(pair.key)
        if found is None:
            return self._keep(raw, None)
        entry = entry_of(found, value_of(pair.value))
        return entry if found[0].unique else self._keep(raw, entry)

    def _keep(self, raw: bytes, entry: Entry, value: Any = None) -> Entry:
        if len(raw) <= KEPT_BYTES and not (type(value) is int and value >= KEPT_NUMBER):
            if len(self) >= KEPT_MAX:
                self.clear()
            self[raw] = entry
        return entry


def _is_whole(raw: bytes, at: int) -> bool:
    """Whether a key and a value are all there is: then the key is what it seems to be."""
    if len(raw) < at + 2 or raw[0] != _KEY or raw[1] >= _ONE_BYTE or raw[at] != _VALUE:
        return False
    length, start = varint(raw, at + 1, len(raw))
    return start + length == len(raw)


def _plain(raw: bytes, at: int) -> Any:
    """The value of a `KeyValue` whose key ends at `at`, in the form that exporters write; else `_ODD`."""
    size = len(raw) - at
    if not 4 <= size < _ONE_BYTE or raw[at] != _VALUE or raw[at + 1] != size - 2:
        return _ODD
    kind = raw[at + 2]
    if kind == _STRING and raw[at + 3] == size - 4:
        try:
            return str(raw[at + 4 :], "utf-8")
        except UnicodeDecodeError as bad:
            raise Malformed(NOT_OTLP) from bad
    if kind == _DOUBLE and size == 11:
        return _little_double(raw, at + 3)[0]
    if kind == _INT and size < 12:  # nine bytes of seven bits: not negative
        number, end = varint(raw, at + 3, len(raw))
        return number if end == len(raw) and raw[-1] < _ONE_BYTE else _ODD
    if kind == _BOOL and size == 4 and raw[at + 3] <= 1:
        return raw[at + 3] == 1
    return _ODD


def value_of(value: Any) -> Any:
    """The plain value of an `AnyValue`: a scalar, or the scalars of an array; None for anything else.

    Nested values and bytes are left out: no attribute of ours has them.
    """
    kind = value.WhichOneof("value")
    if kind in _SCALARS:
        return getattr(value, kind)
    return scalars_of(value.array_value.values) if kind == "array_value" else None


def scalars_of(values: Any) -> list[Any]:
    """The scalars of an array of `AnyValue`."""
    kinds = ((value, value.WhichOneof("value")) for value in values)
    return [getattr(value, kind) for value, kind in kinds if kind in _SCALARS]
