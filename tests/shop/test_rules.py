"""The rule of the demonstration shop, on the data that comes with the project."""

from itertools import islice
from pathlib import Path

import pytest

from sagaplatform.shop.baskets import read_baskets, read_products
from sagaplatform.shop.problems import Rejected
from sagaplatform.shop.rules import demand_of, shop_for
from tests.shop.simulation import outcomes

DATA = Path(__file__).parents[2] / "data"
REASONS = ("stock short", "price changed", "credit short", "wrap unavailable", "shipment refused")


@pytest.mark.parametrize("orders", [500, 1000, 1500])
def test_a_few_per_cent_fail_for_each_reason(orders):
    rejected = Rejected()
    products = read_products(DATA / "products.csv", rejected)
    baskets = list(islice(read_baskets(DATA / "baskets.csv", products, rejected), orders))
    counted = outcomes(baskets, shop_for(demand_of(baskets, products)))
    shares = {reason: 100 * counted[reason] / orders for reason in REASONS}
    assert len(baskets) == orders
    assert not rejected.counts
    assert all(1.5 <= share <= 5 for share in shares.values()), shares
    assert counted["confirmed"] > 0.8 * orders
