"""People who act on sagas in the admin, and what is left of it."""

import time
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client

from tests.sagas.test_watchdog import Desk

LATELY = 5  # seconds ago


def person(name: str, *codenames: str, confirmed: bool = True, superuser: bool = False) -> Client:
    """Somebody of the staff with exactly these permissions, who lately said who they are."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    if confirmed:
        session = client.session
        session["confirmed_at"] = time.time() - LATELY
        session.save()
    return client


def audit(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.owner.execute(
        "SELECT operation, actor_id, actor, subject_kind, step, reason"
        " FROM sagas_operatoraction ORDER BY id"
    ).fetchall()


def everything(desk: Desk) -> list[object]:
    """What an act could have changed."""
    tables = ("sagas_saga", "sagas_sagaevent", "sagas_case", "sagas_approval",
              "sagas_outboxmessage", "sagas_operatoraction")  # fmt: skip
    return [desk.owner.execute(f"SELECT * FROM {each} ORDER BY 1").fetchall() for each in tables]


def act(client: Client, page: str, **given: Any) -> Any:
    """Send the form as the page shows it, with this given."""
    shown = client.get(page)
    form = shown.context["form"]
    hidden = {name: form.initial.get(name, "") for name in ("version", "choice")}
    return client.post(page, hidden | {"reason": "The customer called"} | given)


def messages_of(answer: Any) -> list[str]:
    """What the next page tells."""
    return [str(each) for each in get_messages(answer.wsgi_request)]


def saga_page(saga_id: UUID, name: str = "change") -> str:
    return f"/admin/sagas/saga/{saga_id}/{name}/"
