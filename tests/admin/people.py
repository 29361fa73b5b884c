"""Who works at the desk, for tests: one of each role, with the rights of the role and no other."""

import time

from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from apps.messaging.admin.step_up import CONFIRMED_AT
from sagaplatform.roles import ROLES, keep_roles

CUSTOMER, CLERK, SUPERUSER = "customer", "clerk", "superuser"  # a clerk is staff without a role
PASSWORD = "a long password for tests"  # of users that live for one test


def user_of(role: str, name: str = "") -> User:
    """A new user of that role, who is called like it unless there is a name."""
    keep_roles(Group, Permission)
    name = name or role
    if role == SUPERUSER:
        return User.objects.create_superuser(name)
    user = User.objects.create_user(name, is_staff=role != CUSTOMER)
    user.groups.set(Group.objects.filter(name=role) if role in ROLES else [])
    return user


def logged_in(user: User, *, confirmed: bool = True) -> Client:
    """A client of that user, who has said a moment ago who they are."""
    client = Client()
    client.force_login(user)
    if confirmed:
        session = client.session
        session[CONFIRMED_AT] = time.time()
        session.save()
    return client
