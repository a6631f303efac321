"""A person at the web pages: signs in, reads, and posts the forms that everybody posts."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Self

import httpx

from config.demo.errors import StepFailed

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_DIGEST = re.compile(r'name="evidence_digest" value="([^"]+)"')


class Visitor:
    """One person's session with the web server, as a context manager."""

    def __init__(self, web_url: str, username: str, password: str) -> None:
        self._client = httpx.Client(base_url=web_url, follow_redirects=True, timeout=30)
        self._username = username
        self._password = password

    def __enter__(self) -> Self:
        self.post(
            "/sign-in",
            form_at="/sign-in",
            username=self._username,
            password=self._password,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def read(self, path: str) -> str:
        """Return a page's HTML.

        Raises:
            StepFailed: it was not shown.
        """
        return self._shown(self._client.get(path))

    def post(self, path: str, *, form_at: str, **fields: str) -> str:
        """Post a form that stands on the page at `form_at`; return the address that follows.

        Raises:
            StepFailed: the page has no form for this person, or it was not accepted.
        """
        page = self.read(form_at)
        token = _TOKEN.search(page)
        if token is None:
            raise StepFailed(f"{form_at} shows {self._username} no form")
        answer = self._client.post(
            path,
            data={"csrfmiddlewaretoken": token[1], **fields},
            headers={"Referer": str(self._client.base_url.join(form_at))},
        )
        self._shown(answer)
        return answer.url.path

    def request_promotion(self, version_path: str, *, alias: str, note: str) -> str:
        """Ask for a promotion from the version's page; return the promotion's path."""
        return self.post(f"{version_path}promotions", form_at=version_path, alias=alias, note=note)

    def sign_review(self, promotion_path: str, *, verdict: str, reason: str, meaning: str) -> None:
        """Sign a review of what the promotion's page shows, with the password again."""
        digest = _DIGEST.search(self.read(promotion_path))
        if digest is None:
            raise StepFailed(f"{promotion_path} offers {self._username} nothing to sign")
        self.post(
            f"{promotion_path}review",
            form_at=promotion_path,
            verdict=verdict,
            reason=reason,
            meaning=meaning,
            evidence_digest=digest[1],
            password=self._password,
        )

    def _shown(self, answer: httpx.Response) -> str:
        if answer.status_code >= 400:
            words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))[:600]
            raise StepFailed(
                f"{answer.request.method} {answer.request.url} answered "
                f"{answer.status_code} to {self._username}: {words}"
            )
        return answer.text
