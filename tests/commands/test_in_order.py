"""What is retried together keeps the order of its lane, also where its queue was full for a while."""

from lanes.base.errors import QueueFull
from lanes.commands.common.each import InOrder
from lanes.config import from_data
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.records import Message
from lanes.verbs.messages import EVERY, drop, message_ids, retry
from lanes.verbs.outcomes import Action
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import Cause
from lanes_storage.records import How, LaneFilter, RunFailure
from tests.kit.stage import Stage


def test_F284_nothing_overtakes_a_message_that_found_the_queue_of_its_lane_full(stage: Stage) -> None:
    owner, config = stage.owner(), from_data({"queue": {"cap": 1}})
    for key in ("a", "b", "a", "a", "aa"):
        claimed = stage.hold(key, owner)
        failure = RunFailure(Cause.RUN_TIMEOUT, "it took too long")
        stage.store.write(doors.fail(claimed.ticket, failure, system_clock(), by="tester"))
    driver = LocalDriver(stage.store, Context("me", configured=lambda: config))

    def ids(chosen: LaneFilter) -> list[int]:
        return [int(number) for number in driver.call(message_ids, for_=Action.RETRY, filter_=chosen)]

    def act(number: int) -> Message:
        try:
            again: Message = driver.call(retry, id=number)
        except QueueFull:  # and now there is room
            driver.call(drop, id=accepted[0].id)
            raise
        return again

    accepted: list[Message] = []
    refused: list[int] = []
    in_order = InOrder(act, lambda key: ids(EVERY.where("key", How.IS, key)))
    chosen = ids(EVERY)
    for number in chosen:
        try:
            accepted.append(in_order(number))
        except QueueFull:
            refused.append(number)
    a1, b, a2, a3, aa = chosen
    assert [int(message.retry_of or 0) for message in accepted] == [a1, b, aa]
    assert refused == [a2, a3]
