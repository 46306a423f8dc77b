"""aiogram as the client: its calls are understood, the results validate, errors are its own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    RestartingTelegram,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetMe
from aiogram.types import BufferedInputFile, InputMediaPhoto, LabeledPrice

from .conftest import Stage


def aiogram_bot(stage: Stage) -> Bot:
    return Bot(stage.token, AiohttpSession(api=TelegramAPIServer.from_base(stage.url)))


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[Bot]:
    bot = aiogram_bot(stage)
    yield bot
    await bot.session.close()


@pytest.mark.parametrize(
    ("kind", "raised", "posted"),
    [
        ("accept_then_drop", TelegramNetworkError, 1),
        ("drop_before", TelegramNetworkError, 0),
        ("html_502", ClientDecodeError, 0),
        ("server_error", TelegramServerError, 0),
        ("restart", RestartingTelegram, 0),
        ("too_many", TelegramRetryAfter, 0),
        ("too_many_without_parameters", TelegramAPIError, 0),
        ("migrated", TelegramMigrateToChat, 0),
        ("kicked", TelegramForbiddenError, 0),
        ("no_rights", TelegramBadRequest, 0),
        ("bad_result", ClientDecodeError, 1),
    ],
)
async def test_a_fault_raises_its_exception(
    bot: Bot, stage: Stage, kind: str, raised: type[Exception], posted: int
) -> None:
    await stage.sandbox.plan_fault(kind, "sendMessage", chat_id=stage.channel, retry_after=7)

    with pytest.raises(raised) as caught:
        await bot.send_message(stage.channel, "hello")

    assert type(caught.value) is raised
    assert len(await stage.sandbox.messages(stage.channel)) == posted


async def test_a_dropped_connection_is_the_ambiguous_kind(bot: Bot, stage: Stage) -> None:
    await stage.sandbox.plan_fault("accept_then_drop", "sendMessage", chat_id=stage.channel)

    with pytest.raises(TelegramNetworkError) as caught:
        await bot.send_message(stage.channel, "hello")

    assert type(caught.value.__cause__).__name__ == "ServerDisconnectedError"


async def test_a_late_answer_times_out_after_the_effect(bot: Bot, stage: Stage) -> None:
    await stage.sandbox.plan_fault("late", "sendMessage", chat_id=stage.channel, seconds=60)

    with pytest.raises(TelegramNetworkError, match="timeout"):
        await bot.send_message(stage.channel, "hello", request_timeout=3)

    assert len(await stage.sandbox.messages(stage.channel)) == 1


async def test_the_id_of_a_post_with_a_bad_result_can_be_read(bot: Bot, stage: Stage) -> None:
    await stage.sandbox.plan_fault("bad_result", "sendMessage", chat_id=stage.channel)

    with pytest.raises(ClientDecodeError) as caught:
        await bot.send_message(stage.channel, "hello")

    assert caught.value.data["result"]["message_id"] == 1


async def test_retry_after_and_migration_are_told(bot: Bot, stage: Stage) -> None:

    await stage.sandbox.plan_fault("too_many", chat_id=stage.channel, retry_after=7)
    with pytest.raises(TelegramRetryAfter) as slow:
        await bot.send_message(stage.channel, "hello")
    await stage.sandbox.plan_fault("migrated", chat_id=stage.group)
    with pytest.raises(TelegramMigrateToChat):
        await bot.send_message(stage.group, "hello")
    with pytest.raises(TelegramMigrateToChat) as again:
        await bot.send_message(stage.group, "hello")
    moved = await bot.send_message(again.value.migrate_to_chat_id, "hello")

    assert slow.value.retry_after == 7
    assert moved.chat.id == again.value.migrate_to_chat_id


async def test_wrong_token_and_unknown_method(stage: Stage) -> None:

    class Unknown(GetMe):
        __api_method__ = "getNothing"

    bot = aiogram_bot(stage)
    with pytest.raises(TelegramNotFound):
        await bot(Unknown())
    await bot.session.close()
    stage.token = "1:wrong"
    stranger = aiogram_bot(stage)
    with pytest.raises(TelegramUnauthorizedError):
        await stranger.get_me()
    await stranger.session.close()


async def test_media_albums_and_chats_validate(bot: Bot, stage: Stage) -> None:

    picture = BufferedInputFile(b"\x89PNG\r\n--not a boundary\r\n", "chart.png")
    photo = await bot.send_photo(stage.channel, picture, caption="<b>one</b>", parse_mode="HTML")
    assert photo.photo
    file_id = photo.photo[-1].file_id
    album = await bot.send_media_group(
        stage.channel, [InputMediaPhoto(media=picture), InputMediaPhoto(media=file_id)]
    )
    content = await bot.download(file_id)
    chat = await bot.get_chat(stage.channel)
    member = await bot.get_chat_member(stage.channel, stage.bot_id)

    assert [m.message_id for m in album] == [2, 3]
    assert photo.caption_entities
    assert content
    assert content.read() == b"\x89PNG\r\n--not a boundary\r\n"
    assert (chat.title, chat.username) == ("News", f"news{stage.bot_id}")
    assert member.status == "administrator"
    assert await bot.get_chat_member_count(f"@news{stage.bot_id}") == 1200


async def test_payments_and_links_validate(bot: Bot, stage: Stage) -> None:

    link = await bot.create_invoice_link(
        "Club", "A month", "p1", "XTR", [LabeledPrice(label="m", amount=50)]
    )
    invite = await bot.create_chat_invite_link(stage.channel, name="spring", member_limit=2)
    stars = await bot.get_my_star_balance()
    transactions = await bot.get_star_transactions()
    info = await bot.get_webhook_info()

    assert link.startswith("https://t.me/$")
    assert invite.name == "spring"
    assert (stars.amount, transactions.transactions) == (0, [])
    assert info.url == ""


async def test_a_second_poller_ends_the_first(bot: Bot, stage: Stage) -> None:
    await stage.sandbox.post(stage.channel, "news")
    (update,) = await bot.get_updates()

    first = asyncio.create_task(bot.get_updates(offset=update.update_id + 1, timeout=30))
    await stage.polled()
    second = asyncio.create_task(bot.get_updates(timeout=1))

    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates"):
        await first
    assert await second == []
