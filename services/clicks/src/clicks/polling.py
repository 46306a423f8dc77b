"""Long polling: one process of a bot asks Telegram for updates, the others stand by."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from chassis.cancellation import heed_cancellation
from chassis.lease import Lease
from chassis.log import LogUnavailableError
from chassis.logs import logger
from clicks.domain.calls import Call
from clicks.domain.turns import turns
from clicks.domain.updates import WANTED, update_id
from clicks.telegram import Telegram, TelegramError

_LONG_POLL_SECONDS = 30
_GRACE_SECONDS = 10
_PAUSE = 0.5
_ANSWERS_AT_ONCE = 64
_MESSAGES_TO_ONE = 8
"""So many wait at most for the flood limit of one chat; the others are for everybody else."""
_LAST_ANSWERS_SECONDS = 10.0

Handle = Callable[[object], Awaitable[tuple[Call, ...]]]
Answer = Callable[[Call], Awaitable[None]]

log = logger(__name__)


class Poller:
    """Polls while it holds the lease of its bot; until then it stands by, and is ready."""

    def __init__(self, telegram: Telegram, handle: Handle, answer: Answer) -> None:
        self._telegram = telegram
        self._handle = handle
        self._answer = answer
        self._lease: Lease | None = None

    async def standing(self) -> str:
        """Say for readiness whether this process polls, or who does."""
        return self._lease.standing if self._lease else "not yet asked for"

    async def run(self, lease: Lease) -> None:
        """Handle all updates of the bot whenever this process holds the lease, for ever.

        Answers under way outlive the lease, and have 10 s when the process is to stop: what
        Telegram was told to forget, nobody else gets.
        """
        self._lease = lease
        async with asyncio.TaskGroup() as group:
            answers = Answers(self._answer, group)
            try:
                while True:
                    # It said who the bot is; only the one that polls asks for more.
                    self._telegram.settled()
                    await lease.acquire()
                    await self._while_held(lease, answers)
            finally:
                await answers.given(_LAST_ANSWERS_SECONDS)

    async def _while_held(self, lease: Lease, answers: "Answers") -> None:
        polling = asyncio.create_task(poll(self._telegram, self._handle, answers))
        keeping = asyncio.create_task(lease.keep())
        try:
            await asyncio.wait((polling, keeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            polling.cancel()
            keeping.cancel()
            await asyncio.wait((polling, keeping))
            await lease.release()
        for task in (polling, keeping):
            if not task.cancelled():
                task.result()


async def poll(telegram: Telegram, handle: Handle, answers: "Answers") -> None:
    """Handle all updates, for ever: those of one person in their order, different people at once.

    A batch is confirmed to Telegram only after the log has all of it: whatever stops this process,
    Telegram delivers the batch again. Answers are given beside it: one person's flood limit holds
    up nobody's tap.
    """
    offset, wait = 0, 0
    while True:
        heed_cancellation()
        try:
            updates = await _ask(telegram, offset, wait)
        except TelegramError as error:
            # The next answer is to come at once, so that readiness need not wait for an update.
            wait = 0
            await telegram.trouble("getUpdates", error)
            continue
        telegram.settled()
        wait = _LONG_POLL_SECONDS
        async with asyncio.TaskGroup() as group:
            for line in turns(updates):
                group.create_task(_in_turn(handle, line, answers))
        # Where nothing came all is confirmed, and ids may begin anew, lower ones (Bot API docs).
        offset = max(((update_id(update) or 0) + 1 for update in updates), default=0)


class Answers:
    """Answers under way: not more than 64 at once, and to one chat not more than 8."""

    def __init__(self, answer: Answer, group: asyncio.TaskGroup) -> None:
        self._answer = answer
        self._group = group
        self._room = asyncio.Semaphore(_ANSWERS_AT_ONCE)
        self._chats: Counter[object] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def give(self, calls: tuple[Call, ...]) -> None:
        """Make `calls` in their order, without waiting for them but for room.

        A message too many to one chat is not sent: a flood limit holds up those before it.
        """
        # Answers to queries name no chat, and wait for no flood limit.
        chat = calls[0].parameters.get("chat_id") if calls else None
        if chat is not None and self._chats[chat] >= _MESSAGES_TO_ONE:
            log.warning("a person was not told", problem="too many messages to them wait already")
        elif calls:
            await self._room.acquire()
            self._begin(chat, calls)

    async def given(self, seconds: float) -> None:
        """Return when all that is under way was told, or the time is over."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            if late:
                log.warning("this process ends before all were told", people=len(late))

    def _begin(self, chat: object, calls: tuple[Call, ...]) -> None:
        def end(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._room.release()
            self._chats -= Counter([chat])  # keeps no zeros

        self._chats[chat] += 1
        task = self._group.create_task(self._make(calls))
        self._tasks.add(task)
        task.add_done_callback(end)

    async def _make(self, calls: tuple[Call, ...]) -> None:
        for call in calls:
            await self._answer(call)


async def _ask(telegram: Telegram, offset: int, wait: int) -> list[object]:
    parameters = {"offset": offset, "timeout": wait, "allowed_updates": WANTED}
    updates = await telegram.call("getUpdates", parameters, seconds=wait + _GRACE_SECONDS)
    return updates if isinstance(updates, list) else []


async def _in_turn(handle: Handle, updates: list[object], answers: Answers) -> None:
    for update in updates:
        await answers.give(await _handled(handle, update))


async def _handled(handle: Handle, update: object) -> tuple[Call, ...]:
    while True:
        heed_cancellation()
        try:
            return await handle(update)
        except LogUnavailableError as error:
            log.warning("an update waits for the log", problem=str(error))
            await asyncio.sleep(_PAUSE)
