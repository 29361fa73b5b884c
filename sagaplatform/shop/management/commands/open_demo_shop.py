"""All that a visitor needs to look around: goods, prices, users, and something to spend."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, call_command
from rich.console import Console

from apps.inventory.selectors import product_count, stock_of
from apps.inventory.services import receive_stock
from apps.notifications.services import set_contact
from apps.payments.models import Account
from apps.payments.services import fund_accounts
from sagaplatform.shop.client import CURRENCY
from sagaplatform.shop.files import DATA, ShopFiles
from sagaplatform.shop.runs import load

POCKET_MONEY_CENTS = 500_00
BANANAS, ENOUGH = "1082185", 100  # what README.md orders


class Command(BaseCommand):
    help = (
        "Fill an empty shop from data/, create the demonstration users and give the customer "
        "500.00 of store credit (only with DEBUG). Repeated, it only fills up."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("create_demo_users", stdout=self.stdout)
        if product_count() == 0:
            files = ShopFiles(DATA / "products.csv", DATA / "baskets.csv", None)
            load(files, Console(quiet=True))
        bananas = stock_of([BANANAS]).get(BANANAS)
        if bananas and bananas.on_hand < ENOUGH:  # a demonstration has sold them
            receive_stock(quantities={BANANAS: ENOUGH}, reason="demonstration")
        customer = User.objects.get(username="customer")
        set_contact(customer_id=customer.id, email="customer@example.com", push_url="")
        if not Account.objects.filter(customer_id=customer.id).exists():
            credit = {customer.id: POCKET_MONEY_CENTS}
            fund_accounts(credits=credit, currency=CURRENCY, reason="demonstration")
