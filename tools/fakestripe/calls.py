"""A call of the API, as it came in."""

from dataclasses import dataclass

from .idempotency import Asked, fingerprint
from .operations import Route
from .store import Json


@dataclass
class Call:
    """A request that is somebody's and names an operation."""

    request_id: str
    route: Route
    subject: str  # the id in the path
    path: str
    given: Json  # parameters as they came
    account: str
    key: str | None  # of a POST; others have none
    epoch: int  # what was asked before all was forgotten is not carried out after it

    @property
    def asked(self) -> Asked | None:
        if self.key is None:
            return None
        return Asked(self.account, self.key, fingerprint(self.path, self.given))
