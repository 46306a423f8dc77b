"""A person taps a button on the sandbox's page and sees the dashboard change, in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from harness.stacks import running_stack
from stack.local import LocalStack


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[LocalStack]:
    async with running_stack(tmp_path, every="10s") as stack:
        yield stack


async def open_page(browser: Browser, url: str) -> Page:
    page = await browser.new_page()
    await page.goto(url)
    return page


async def test_a_tap_shows_on_the_dashboard_by_itself_and_soon(
    stack: LocalStack, browser: Browser
) -> None:
    channel = await open_page(browser, f"{stack.urls['sandbox']}/#-1001000000002")
    dashboard = await open_page(browser, stack.urls["analytics"])
    button = channel.locator("[data-message-id] button[data-row]").first
    await button.wait_for(timeout=20_000)
    await dashboard.locator('tr[data-campaign="premium-promos"]').first.wait_for()
    clicks = dashboard.locator('[data-stat="clicks"]').first
    before = int(await clicks.inner_text())

    await channel.bring_to_front()
    await button.click()
    await dashboard.bring_to_front()

    # The page asks twice a second, and is told what is new when it asks the second time.
    await expect(clicks).to_have_text(str(before + 1), timeout=10_000)


async def test_nothing_is_loaded_from_elsewhere(stack: LocalStack, browser: Browser) -> None:
    asked: list[str] = []
    page = await browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    for name in ("sandbox", "analytics"):
        await page.goto(stack.urls[name])
        await page.wait_for_timeout(500)

    assert asked
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:"))] == []
