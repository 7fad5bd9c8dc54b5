"""Commit rights are privileges that a transaction used; they are checked again at COMMIT.

Reading is not in here: rows that were read are with the client already.
"""

from __future__ import annotations

from collections.abc import Callable

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.users import Privilege

Need = Action | tuple[Privilege, TableName]


class CommitRights:
    """Each need once for each user, however often it came up."""

    def __init__(self) -> None:
        self._needs: dict[tuple[str, Need], Session] = {}

    def add(self, session: Session, need: Need) -> None:
        """`session`: whose rights it took, with the user of EXECUTE AS if there was one."""
        self._needs[session.principal.name, need] = session

    def check(self, rights_of: Callable[[Session], Rights], catalog: Callable[[], Catalog]) -> None:
        """`catalog`: gives the transaction's. Raises PermissionDenied, NotFound."""
        for (_, need), session in self._needs.items():
            rights = rights_of(session)
            if isinstance(need, Action):
                rights.require_action(need)
            elif need[1] in catalog().tables:  # else renamed or dropped since, for which an action was needed
                rights.require(*need, catalog())
