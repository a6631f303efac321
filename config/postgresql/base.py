"""The database backend: Django's own, which asks a server that is silent nothing."""

from __future__ import annotations

import select

from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper


class DatabaseWrapper(DjangoWrapper):
    """A connection whose health shows on its socket: no question to the server each request."""

    def is_usable(self) -> bool:
        """Say whether the connection can still be asked something.

        A server that ended a connection has sent a last word, or closed it: either can be read.
        An idle connection with nothing to read is as it was. Where there is something, it may be
        a notice, and the server is asked after all.
        """
        if self.connection is None or self.connection.closed:
            return False
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN)  # errors are told unasked
        return not poller.poll(0) or super().is_usable()
