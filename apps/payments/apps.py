from apps.messaging.context import ContextConfig, Job


class PaymentsConfig(ContextConfig):
    name = "apps.payments"
    label = "payments"
    default = True  # Django sees the imported base beside it and would take neither
    jobs = (
        Job("stripe_events", "apps.payments.stripe_events.work", every=5),
        Job("ending_holds", "apps.payments.expiry.watch", every=60),
        Job("reconciliation", "apps.payments.reconciliation.reconcile_if_due", every=60),
    )
