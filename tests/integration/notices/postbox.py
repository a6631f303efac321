"""A real SMTP server on loopback, which takes what it is sent and fails as it is told to."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Taken:
    """One message as it was handed in: the envelope's recipients, and the bytes."""

    recipients: tuple[str, ...]
    content: bytes
    is_encrypted: bool
    signed_in_as: str

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def body(self) -> str:
        """The plain text, which every message has."""
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())


@dataclass
class Postbox:
    """A running server.

    Attributes:
        taken: what it said 250 to, in order.
        answers: by command (`RCPT`, `DATA`, `end` for the end of a message), what it answers
            instead: a whole line, or empty to hang up without a word.
        before_answer: called when a message has come whole and nobody was told so yet.
        tls: offers STARTTLS with it.
        asked: the commands that it was given, in order.
    """

    port: int
    taken: list[Taken] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    before_answer: Callable[[], None] | None = None
    tls: ssl.SSLContext | None = None
    connections: int = 0
    asked: list[str] = field(default_factory=list)

    def recipients(self) -> list[str]:
        return [address for message in self.taken for address in message.recipients]


class _Conversation(socketserver.StreamRequestHandler):
    postbox: Postbox

    def handle(self) -> None:
        box = self.postbox
        box.connections += 1
        self._encrypted, self._user = False, ""
        recipients: list[str] = []
        self._say("220 postbox")
        while line := self.rfile.readline():
            words = line.decode("utf-8", "replace").strip()
            command = words[:4].upper()
            box.asked.append(command)
            if command in box.answers:
                if not box.answers[command]:
                    return
                self._say(box.answers[command])
            elif command == "EHLO":
                offers = ["postbox", "AUTH PLAIN"]
                if box.tls and not self._encrypted:
                    offers.append("STARTTLS")
                for offer in offers[:-1]:
                    self._say(f"250-{offer}")
                self._say(f"250 {offers[-1]}")
            elif command == "STAR" and box.tls:
                self._say("220 go on")
                self._encrypt(box.tls)
            elif command == "AUTH":
                _, user, _password = base64.b64decode(words.split()[2]).split(b"\0")
                self._user = user.decode()
                self._say("235 welcome")
            elif command == "MAIL":
                recipients = []
                self._say("250 ok")
            elif command == "RCPT":
                recipients.append(words[words.index("<") + 1 : words.index(">")])
                self._say("250 ok")
            elif command == "DATA":
                self._say("354 go on")
                self._take(tuple(recipients))
            elif command == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the server closes the plain one alone

    def _take(self, recipients: tuple[str, ...]) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        box = self.postbox
        if box.before_answer:
            box.before_answer()
        if "end" in box.answers:
            if box.answers["end"]:
                self._say(box.answers["end"])
            else:
                self.connection.shutdown(2)
            return
        box.taken.append(Taken(recipients, b"".join(lines), self._encrypted, self._user))
        self._say("250 taken")

    def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:  # the other side does not believe our certificate
            self.rfile.close()
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self._encrypted = True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def open_postbox() -> Iterator[Postbox]:
    """Serve on a free port for as long as the block runs."""
    box = Postbox(port=0)
    handler = type("Conversation", (_Conversation,), {"postbox": box})
    with _Server(("127.0.0.1", 0), handler) as server:
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
