"""Orders that a person decides on: the step waits, and the decision lets it go on."""

from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command

from apps.contracts.catalogue import Action
from apps.contracts.fraud import FraudCheckLifted, FraudCleared, FraudSuspected
from apps.contracts.steps import Fence, Fenced
from apps.fraud.errors import DeskBusy, NoSuchReview, ReviewClosed, ReviewMoved
from apps.fraud.services import decide_review
from apps.messaging.calls import work
from apps.messaging.errors import ReasonMissing
from tests.fraud.desk import ADA, DEAR, Desk

pytestmark = pytest.mark.usefixtures("quiet")
Databases = dict[str, psycopg.Connection]


@pytest.fixture
def desk(databases: Databases) -> Desk:
    """A dear order of which a person was asked."""
    desk = Desk(databases["fraud"])
    desk.check(DEAR)
    assert work("fraud") == 1
    assert (desk.reviews(), desk.waits(), desk.log()) == ([("open", "")], 1, "doing")
    return desk


def test_it_waits_for_as_long_as_nobody_decides(desk: Desk) -> None:
    assert work("fraud") == 0  # not asked again before its time
    assert (desk.told(), desk.assessments()) == ([], [])


def test_a_cleared_order_goes_on_at_once(desk: Desk) -> None:
    desk.decide(clear=True)
    assert work("fraud") == 1
    assert desk.told() == [FraudCleared(by_person=True)]
    assert desk.assessments() == [("cleared", "ada", DEAR)]
    assert (desk.reviews(), desk.log()) == ([("cleared", "ada")], "done")
    assert desk.actions() == [("ada", "clear", "she is well known", "open -> cleared")]


def test_a_refused_order_is_refused_at_once_and_leaves_no_assessment(desk: Desk) -> None:
    desk.decide(clear=False)
    work("fraud")
    assert desk.told() == [FraudSuspected()]
    assert (desk.assessments(), desk.log()) == ([], "refused")
    assert desk.actions() == [("ada", "refuse", "she is well known", "open -> refused")]


def test_who_decides_second_is_told_and_changes_nothing(desk: Desk) -> None:
    desk.decide(clear=True)
    with pytest.raises(ReviewClosed):
        desk.decide(clear=False, version=1)
    assert desk.reviews() == [("cleared", "ada")]
    assert len(desk.actions()) == 1


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"version": 5}, ReviewMoved),
        ({"reason": "  "}, ReasonMissing),
    ],
)
def test_what_is_not_as_it_was_seen_or_has_no_reason_is_refused(
    desk: Desk, given: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.decide(clear=True, **given)  # type: ignore[arg-type]
    assert (desk.reviews(), desk.actions()) == ([("open", "")], [])


def test_an_unknown_review_is_refused(desk: Desk) -> None:
    with pytest.raises(NoSuchReview):
        decide_review(review_id=uuid4(), clear=True, version=0, actor=ADA, reason="x")


def test_a_decision_while_it_is_asked_for_is_refused_and_not_lost(desk: Desk) -> None:
    """A worker that has just seen no decision would put the question off, with one there."""
    desk.owner.execute(
        "UPDATE fraud_intent SET status = 'claimed', lease = gen_random_uuid(),"
        " leased_until = now() + interval '9 seconds'"
    )
    with pytest.raises(DeskBusy):
        desk.decide(clear=True)
    assert (desk.reviews(), desk.actions()) == ([("open", "")], [])


def test_undoing_while_a_person_looks_closes_the_desk(desk: Desk) -> None:
    desk.lift()
    assert work("fraud") == 1
    assert desk.told() == [FraudCheckLifted(nothing_to_undo=True)]
    assert (desk.reviews(), desk.assessments()) == ([("withdrawn", "")], [])
    assert desk.log() == "tombstone"
    with pytest.raises(ReviewClosed):
        desk.decide(clear=True, version=1)


def test_a_fence_while_a_person_looks_finds_that_it_never_happens(desk: Desk) -> None:
    desk.ask(Fence(), Action.FENCE)
    work("fraud")
    assert desk.told() == [Fenced(), FraudSuspected()]
    assert desk.reviews() == [("withdrawn", "")]


def test_a_decision_that_was_there_before_the_undoing_is_undone(desk: Desk) -> None:
    desk.decide(clear=True)
    desk.lift()
    work("fraud")
    assert desk.told() == [FraudCheckLifted()]
    assert (desk.assessments(), desk.log()) == ([("lifted", "ada", DEAR)], "undone")


def test_a_retry_asks_anew(desk: Desk) -> None:
    desk.decide(clear=False)
    work("fraud")
    desk.check(DEAR, generation=2)
    work("fraud")
    assert desk.reviews() == [("refused", "ada"), ("open", "")]
    desk.decide(clear=True)
    work("fraud")
    assert desk.assessments() == [("cleared", "ada", DEAR)]


def test_asked_twice_it_is_one_review(desk: Desk) -> None:
    desk.owner.execute("UPDATE fraud_intent SET due_at = now()")
    assert work("fraud") == 1
    assert (desk.reviews(), desk.waits()) == ([("open", "")], 2)


# --- from a terminal


def test_a_person_decides_from_a_terminal(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("clear", str(desk.order_id), "--reason", "phoned her", "--yes")
    call_command("decide_fraud", *words)
    work("fraud")
    assert desk.told() == [FraudCleared(by_person=True)]
    assert "It is worth more than 2,000.00" in capsys.readouterr().out
    [(_, operation, reason, outcome)] = desk.actions()
    assert (operation, reason, outcome) == ("clear", "phoned her", "open -> cleared")


def test_where_there_is_nothing_to_decide_the_terminal_says_so(databases: Databases) -> None:
    with pytest.raises(CommandError, match="no order of that id to decide on"):
        call_command("decide_fraud", "refuse", str(uuid4()), "--reason", "x", "--yes")
