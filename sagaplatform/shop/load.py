"""Opens the demonstration shop: prices, promotions, stock, customers and their credit."""

from collections.abc import Mapping
from datetime import UTC, datetime

from waffle import get_waffle_switch_model

from apps.inventory.services import set_stock
from apps.notifications.services import set_contact
from apps.orders.services import GIFT_WRAP
from apps.payments.services import set_credit
from apps.pricing.services import (
    NewListPrice,
    NewPromotion,
    set_list_prices,
    start_promotions,
)
from sagaplatform.shop.baskets import Product
from sagaplatform.shop.client import CURRENCY
from sagaplatform.shop.customers import open_customers
from sagaplatform.shop.rules import Promotion, Shop, has_mail

REASON = "demonstration shop"
# The week of the baskets: a promotion that has ended was one of that week's.
WEEK = datetime(2017, 3, 6, tzinfo=UTC), datetime(2017, 3, 13, tzinfo=UTC)


def open_shop(shop: Shop, products: Mapping[str, Product]) -> None:
    """Bring the platform to what `shop` says, by movements and transfers.

    Done again, also after orders, it tops up or takes back to the same state; what is set aside
    for orders under way stays. Gift wrap is switched on.
    """
    get_waffle_switch_model().objects.update_or_create(name=GIFT_WRAP, defaults={"active": True})
    set_list_prices(
        prices={
            product_id: NewListPrice(product.list_price_cents, CURRENCY, product.name)
            for product_id, product in products.items()
        }
    )
    start_promotions(promotions=[_running(each) for each in shop.running])
    start_promotions(promotions=[_ended(each) for each in shop.ended])
    names = {product_id: product.name for product_id, product in products.items()}
    set_stock(on_hand=shop.stock, reason=REASON, names=names)
    user_ids = open_customers(shop.credit.keys())
    credit = {user_ids[household]: cents for household, cents in shop.credit.items()}
    set_credit(available=credit, currency=CURRENCY, reason=REASON)
    for household, user_id in user_ids.items():
        if has_mail(household):
            address = f"household-{household}@example.com"
            set_contact(customer_id=user_id, email=address, push_url="")


def _running(promotion: Promotion) -> NewPromotion:
    return NewPromotion(*promotion)


def _ended(promotion: Promotion) -> NewPromotion:
    started, ended = WEEK
    return NewPromotion(*promotion, starts_at=started, ends_at=ended)
