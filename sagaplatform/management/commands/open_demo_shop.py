"""All that a visitor needs to look around: goods, prices, users, and something to spend."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, call_command
from rich.console import Console

from apps.inventory.selectors import product_count
from apps.payments.models import Account
from apps.payments.services import fund_accounts
from sagaplatform.shop.client import CURRENCY
from sagaplatform.shop.files import DATA, ShopFiles
from sagaplatform.shop.runs import load

POCKET_MONEY_CENTS = 500_00


class Command(BaseCommand):
    help = (
        "Fill an empty shop from data/, create the demonstration users and give the customer "
        "500.00 of store credit (only with DEBUG). Repeated, it changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("create_demo_users", stdout=self.stdout)
        if product_count() == 0:
            files = ShopFiles(DATA / "products.csv", DATA / "baskets.csv", None)
            load(files, Console(quiet=True))
        customer = User.objects.get(username="customer")
        if not Account.objects.filter(customer_id=customer.id).exists():
            credit = {customer.id: POCKET_MONEY_CENTS}
            fund_accounts(credits=credit, currency=CURRENCY, reason="demonstration")
