"""The proof as people read it."""

from rich.console import Console
from rich.table import Table

from apps.messaging.display import counted
from apps.ops.conservation.check import Proof
from apps.ops.conservation.proof import EXAMPLES


def print_proof(console: Console, proof: Proof) -> None:
    """A line for each law, the first of what breaks one, and what is still under way."""
    table = Table(title="Conservation", title_justify="left")
    table.add_column("law")
    table.add_column("what was checked")
    table.add_column("checked", justify="right")
    table.add_column("violations", justify="right")
    for verdict in proof.verdicts:
        table.add_row(
            verdict.law.id,
            verdict.law.sentence,
            f"{verdict.checked:,}",
            f"{len(verdict.faults):,}",
            style="red" if verdict.faults else "",
        )
    console.print(table)
    for verdict in proof.verdicts:
        for subject, text in verdict.faults[:EXAMPLES]:
            console.print(f"{verdict.law.id} {subject}: {text}", style="red", highlight=False)
    console.print(summary(proof), highlight=False)


def summary(proof: Proof) -> str:
    """Whether it holds, and what it does not speak of."""
    words = ["Everything adds up." if proof.holds else "Something does not add up."]
    live, oldest, unsettled, parked = proof.unfinished
    if live:
        age = oldest.total_seconds()
        words.append(f"{_are(live, 'saga')} under way, the oldest for {age:,.0f} s.")
    if unsettled:
        words.append(f"{_are(unsettled, 'confirmed saga')} not shipped yet and left out.")
    if parked:
        words.append(f"{_are(parked, 'message')} parked: look at the dead letters in the admin.")
    if not proof.unfinished:
        words.append("No saga is under way.")
    return " ".join(words)


def _are(number: int, what: str) -> str:
    """1 saga is, 2 sagas are."""
    return f"{counted(number, what)} {'is' if number == 1 else 'are'}"
