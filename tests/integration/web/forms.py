"""Reading pages and sending their forms, as a browser would."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.http import HttpResponse
from django.test import Client


class _Forms(HTMLParser):
    """Collects forms with the fields that they carry, and the page's visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.words: list[str] = []
        self._open: dict[str, Any] | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in ("script", "style", "title"):
            self._silent += 1
        if tag == "form":
            self._open = {"action": known.get("action", ""), "fields": {}}
            self.forms.append(self._open)
        if self._open is not None and tag in ("input", "textarea", "select") and known.get("name"):
            self._open["fields"].setdefault(known["name"], known.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        if tag in ("script", "style", "title"):
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def _parsed(answer: HttpResponse) -> _Forms:
    parser = _Forms()
    parser.feed(answer.content.decode())
    return parser


def text_of(answer: HttpResponse) -> str:
    """Return what a page says, with single spaces."""
    return " ".join(" ".join(_parsed(answer).words).split())


def forms_of(answer: HttpResponse) -> dict[str, dict[str, str]]:
    """Return the fields of a page's forms by where they are sent, signing out aside."""
    return {
        form["action"].partition("#")[0]: form["fields"]
        for form in _parsed(answer).forms
        if form["action"] != "/sign-out" and "csrfmiddlewaretoken" in form["fields"]
    }


def send(client: Client, page: str, ending: str, **entered: str) -> HttpResponse:
    """Open a page, fill in its form whose address ends so, and send it."""
    answer = client.get(page)
    assert answer.status_code == 200, answer.content
    found = {
        action: fields for action, fields in forms_of(answer).items() if action.endswith(ending)
    }
    assert len(found) == 1, (ending, list(forms_of(answer)))
    (action, fields), *_ = found.items()
    return client.post(urljoin(page, action), {**fields, **entered})


def post(client: Client, address: str, **entered: str) -> HttpResponse:
    """Send a form that no page offered, with a CSRF token that is right."""
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    return client.post(address, {**entered, "csrfmiddlewaretoken": token})
