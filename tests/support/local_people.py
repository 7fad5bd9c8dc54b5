"""Sessions of named users in a database in this process."""

from __future__ import annotations

import itertools

from flight_server.access.principal import Principal
from flight_server.access.sessions.session import Session
from storage.catalog.users import Role
from tests.support.in_process import House
from tests.support.local_client import LocalClient

_numbers = itertools.count(1)


class LocalUser(LocalClient):
    """A session of one user, who has the role of now in each call, as over the wire."""

    def __init__(self, home: House, user: str, namespace: str) -> None:
        self._user = user
        self._session_id = f"{user}-{next(_numbers)}"
        self.home = home
        super().__init__(home, self.session, namespace)

    @property
    def session(self) -> Session:
        role = Role(self.home.engine.state.catalog.users[self._user].role)
        return self.home.enter(self._session_id, Principal(self._user, role))

    @session.setter
    def session(self, _: Session) -> None:
        """It is asked for anew each time."""
