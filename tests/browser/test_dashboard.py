"""The dashboard as analysts use it: each page, by keyboard, on a phone, in light and dark.

With `SCREENSHOTS` set to a folder, the pictures of the README are taken on the way.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from chassis.clock import utc_now
from contracts.events import CtaClicked
from contracts.examples import example
from harness.logs import Log
from harness.showcase import PERSON, story
from harness.waiting import until
from harness.warm import Warm
from stack.ports import free_port

DESKTOP, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 844}
PAGES = {
    "overview": "/",
    "campaigns": "/campaigns",
    "campaign": "/campaigns/premium?zone=Europe/Berlin",
    "deliveries": "/deliveries?state=failed",
    "people": "/people",
    "person": f"/people/{PERSON}",
    "events": "/events",
    "projection": "/projection",
}
PATIENCE = 20_000
_AT_ONCE = 200
# Every text must stand out from what is behind it: WCAG 2.2, 1.4.3 (4.5 to 1).
FAINT_TEXT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (rgb) => rgb.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgba(getComputedStyle(at).backgroundColor);
      if (found[3] > 250) return found;
    }
    return rgba("canvas");
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("svg, .unseen")) continue;
    const [one, other] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.push(`${element.textContent.trim().slice(0, 30)}: ${contrast}`);
  }
  return faint;
}"""


@pytest_asyncio.fixture
async def dashboard(
    log: Log, nats_url: str, postgres_dsn: str, tmp_path: Path
) -> AsyncIterator[str]:
    """Run analytics over two weeks of two campaigns; yield its address."""
    told = list(story(utc_now()))
    for start in range(0, len(told), _AT_ONCE):
        await asyncio.gather(*map(log.publisher.publish, told[start : start + _AT_ONCE]))
    port = free_port()
    environment = {
        **os.environ,
        "NATS_URL": nats_url,
        "POSTGRES_DSN": postgres_dsn,
        "FINGERPOST_HTTP_PORT": str(port),
    }
    process = Warm("analytics", "analytics", log=tmp_path / "a.log", environment=environment)
    address = f"http://127.0.0.1:{port}"

    async def checkpoint() -> int:
        async with httpx.AsyncClient(timeout=60) as client:
            text = (await client.get(f"{address}/metrics")).text
        return int(float(text.split("\nfingerpost_projection_checkpoint ")[1].split()[0]))

    process.start()
    try:
        await process.answers(f"{address}/readyz", 60)
        await until(checkpoint, lambda seen: seen == len(told), seconds=60)
        yield address
    finally:
        await process.stop()


class Reader:
    """An analyst's browser, which remembers every complaint of a page."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self._context = context
        self._address = address
        self.complaints: list[str] = []

    async def open(self, path: str) -> Page:
        page = await self._context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.complaints.append(f"{path}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"{path}: {error}"))
        await page.goto(self._address + path)
        await page.evaluate("document.fonts.ready")
        return page


async def reading(
    browser: Browser, address: str, *, phone: bool = False, dark: bool = False
) -> Reader:
    context = await browser.new_context(
        viewport=PHONE if phone else DESKTOP,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    return Reader(context, address)


async def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def shown(page: Page, name: str) -> None:
    """Wait until the page has what it is for."""
    if name == "events":
        await expect(page.locator("#tail tr[data-fact]").first).to_be_visible()
    if name == "overview":
        await expect(page.locator('tr[data-campaign="premium"]').first).to_be_visible()


async def test_every_page_is_readable_on_a_desk_and_on_a_phone_in_light_and_dark(
    browser: Browser, dashboard: str
) -> None:
    for device, phone, dark in (
        ("light", False, False),
        ("dark", False, True),
        ("phone", True, True),
    ):
        reader = await reading(browser, dashboard, phone=phone, dark=dark)
        width = (PHONE if phone else DESKTOP)["width"]
        for name, path in PAGES.items():
            page = await reader.open(path)
            await shown(page, name)
            assert await page.locator("h1").count() == 1, path
            assert await page.evaluate("document.documentElement.scrollWidth") == width, path
            assert await page.evaluate(FAINT_TEXT) == [], (path, device)
            unnamed = (
                "table:not(:has(caption)), th:not([scope]), img:not([alt]), input:not(label *)"
            )
            assert await page.locator(f"main :is({unnamed}):not([type=hidden])").count() == 0, path
            await picture(page, f"{name}-{device}")
            await page.close()
        assert reader.complaints == []


async def test_the_keyboard_reaches_everything_and_the_focus_is_seen(
    browser: Browser, dashboard: str
) -> None:
    page = await (await reading(browser, dashboard)).open("/")
    focused = "document.activeElement.textContent.trim() || document.activeElement.name"

    await page.keyboard.press("Tab")
    assert await page.evaluate(focused) == "Skip to the content"
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()

    reached: list[str] = []
    for _ in range(30):
        await page.keyboard.press("Tab")
        reached.append(str(await page.evaluate("document.activeElement.outerHTML.slice(0, 60)")))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) != "none", reached[-1]
    for part in ('name="period"', 'name="zone"', 'type="submit"', "<summary", 'class="scroll"'):
        assert any(part in found for found in reached), part


async def test_a_filter_stands_in_the_address_and_leads_on(
    browser: Browser, dashboard: str
) -> None:
    page = await (await reading(browser, dashboard)).open("/")

    await page.get_by_label("Period").select_option("7d")
    await page.get_by_label("Channel").select_option("@morning_markets")
    await page.get_by_role("button", name="Show").click()

    await page.wait_for_url("**/?period=7d&channel=%40morning_markets&zone=UTC")
    await page.get_by_role("link", name="Premium signals").first.click()
    await page.wait_for_url("**/campaigns/premium?period=7d&channel=%40morning_markets")
    await expect(page.get_by_test_id("channel-table").locator("tbody tr")).to_have_count(1)
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download variants as csv").click()
    file = await (await started.value).path()
    assert file.read_text().splitlines()[0].startswith("campaign,variant,sent")


async def test_the_colours_can_be_chosen_and_are_remembered(
    browser: Browser, dashboard: str
) -> None:
    reader = await reading(browser, dashboard)
    page = await reader.open("/people")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(colour)

    await page.get_by_role("button", name="Use dark colours").click()

    dark = await page.evaluate(colour)
    assert dark != light
    other = await reader.open("/projection")
    assert await other.evaluate(colour) == dark
    assert reader.complaints == []


async def test_events_come_as_they_happen_and_can_be_held(
    browser: Browser, dashboard: str, log: Log
) -> None:
    page = await (await reading(browser, dashboard)).open("/events")
    newest = page.locator("#tail tr").first
    await expect(page.get_by_test_id("tail-state")).to_have_text("following")

    await log.say(example(CtaClicked, source_id="now", user_id=PERSON, clicked_at=utc_now()))

    await expect(newest).to_contain_text("cta.clicked")
    await expect(newest).to_contain_text(str(PERSON))
    await page.get_by_role("button", name="Hold").click()
    before = await newest.inner_text()
    last = (await log.js.stream_info("EVENTS")).state.last_seq
    await log.say(example(CtaClicked, source_id="later", clicked_at=utc_now()))
    await page.get_by_role("button", name="Go on").click()
    await expect(newest).to_contain_text(f"{last + 1:,}")
    assert before != await newest.inner_text()
    await page.get_by_label("Show").select_option("message")
    await expect(page.locator("#tail tr").first).not_to_contain_text("cta.clicked")


async def test_the_chart_tells_what_is_under_the_pointer_and_as_a_table(
    browser: Browser, dashboard: str
) -> None:
    page = await (await reading(browser, dashboard)).open("/")

    await page.locator(".series-1 .hit").nth(3).hover()

    await expect(page.locator(".tip")).to_contain_text("taps")
    await page.get_by_text("The chart as a table").click()
    await expect(page.locator(".as-table tbody tr").first).to_be_visible()

    async def still_open() -> bool:
        return bool(await page.locator("details.as-table").get_attribute("open") is not None)

    assert await until(still_open, bool)
