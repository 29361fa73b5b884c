"""What a supervisor and a load balancer ask, without a login. No address is told."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from apps.messaging.health import readiness


@csrf_exempt  # what is only looked at has nothing to forge: other methods are told so
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process answers. It asks no database: a database that is down is no reason to restart."""
    return HttpResponse("ok\n", content_type="text/plain")


@csrf_exempt
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Whether requests may be sent here: 503 while an order could not be accepted."""
    found = readiness()
    return JsonResponse(found._asdict(), status=200 if found.ready else 503)
