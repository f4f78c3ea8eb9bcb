"""Bodies of requests: read whole before anything looks at them, up to a size and within a time."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive

from search.service.problems import Problem

MOST_BYTES = 2**20
PAGE_BYTES = 2**24
"""What a page sends back holds its state, figures too."""

IMPORT_BYTES = 2**23
"""20,000 trials of 400 bytes."""

OPEN_BYTES = 2**12
"""Of whoever has shown no token yet."""

PATIENCE_SECONDS = 30.0


async def read_body(connection: HTTPConnection, receive: Receive, most: int) -> bytes:
    """Returns the body of a request.

    Args:
        connection: The request.
        receive: As ASGI gives it.
        most: Bytes that it may have.

    Raises:
        Problem: where it has more, or does not come.
    """
    told = connection.headers.get("content-length", "0")
    if not told.isdecimal() or len(told) > 20 or int(told) > most:  # noqa: PLR2004  digits of 2**64
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "body: the client left before it had sent all")
                body += message.get("body", b"")
                if len(body) > most:
                    raise _too_large(most)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise Problem(408, f"body: it must come within {PATIENCE_SECONDS:.0f} s") from error


def replay(body: bytes, receive: Receive) -> Receive:
    """Returns what gives the body in one piece, and then what `receive` gives."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return left.pop() if left else await receive()

    return give


def _too_large(most: int) -> Problem:
    return Problem(413, f"body: at most {most} bytes are taken", headers={"connection": "close"})
