"""What browsers may do on our pages, and that the pages live with it."""

from pathlib import Path
from typing import Any

import django
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from unfold.sites import UnfoldAdminSite

ROOT = Path(__file__).parent.parent.parent
THEME = ROOT / "sagaplatform" / "static" / "sagaplatform" / "theme.css"


def theme(context: dict[str, Any]) -> str:
    """Unfold's colours and roundness as a style sheet."""
    lines = [f"  --border-radius: {context['border_radius']};"]
    for name, weights in context["colors"].items():
        lines += [f"  --color-{name}-{weight}: {value};" for weight, value in weights.items()]
    head = "/* Unfold's colours, which it would write into each page. Checked by test_policy.py. */"
    return "\n".join([head, ":root {", *lines, "}", ""])


def unfolds_context() -> dict[str, Any]:
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    return UnfoldAdminSite.each_context(admin.site, request)


if __name__ == "__main__":
    import django

    django.setup()
    THEME.write_text(theme(unfolds_context()))
