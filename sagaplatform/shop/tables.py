"""What the shop's commands print."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from apps.contracts.plan import Mode
from apps.sagas.state import Driver
from sagaplatform.shop.files import ShopFiles
from sagaplatform.shop.result import PERCENTILES, Result, percentile
from sagaplatform.shop.rules import RULES, Demand, Shop
from sagaplatform.shop.trouble import Account

DRIVEN = {
    (Mode.CHOREOGRAPHED, Driver.EVENTS): "choreographed: the services, by events",
    (Mode.CHOREOGRAPHED, Driver.ENGINE): "begun so, taken over by the engine",
    (Mode.ORCHESTRATED, Driver.ENGINE): "orchestrated: the engine, by commands",
}


def print_shop(console: Console, demand: Demand, shop: Shop) -> None:
    """The rules in words, and what they came to."""
    for rule in RULES:
        console.print(rule, highlight=False)
    print_rows(
        console,
        "The shop",
        {
            "baskets": f"{demand.baskets:,} with {demand.lines:,} lines",
            "households": f"{len(shop.credit):,}",
            "products": f"{len(demand.products):,}, of which wanted {len(demand.pieces):,}",
            "pieces in stock": f"{sum(shop.stock.values()):,}",
            "products with fewer than wanted": f"{shop.contended:,}",
            "promotions that run": f"{len(shop.running):,}",
            "promotions that have ended": f"{len(shop.ended):,}",
            "store credit": money(sum(shop.credit.values())),
        },
    )


def print_complaints(console: Console, files: ShopFiles) -> None:
    """Each reason for which rows were left out; nothing where all could be used."""
    for sentence in files.complaints():
        console.print(sentence, style="yellow", highlight=False)


def print_result(console: Console, result: Result) -> None:
    """How the orders ended, and how fast."""
    rows = {
        "orders placed": f"{result.placed:,}",
        "confirmed": _share(result.confirmed, result.placed),
        "undone": _share(result.undone.total(), result.placed),
    }
    for reason, count in result.undone.most_common():
        rows[f"  {reason}"] = _share(count, result.placed)
    if still := result.placed - result.ended:
        rows["not ended"] = f"{still:,}"
    rows |= _wishes(result)
    for kind, count in result.refused.most_common():
        rows[f"refused requests: {kind}"] = f"{count:,}"
    for each in PERCENTILES:
        rows[f"request to end, p{each}"] = f"{percentile(result.latencies, each):.2f} s"
    rows["sagas per second"] = f"{result.rate:.1f}"
    print_rows(console, "The orders", rows)
    for refusal in result.refusals.values():
        console.print(f"For example {refusal}", style="red", highlight=False)
    if result.hanging:
        console.print(result.hanging, style="red", highlight=False)


def _wishes(result: Result) -> dict[str, str]:
    """What became of the wishes to cancel; nothing where there were none."""
    if not result.wishes:
        return {}
    rows = {"wished to cancel": _share(result.wishes, result.placed)}
    for status, count in result.decided.most_common():
        rows[f"  {status}"] = f"{count:,}"
    for kind, count in result.turned_down.most_common():
        rows[f"  turned down: {kind.replace('_', ' ')}"] = f"{count:,}"
    return rows


def print_drivers(console: Console, drivers: Mapping[tuple[str, str], int]) -> None:
    """Who drove the sagas of the orders, by the mode they began in and whose hand they ended in."""
    total = sum(drivers.values())
    rows = {
        words: _share(drivers[each], total) for each, words in DRIVEN.items() if each in drivers
    }
    print_rows(console, "Who drove their sagas", rows)


def print_account(console: Console, account: Account) -> None:
    """What was asked of the gateway, and what went wrong there."""
    rows = {"calls": f"{account.calls.total():,}"}
    rows |= {f"  {name}": f"{count:,}" for name, count in account.calls.most_common()}
    if account.faults:
        rows["faults"] = f"{account.faults.total():,}"
    for kind, count in account.faults.most_common():
        rows[f"  {kind.replace('_', ' ')}"] = f"{count:,}"
    rows["orders charged twice"] = f"{account.double_charges:,}"
    print_rows(console, "The gateway", rows)


def print_memory(console: Console, memory: dict[str, int]) -> None:
    """What each process takes; nothing where the stack is not ours."""
    if memory:
        rows = {name: f"{size / 1e6:,.0f} MB" for name, size in memory.items()}
        print_rows(console, "Memory", rows)


def print_rows(console: Console, title: str, rows: dict[str, str]) -> None:
    """A table of names and values."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def money(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / max(total, 1):.1f} %)"
