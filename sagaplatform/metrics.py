"""The web process's metrics: the page to scrape, and what is counted of each request."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_prometheus import middleware

from apps.messaging.serving import answer

# What django-prometheus counts of a request and the rest tells already, or nobody asks for here.
LEFT_OUT = frozenset({
    "django_http_requests_before_middlewares_total",
    "django_http_responses_before_middlewares_total",
    "django_http_requests_unknown_latency_including_middlewares_total",
    "django_http_requests_unknown_latency_total",
    "django_http_ajax_requests_total",
    "django_http_requests_total_by_method",
    "django_http_requests_total_by_transport",
    "django_http_requests_total_by_view_transport_method",
    "django_http_requests_body_total_bytes",
    "django_http_responses_total_by_templatename",
    "django_http_responses_total_by_status",
    "django_http_responses_body_total_bytes",
    "django_http_responses_total_by_charset",
    "django_http_responses_streaming_total",
    "django_http_exceptions_total_by_view",
})  # fmt: skip


@csrf_exempt  # what is only looked at has nothing to forge: other methods are told so
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics in Prometheus' text format, for who may have them."""
    told = answer(request.META)
    status = int(told.status.split()[0])
    return HttpResponse(told.body, status=status, content_type=told.content_type)


class Nothing:
    """Stands where a metric is left out."""

    def labels(self, **labels: object) -> "Nothing":
        return self

    def inc(self) -> None:
        """Not counted."""

    def observe(self, value: float) -> None:
        """Not observed."""


class RequestMetrics(middleware.Metrics):
    """django-prometheus' metrics of a request, less those that cost without telling."""

    def register_metric(
        self, metric_cls: Any, name: str, documentation: str, labelnames: Any = (), **more: Any
    ) -> Any:
        if name in LEFT_OUT:
            return Nothing()
        return super().register_metric(metric_cls, name, documentation, labelnames, **more)


class BeforeMiddleware(middleware.PrometheusBeforeMiddleware):
    """Goes before all others."""

    metrics_cls = RequestMetrics


class AfterMiddleware(middleware.PrometheusAfterMiddleware):
    """Goes after all others."""

    metrics_cls = RequestMetrics
