"""The mutations: what is changed in the services, which promise that breaks, which tests know it.

`breaks` is the invariant's number and the way in which it is broken. `tests` are those that must
notice; of a large file the ones that matter, as they are run on every mutation.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A change of a few words in `file`; each old text must stand there exactly once.

    By `faults`, `seed` and `minutes` a chaos run is to notice it. `hidden` says why none can.
    """

    name: str
    file: str
    breaks: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    faults: str = "garbage"
    seed: int = 1
    minutes: float = 0.5
    hidden: str = ""


_SCHEDULER = "tests/integration/scheduler/test_scheduler.py::test_"
_SETTLING = "tests/unit/scheduler/test_settling.py"
_TICKER = "tests/unit/scheduler/test_ticker.py"
_DECIDING = "tests/unit/sender/test_deciding.py"
_DELIVERING = "tests/integration/sender/test_delivering.py::test_"
_KILLED = "tests/integration/sender/test_fault_matrix.py::test_kill_9_at_every_moment[looking]"
_WEBHOOK = "tests/integration/clicks/test_webhook.py"
_CONVERSIONS = "tests/integration/clicks/test_conversions.py"
_STORIES = "tests/unit/clicks/test_stories.py"
_FAULTS = "tests/integration/analytics/test_faults.py::test_"
_PROJECTION = "tests/integration/analytics/test_projection.py"
_FORGETTING = "tests/integration/analytics/test_forgetting.py::test_"
_LOG = "tests/integration/chassis/test_log.py"

MUTATIONS = (
    # --- the log
    Mutation(
        "log: no expected sequence",
        "chassis/log/publisher.py",
        "2, 3: nothing is said once only",
        (
            ("headers = {_EXPECTED_SEQUENCE: str(after)}", "headers: dict[str, str] = {}"),
            # The log refuses a scope without a sequence: such a service never gets ready.
            ("        if over:\n", "        if False:\n"),
        ),
        (_LOG,),
        faults="later",
        minutes=0.4,
    ),
    Mutation(
        "log: no message id",
        "chassis/log/publisher.py",
        "1: a repeat is another event",
        (('headers = {"Nats-Msg-Id": envelope.id, "Content-Type"', 'headers = {"Content-Type"'),),
        (
            _LOG,
            f"{_WEBHOOK}::test_an_update_that_is_delivered_again_is_answered_again_and_recorded_once",
        ),
        faults="redeliver",
        minutes=0.6,
    ),
    Mutation(
        "log: gives up after the first attempt",
        "chassis/log/publisher.py",
        "2, 3: what was not acknowledged is forgotten",
        (("            await asyncio.sleep(pause)\n", "            return 1\n"),),
        (_LOG,),
        faults="kill",
        minutes=0.6,
    ),
    # --- scheduler
    Mutation(
        "scheduler: slots are not create-once",
        "scheduler/speaker.py",
        "2: what was said an hour ago is said again",
        (
            (
                "new = await self._publisher.publish_once(event, over=_scope(event))",
                "new = await self._publisher.publish(event) is None",
            ),
        ),
        (f"{_SCHEDULER}a_slot_that_was_said_long_ago_is_not_said_again",),
        faults="later",
    ),
    Mutation(
        "scheduler: turns are kept in memory",
        "scheduler/domain/rotation.py",
        "2: a restart shows the first variant again",
        (
            (
                "    return campaign.variants[order[(ordinal + shift) % len(order)]]\n",
                (
                    "    turn = _turns[campaign.id] = _turns.get(campaign.id, -1) + 1\n"
                    "    return campaign.variants[order[(turn + shift) % len(order)]]\n"
                    "\n\n_turns: dict[str, int] = {}\n"
                ),
            ),
        ),
        (_SETTLING, f"{_SCHEDULER}a_restart_continues_the_rotation"),
        faults="kill",
    ),
    Mutation(
        "scheduler: early by two seconds",
        "scheduler/ticker.py",
        "2: a slot is due before its time",
        (
            (
                "        self._clock = clock\n",
                "        self._clock = lambda: clock() + timedelta(seconds=2)\n",
            ),
        ),
        (
            _TICKER,
            f"{_SCHEDULER}two_replicas_say_each_slot_once",
            f"{_SCHEDULER}a_slot_that_is_a_little_late_is_on_time_and_keeps_its_moment",
        ),
    ),
    Mutation(
        "scheduler: believes every clock",
        "scheduler/ticker.py",
        "2: a clock that jumped fires what is not due",
        (
            ("            if not self._watch.hindrance():\n", "            if True:\n"),
            ("(held := self._watch.hindrance())", "(held := None)"),
        ),
        (_TICKER,),
        faults="clock",
        seed=324,
        minutes=0.6,
        hidden="the log's clock puts a jump right at once, and is the other fence",
    ),
    Mutation(
        "clock: it counts, whatever the log's says",
        "chassis/log_clock.py",
        "2, 3: a clock that is ahead fires early, and calls expired what is not",
        (("return wall - self.skew if abs(self.skew) > NOISE else wall", "return wall"),),
        ("tests/unit/chassis/test_log_clock.py", _TICKER),
        faults="clock",
        seed=324,
        minutes=0.6,
    ),
    Mutation(
        "scheduler: begins at its start",
        "scheduler/ticker.py",
        "2: what an outage missed is never told",
        (
            (
                "lane.recover(await self._recovered(reader, lane))",
                "lane.recover(self._clock())",
            ),
        ),
        (
            f"{_SCHEDULER}after_an_outage_the_latest_is_posted_and_the_rest_is_told",
            f"{_SCHEDULER}a_killed_scheduler_leaves_no_gap_and_no_double",
        ),
        faults="kill",
        seed=284,
        minutes=0.6,
    ),
    # --- sender
    Mutation(
        "sender: acknowledges before it sends",
        "sender/handlers.py",
        "3: what a killed sender had in hand is lost",
        (
            (
                "    due = found.due\n    with handling",
                "    due = found.due\n    await message.ack()\n    with handling",
            ),
        ),
        (_KILLED,),
        faults="kill",
        minutes=0.7,
    ),
    Mutation(
        "sender: sends without a claim",
        "sender/handlers.py",
        "4: a message is sent that nobody claimed",
        (("    if not await desk.ledger.claim(claim):\n", "    if False:\n"),),
        (f"{_DELIVERING}a_due_promo_is_posted_with_its_buttons_and_recorded",),
        faults="kill",
    ),
    Mutation(
        "sender: two may have one claim",
        "sender/ledger.py",
        "3: who was frozen posts what another posted",
        (
            (
                "        if await self._publisher.publish_once(claim):\n            return True\n",
                "        await self._publisher.publish(claim)\n        return True\n",
            ),
        ),
        ("tests/integration/sender/test_ledger.py",),
        faults="redeliver",
        seed=799,
        minutes=0.6,
    ),
    Mutation(
        "sender: a claim may be as old as it likes",
        "sender/domain/deliveries.py",
        "3: who was frozen posts what another found lost",
        (("    return now - claim.claimed_at < quarantine / 3\n", "    return True\n"),),
        (_DECIDING,),
        hidden="nobody is frozen for longer than the quarantine: that is against its terms",
    ),
    Mutation(
        "sender: resends and does not look",
        "sender/domain/deliveries.py",
        "3: a message whose answer was lost is posted twice",
        (
            (
                "return Wait(over) if now < over else Look(state.claim)",
                "return Wait(over) if now < over else Claim(next_attempt)",
            ),
        ),
        (_DECIDING,),
        faults="sandbox",
        seed=4,
        minutes=0.6,
    ),
    Mutation(
        "sender: looks at once",
        "sender/domain/deliveries.py",
        "3: a message that is under way is not found, and posted again",
        (
            (
                "    over = state.claim.claimed_at + quarantine\n    return",
                "    over = state.claim.claimed_at\n    return",
            ),
        ),
        (_DECIDING,),
        faults="sandbox",
        seed=4,
        minutes=0.6,
    ),
    Mutation(
        "sender: what nobody saw is sent again at once",
        "sender/domain/deliveries.py",
        "3: who was thought lost and was only late has posted it as well",
        (
            (
                "            over = (state.outcome_at or now) + quarantine\n",
                "            over = now\n",
            ),
        ),
        (_DECIDING,),
        faults="sandbox",
        seed=1713,
        minutes=0.6,
    ),
    Mutation(
        "sender: an uncertain outcome is not told",
        "sender/handlers.py",
        "3: nobody learns what became of a delivery",
        (
            (
                "    event = looked(due, claim, finding, desk.clock())\n",
                (
                    "    event = looked(due, claim, finding, desk.clock())\n"
                    "    if isinstance(event, MessageUncertain):\n"
                    "        raise NackMessage(delay=3600)\n"
                ),
            ),
        ),
        (f"{_DELIVERING}a_lost_answer_that_cannot_be_looked_up_is_uncertain_and_never_repeated",),
        faults="sandbox",
        minutes=0.6,
    ),
    Mutation(
        "sender: repeats what was refused for good",
        "sender/domain/deliveries.py",
        "3: a definite answer is not taken for one",
        (
            (
                "        case MessageFailed(retry_at=None):\n            return Done()\n",
                (
                    "        case MessageFailed(retry_at=None):\n"
                    "            return _attempt(due, next_attempt, now, disabled=disabled)\n"
                ),
            ),
        ),
        (_DECIDING,),
        faults="sandbox",
        seed=4,
        minutes=0.6,
    ),
    # --- clicks
    Mutation(
        "clicks: answers before the log acknowledges",
        "clicks/handlers.py",
        "1: a tap that was answered is lost",
        (
            (
                "            await self._journal.record(decision.event, due)\n",
                (
                    "            import asyncio\n"
                    "            asyncio.ensure_future(self._journal.record(decision.event, due))\n"
                ),
            ),
        ),
        (
            _STORIES,
            f"{_WEBHOOK}::test_while_nats_is_dead_nothing_is_answered_and_afterwards_each_tap_counts_once",
        ),
        faults="kill,net",
        minutes=0.6,
    ),
    Mutation(
        "clicks: believes every token",
        "contracts/token.py",
        "9: a forged tap counts",
        (
            (
                "        if not hmac.compare_digest(self._token(key_id, ref), token):\n",
                "        if False:\n",
            ),
        ),
        (
            "tests/unit/contracts/test_token.py",
            f"{_WEBHOOK}::test_what_is_forged_foreign_or_malformed_changes_nothing",
        ),
        faults="kill",
    ),
    Mutation(
        "clicks: a key that is not ours is an empty one",
        "contracts/token.py",
        "9: anybody can sign",
        (
            ("        if key_id not in self._keys:\n", "        if False:\n"),
            ("hmac.digest(self._keys[key_id], ", 'hmac.digest(self._keys.get(key_id, b""), '),
        ),
        ("tests/unit/contracts/test_token.py",),
    ),
    Mutation(
        "clicks: a signature that leaves out the button",
        "contracts/token.py",
        "9: a tap of one button counts for another",
        (
            (
                'f"fingerpost.cta.v1:{signed}".encode()',
                'f"fingerpost.cta.v1:{key_id}-{ref.delivery}".encode()',
            ),
        ),
        ("tests/unit/contracts/test_token.py",),
    ),
    Mutation(
        "clicks: takes updates from everybody",
        "clicks/routes.py",
        "9: whoever knows the address makes taps",
        (
            (
                "if not any([hmac.compare_digest(told, secret) for secret in self._secrets]):",
                "if False:",
            ),
        ),
        ("tests/unit/clicks/test_routes.py",),
    ),
    Mutation(
        "clicks: an old signature is as good as a new one",
        "clicks/signatures.py",
        "9: what was overheard can be said again",
        (("    tolerance = 300\n", "    tolerance = 10**9\n"),),
        ("tests/unit/clicks/test_api.py::test_what_stripe_did_not_sign_or_signed_long_ago_is_401",),
    ),
    Mutation(
        "clicks: a token counts at every bot",
        "clicks/domain/decisions.py",
        "9: taps of another bot's message count",
        (("    if posted_by not in (None, bot.id):\n", "    if False:\n"),),
        (_STORIES,),
        hidden="there is one bot only",
    ),
    Mutation(
        "clicks: money is not create-once",
        "clicks/journal.py",
        "1: a payment counts again after the duplicate window",
        (
            (
                "publish_once(\n                event, over=event.once_over, cause=due,",
                "publish(\n                event, cause=due,",
            ),
        ),
        (f"{_WEBHOOK}::test_a_payment_counts_once_even_outside_the_duplicate_window",),
        faults="later",
    ),
    Mutation(
        "clicks: what a shop tells is not create-once",
        "clicks/journal.py",
        "1: a conversion counts again after the duplicate window",
        (
            (
                "publish_once(conversion, over=over, cause=due, patience=PATIENCE):",
                "publish(conversion, cause=due, patience=PATIENCE) is None:",
            ),
        ),
        (f"{_CONVERSIONS}::test_an_id_counts_once_even_outside_the_duplicate_window",),
        faults="later",
    ),
    # --- analytics
    Mutation(
        "analytics: the checkpoint by itself",
        "analytics/store.py",
        "5: a crash between checkpoint and rows loses rows",
        (
            (
                "async with asyncio.timeout(WRITE_SECONDS), self.connection.transaction():",
                "async with asyncio.timeout(WRITE_SECONDS):",
            ),
        ),
        (f"{_FAULTS}a_crash_before_commit_loses_nothing",),
        faults="tear",
    ),
    Mutation(
        "analytics: no fence at the checkpoint",
        "analytics/store.py",
        "6: two projectors move one checkpoint",
        (
            ('            if moved != "UPDATE 1":\n', "            if False:\n"),
            ('" WHERE sequence = $1 AND replaced_at IS NULL"', '" WHERE sequence >= $1 - $1"'),
        ),
        (f"{_PROJECTION}::test_whoever_finds_the_checkpoint_moved_writes_nothing",),
        hidden="the lock of the connection that writes is the other fence",
    ),
    Mutation(
        "analytics: quarantine swallows",
        "analytics/store.py",
        "7: what cannot be read is gone",
        (("            await self._insert(QUARANTINE, kept)\n", "            del kept\n"),),
        (
            f"{_PROJECTION}::test_what_cannot_be_folded_is_quarantined_as_it_stands_and_the_rest_goes_on",
        ),
    ),
    Mutation(
        "analytics: one bad event stops all",
        "analytics/folding.py",
        "7, 8: nothing is folded any more",
        (("        except UNFIT as error:\n", "        except ZeroDivisionError as error:\n"),),
        (f"{_PROJECTION}::test_no_event_stops_the_rest_or_a_later_start",),
    ),
    Mutation(
        "analytics: what comes again is new",
        "analytics/folding.py",
        "6: the checkpoint goes back",
        (("            if message.sequence > self._taken:\n", "            if True:\n"),),
        (f"{_FAULTS}what_is_handed_over_again_during_a_slow_write_counts_once_and_in_order",),
        faults="stall",
        minutes=2.5,
    ),
    Mutation(
        "analytics: reads on where the consumer was",
        "analytics/feed.py",
        "5: what somebody else was handed is left out",
        (
            (
                "        await _reset(js, stream.name, consumer.durable, after + 1)\n",
                "",
            ),
        ),
        (f"{_FAULTS}messages_that_were_handed_to_somebody_else_are_folded_all_the_same",),
        faults="redeliver",
        seed=1786,
        minutes=0.6,
    ),
    Mutation(
        "analytics: a lost tail is no matter",
        "analytics/continuity.py",
        "6: new events are taken for old ones",
        (("    if problem := regression(checkpoint, stream):\n", "    if problem := str():\n"),),
        (f"{_FAULTS}a_log_that_lost_its_tail_halts_the_projector",),
        faults="truncate",
        minutes=0.3,
    ),
    Mutation(
        "analytics: the last of two rows stays",
        "analytics/store.py",
        "5: a repeated event moves its row",
        (
            (
                'action = f"UPDATE SET {replaced}" if table.changes else "NOTHING"',
                'action = f"UPDATE SET {replaced}"',
            ),
        ),
        (
            f"{_PROJECTION}::test_a_log_that_is_delivered_again_under_other_sequences_changes_nothing",
        ),
        hidden="an event stands in the log once, and nobody copies the log",
    ),
    Mutation(
        "analytics: what a forgotten person did counts no more",
        "analytics/domain/forgetting.py",
        "5: totals fall when somebody is forgotten",
        (("            acts=tuple(said),\n", "            acts=(),\n"),),
        ("tests/unit/analytics/test_forgetting.py",),
        faults="forget",
        minutes=0.4,
    ),
    Mutation(
        "analytics: the events of a forgotten person stay",
        "analytics/forgetting.py",
        "5: who is forgotten still stands in the log",
        (
            (
                "self._forgot.erased += await _erase(self._log.js, message.sequence)",
                "self._forgot.erased += 1",
            ),
        ),
        (f"{_FORGETTING}a_person_is_gone_from_log_and_tables_and_every_total_stays",),
        faults="forget",
        minutes=0.4,
    ),
    Mutation(
        "analytics: a forgotten person's payment is not guarded",
        "analytics/forgetting.py",
        "1, 5: a payment that comes again counts twice",
        (
            (
                "                and (guarding := guard(said.data))\n",
                "                and (guarding := guard(said.data)) is ...\n",
            ),
        ),
        (f"{_FORGETTING}a_payment_that_comes_again_is_still_known",),
        faults="forget",
        minutes=0.4,
    ),
)
