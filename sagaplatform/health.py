"""What a supervisor and a load balancer ask, without a login. No address is told."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.messaging.health import readiness


def live(request: HttpRequest) -> HttpResponse:
    """The process answers. It asks no database: a database that is down is no reason to restart."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """Whether requests may be sent here: 503 while an order could not be accepted."""
    found = readiness()
    return JsonResponse(found._asdict(), status=200 if found.ready else 503)
