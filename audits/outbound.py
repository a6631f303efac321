"""Questions to servers that we neither run nor trust: each ends in time, whatever is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

# To the last byte of the answer, finding the address included.
ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Post:
    """One request. `max_bytes` is the most that is read of the answer."""

    url: str = field(repr=False)  # it may hold a password
    content: bytes = field(repr=False)
    content_type: str
    accept: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, of whatever status.

    Attributes:
        content_type: without parameters, in lower case.
    """

    status: int
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came back; `reason` is for people, and holds nothing that was answered."""

    reason: str


def post_all(posts: Sequence[Post], *, seconds: float = ANSWER_SECONDS) -> list[Answer | NoAnswer]:
    """Send every request at the same time; return what came of each, in their order.

    Redirects are not followed: who is asked is what the settings say.

    Args:
        seconds: that each may take, a server that answers byte by byte included.
    """
    return asyncio.run(_post_all(posts, seconds)) if posts else []


async def _post_all(posts: Sequence[Post], seconds: float) -> list[Answer | NoAnswer]:
    # Proxies are taken from the environment: such a server is seldom in our own network.
    async with httpx.AsyncClient(
        timeout=seconds,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "muniment"},
    ) as client:
        return await asyncio.gather(*(_post(client, post, seconds) for post in posts))


async def _post(client: httpx.AsyncClient, post: Post, seconds: float) -> Answer | NoAnswer:
    headers = {"Content-Type": post.content_type, "Accept": post.accept}
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream("POST", post.url, content=post.content, headers=headers) as response,
        ):
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > post.max_bytes:
                    return NoAnswer(f"its answer is larger than {post.max_bytes:,} bytes")
            media_type = response.headers.get("Content-Type", "").partition(";")[0]
            return Answer(response.status_code, media_type.strip().lower(), bytes(content))
    except (TimeoutError, httpx.TimeoutException):
        return NoAnswer(f"no whole answer within {seconds:g} s")
    except httpx.ConnectError as error:
        return NoAnswer(f"it cannot be reached ({str(error)[:200]})")
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        return NoAnswer(f"what it answers is not HTTP ({type(error).__name__})")
