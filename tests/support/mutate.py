"""Bodies made wrong, for fuzzing."""

import random


def mutated(body: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut, doubled, put in or moved."""
    made = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + rng.choice((1, 2, 8, 64)))
        match rng.randrange(6):
            case 0 if made:
                made[at % len(made)] = rng.randrange(256)
            case 1:
                del made[at:end]
            case 2:
                made[at:at] = made[at:end] * rng.randint(1, 3)
            case 3:
                made[at:at] = rng.randbytes(rng.randint(1, 4))
            case 4 if made:
                made[at % len(made)] ^= 1 << rng.randrange(8)
            case _:
                made[at:end] = rng.choice(
                    (b"\xff" * 9, b"\0", b'"', b"{}", b"[", b"-1", b"1e999", b"null", b"\xed\xa0\x80")
                )
    return bytes(made)
