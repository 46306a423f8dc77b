"""The page in a real browser: read a post, tap, see the toast, follow into the bot, pay."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from .conftest import Stage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_PATIENCE_MS = 30_000
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1100, "height": 760})
        expect.set_options(timeout=_PATIENCE_MS)
        yield page
        await browser.close()


async def serve_bot(stage: Stage) -> None:
    """A bot that opens itself on `open`, alerts on `alert`, greets, and accepts payments."""
    offset = 0
    while True:
        for update in await stage.call("getUpdates", offset=offset, timeout=5):
            offset = update["update_id"] + 1
            await react(stage, update)


async def react(stage: Stage, update: dict[str, Any]) -> None:
    match update:
        case {"callback_query": {"id": query, "data": "open"}}:
            url = f"https://t.me/{stage.bot_name}?start=tok"
            await stage.call("answerCallbackQuery", callback_query_id=query, url=url)
        case {"callback_query": {"id": query, "data": data}}:
            alert = data == "alert"
            answer = {"callback_query_id": query, "text": f"Noted: {data}", "show_alert": alert}
            await stage.call("answerCallbackQuery", **answer)
        case {"pre_checkout_query": {"id": query}}:
            await stage.call("answerPreCheckoutQuery", pre_checkout_query_id=query, ok=True)
        case {"message": {"text": str(), "from": {"id": person}}}:
            await stage.call(
                "sendInvoice",
                chat_id=person, title="Club", description="A month of signals", payload="p",
                currency="XTR", prices=[{"label": "m", "amount": 250}],
            )  # fmt: skip


async def test_a_person_reads_taps_follows_and_pays(
    page: Page, stage: Stage, tmp_path: Path
) -> None:
    text = (
        "<b>Trading 📈</b> <script>alert(1)</script> &amp; <a href='https://example.com'>more</a>"
    )
    keyboard = [
        [{"text": "Save", "callback_data": "save"}, {"text": "Terms", "callback_data": "alert"}],
        [{"text": "Join", "callback_data": "open"}],
    ]
    number = await stage.post(
        text.replace("<script>", "&lt;script&gt;").replace("</script>", "&lt;/script&gt;"),
        parse_mode="HTML",
        reply_markup={"inline_keyboard": keyboard},
    )
    serving = asyncio.create_task(serve_bot(stage))
    await page.goto(f"{stage.url}/")
    await page.get_by_test_id("person").select_option(str(stage.person))

    await page.locator(f'nav [data-chat-id="{stage.channel}"]').click()
    message = page.locator(f'[data-message-id="{number}"][data-chat-id="{stage.channel}"]')
    await expect(message.locator("b")).to_have_text("Trading 📈")
    await expect(message).to_contain_text("<script>alert(1)</script>")
    await expect(message.locator(".text a")).to_have_attribute("href", "https://example.com/")

    await message.locator('button[data-row="0"][data-column="0"]').focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("toast")).to_have_text("Noted: save")
    await message.locator('[data-row="0"][data-column="1"]').click()
    await expect(page.get_by_test_id("alert")).to_contain_text("Noted: alert")
    await page.get_by_role("button", name="OK").click()
    await page.screenshot(path=tmp_path / "channel.png")

    await message.locator('[data-row="1"][data-column="0"]').click()
    await expect(page.locator("#title")).to_have_text("Guide")
    await expect(page.locator("#messages")).to_contain_text("/start tok")
    await page.locator("[data-pay]").click()
    await expect(page.locator("#messages")).to_contain_text(re.compile("Paid .* 250"))
    await page.screenshot(path=tmp_path / "bot.png")
    serving.cancel()

    (charge,) = [c for c in await stage.sandbox.charges() if c["bot_id"] == stage.bot_id]
    assert charge["user_id"] == stage.person
