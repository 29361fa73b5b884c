"""Facts as the home page's templates show them."""

from django.template import Library

from apps.messaging.display import label, moment

register = Library()


@register.filter
def thousands(number: int) -> str:
    """1,234."""
    return f"{number:,}"


register.simple_tag(label, name="label")
register.simple_tag(moment, name="moment")
