"""Places baskets as their households through a platform's REST API, and waits for each order."""

import contextlib
import random
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from sagaplatform.shop.baskets import Basket
from sagaplatform.shop.cards import Card, Payment, card_of
from sagaplatform.shop.client import OrderSeen, Refused, ShopClient
from sagaplatform.shop.progress import Progress
from sagaplatform.shop.result import Result
from sagaplatform.shop.watch import OrdersHang, Placed, Watch

CANCEL_WITHIN = 2.0  # seconds after the order was placed


@dataclass(frozen=True, slots=True)
class Settings:
    """How baskets are placed."""

    run: str  # part of each Idempotency-Key: the same run places no basket twice
    concurrency: int = 16  # requests at once
    rate: float | None = None  # orders per second at most; None: as fast as they are accepted
    cancel: int = 0  # percent of the orders that their customers wish to cancel
    payment: Payment = Payment.CREDIT
    stall: float = 60.0  # seconds without any order's end after which the replay gives up


class Replay:
    """One run over some baskets."""

    def __init__(self, client: ShopClient, settings: Settings, progress: Progress) -> None:
        self.result = Result()
        self._client, self._settings, self._progress = client, settings, progress
        self._watch = Watch(self._look, self._over, settings.stall)

    def run(self, baskets: Iterable[Basket], token_of: Callable[[int], str]) -> Result:
        """Place all, and return when each order is over.

        `token_of` gives a household's token; it is called in this thread only. A request that the
        API refuses is counted, and orders that hang are named in the result. Raises Unreachable.
        """
        with ThreadPoolExecutor(1) as watcher:
            watching = watcher.submit(self._watch.run)
            try:
                self._place_all(paced(baskets, self._settings.rate), token_of, watching)
                self._watch.close()
                watching.result()
            except OrdersHang as hang:
                self.result.hanging = str(hang)
            except BaseException:  # Ctrl-C too: nobody waits for orders that nobody asks for
                self._watch.abandon()
                raise
        return self.result

    def _place_all(
        self, baskets: Iterable[Basket], token_of: Callable[[int], str], watching: Future[None]
    ) -> None:
        sending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            for basket in baskets:
                if watching.done():
                    return
                while len(sending) >= 2 * self._settings.concurrency:
                    sending.popleft().result()
                sending.append(pool.submit(self._place, basket, token_of(basket.household)))
            for each in sending:
                each.result()

    def _place(self, basket: Basket, token: str) -> None:
        sent_at = datetime.now(UTC)
        key = f"{self._settings.run}-{basket.id}"
        card = card_of(basket) if self._settings.payment.by_card(basket) else None
        name = card.name if card else ""
        try:
            placed = self._client.place(basket, token=token, key=key, card=name)
            order = Placed(placed, token, sent_at, card)
        except Refused as refusal:
            self.result.add_refused(refusal)
            return
        self.result.add_placed(order)
        self._progress.placed()
        if changes_mind(key, self._settings.cancel):
            self._cancel(order, key)
        self._watch.add(order)

    def _cancel(self, order: Placed, key: str) -> None:
        """At a random moment; the platform says what comes of it."""
        time.sleep(random.uniform(0, CANCEL_WITHIN))  # noqa: S311
        self.result.add_wish()
        try:
            self._client.cancel(order.order_id, token=order.token, key=key)
        except Refused as refusal:
            self.result.add_turned_down(refusal)

    def _look(self, order: Placed) -> OrderSeen:
        seen = self._client.look(order.order_id, token=order.token)
        if order.card and order.card.wants_attention and not seen.is_over:
            self._pay(order, order.card)
        return seen

    def _pay(self, order: Placed, card: Card) -> None:
        """Do what the payment waits for, if it does; another moment may come between, which the
        next look shows."""
        payment = self._client.payment(order.order_id, token=order.token)
        if payment is None:
            return
        if payment.state == "customer_needed" and payment.action_url:
            self._client.answer_bank(payment.action_url, agrees=card.agrees)
        elif payment.state == "card_needed" and card.another:
            with contextlib.suppress(Refused):
                self._client.give_card(order.order_id, card.another, token=order.token)

    def _over(self, order: Placed, seen: OrderSeen) -> None:
        self.result.add_over(order, seen)
        self._progress.ended()


def changes_mind(key: str, percent: int) -> bool:
    """Whether a customer wishes to cancel; the same order of the same run always does."""
    return zlib.crc32(key.encode()) % 100 < percent


def paced(baskets: Iterable[Basket], rate: float | None) -> Iterator[Basket]:
    """The baskets, at most `rate` of them per second."""
    started = time.monotonic()
    for number, basket in enumerate(baskets):
        if rate:
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
        yield basket
