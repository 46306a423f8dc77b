"""Markup becomes text and entities; mistakes get Telegram's words."""

import contextlib
import html
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.marks import utf16_length
from sandbox.entities import format_text
from sandbox.refusals import Refusal

PREFIX = "🏟 🏟&lt;"  # 13 bytes before a tag, so that offsets show they are counted in bytes


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


def refusal(text: str, mode: str, entities: Any = None) -> str:
    with pytest.raises(Refusal) as caught:
        format_text(text, mode, entities)
    return caught.value.description.removeprefix("Bad Request: ")


@pytest.mark.parametrize(
    ("markup", "text", "entities"),
    [
        ("<b>a</b>b", "ab", [entity("bold", 0, 1)]),
        ("📈<i>a</i>", "📈a", [entity("italic", 2, 1)]),
        ("<b><i>x</i>y</b>", "xy", [entity("bold", 0, 2), entity("italic", 0, 1)]),
        ("<STRONG>x</strong>", "x", [entity("bold", 0, 1)]),
        ("<a href='https://e.com/?a=1&amp;b=2'>x</a>", "x",
         [entity("text_link", 0, 1, url="https://e.com/?a=1&b=2")]),
        ('<a href="e.com">x</a>', "x", [entity("text_link", 0, 1, url="http://e.com/")]),
        ('<a href="nowhere">x</a>', "x", None),
        ('<pre><code class="language-py">x</code></pre>', "x",
         [entity("pre", 0, 1, language="py")]),
        ('<code class="language-py">x</code>', "x", [entity("code", 0, 1)]),
        ('<span class="tg-spoiler">x</span>', "x", [entity("spoiler", 0, 1)]),
        ("<blockquote expandable>x</blockquote>", "x", [entity("expandable_blockquote", 0, 1)]),
        ('<tg-emoji emoji-id="5368">👍</tg-emoji>', "👍",
         [entity("custom_emoji", 0, 2, custom_emoji_id="5368")]),
        ("&lt;&gt;&amp;&quot;&laquo;&#65;&#x42", '<>&"&laquo;AB', []),
        ("  <b> x </b>  ", "x", [entity("bold", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<b>x</>", "x", [entity("bold", 0, 1)]),
    ],
)  # fmt: skip
def test_html(markup: str, text: str, entities: list[dict[str, Any]] | None) -> None:
    if entities is None:
        assert "Wrong HTTP URL" in refusal(markup, "HTML")
    else:
        assert format_text(markup, "HTML", None) == (text, entities)


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ("<abacaba", "Unclosed start tag at byte offset 13"),
        ("<abac aba>", 'Unsupported start tag "abac" at byte offset 13'),
        ("<i   =aba>", 'Empty attribute name in the tag "i" at byte offset 13'),
        ("<i    aba>", 'Can\'t find end tag corresponding to start tag "i"'),
        ("<i    aba  =  ", 'Unclosed start tag "i" at byte offset 13'),
        ("<i    aba  =  190azAz-.,", "Unexpected end of name token at byte offset 27"),
        ('<i    aba  =  "&lt;&gt;&quot;>', "Unclosed start tag at byte offset 13"),
        ("</", "Unexpected end tag at byte offset 13"),
        ("<i>a</i   ", "Unclosed end tag at byte offset 17"),
        ("<i>a</em   >", 'Unmatched end tag at byte offset 17, expected "</i>", found "</em>"'),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 13'),
    ],
)
def test_broken_html(markup: str, reason: str) -> None:
    assert refusal(PREFIX + markup, "html") == f"can't parse entities: {reason}"


@pytest.mark.parametrize(
    ("markup", "text", "entities"),
    [
        ("*a*b", "ab", [entity("bold", 0, 1)]),
        ("_a_ __b__ ~c~ ||d||", "a b c d",
         [entity("italic", 0, 1), entity("underline", 2, 1), entity("strikethrough", 4, 1),
          entity("spoiler", 6, 1)]),
        ("*a _b_*", "a b", [entity("bold", 0, 3), entity("italic", 2, 1)]),
        ("_a __b___", "a b", [entity("italic", 0, 3), entity("underline", 2, 1)]),
        ("`a.b`", "a.b", [entity("code", 0, 3)]),
        ("```py\nx = 1```", "x = 1", [entity("pre", 0, 5, language="py")]),
        ("[x](https://e.com/a\\)b)", "x", [entity("text_link", 0, 1, url="https://e.com/a)b")]),
        ("![👍](tg://emoji?id=53)", "👍", [entity("custom_emoji", 0, 2, custom_emoji_id="53")]),
        (">a\n>b\nc", "a\nb\nc", [entity("blockquote", 0, 4)]),
        ("**>a\n>b||", "a\nb", [entity("expandable_blockquote", 0, 3)]),
        ("1\\. \\*x\\*", "1. *x*", []),
    ],
)  # fmt: skip
def test_markdown(markup: str, text: str, entities: list[dict[str, Any]]) -> None:
    assert format_text(markup, "MarkdownV2", None) == (text, entities)


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ("hello.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("a-b", "Character '-' is reserved and must be escaped with the preceding '\\'"),
        ("*unclosed", "Can't find end of Bold entity at byte offset 0"),
        ("é_unclosed", "Can't find end of Italic entity at byte offset 2"),
        ("[x](https://e.com", "Can't find end of a URL at byte offset 3"),
    ],
)
def test_broken_markdown(markup: str, reason: str) -> None:
    assert refusal(markup, "markdownv2") == f"can't parse entities: {reason}"


@pytest.mark.parametrize(
    ("given_entity", "reason"),
    [
        (entity("bold", 100, 1),
         "entity begins after the end of the text at UTF-16 offset 100"),
        (entity("bold", 0, 100),
         ("entity beginning at UTF-16 offset 0 ends after the end of the text"
          " at UTF-16 offset 100")),
        (entity("bold", -1, 1), "receive an entity with incorrect offset -1"),
        (entity("big", 0, 1), "can't parse MessageEntity: Unsupported type specified"),
        (entity("text_link", 0, 1, url="not-a-url"),
         "entity URL 'not-a-url' is invalid: Wrong HTTP URL"),
    ],
)  # fmt: skip
def test_wrong_entities(given_entity: dict[str, Any], reason: str) -> None:
    assert refusal("hello", "", [given_entity]) == reason


def test_links_mentions_commands_and_tags_are_found() -> None:
    text = "📈 https://e.com/a. @trader_ann #tag1 /start a@b.com"
    _, entities = format_text(text, "", None)

    assert [(e["type"], e["offset"]) for e in entities] == [
        ("url", 3), ("mention", 20), ("hashtag", 32), ("bot_command", 38), ("email", 45),
    ]  # fmt: skip


def test_nothing_is_found_in_code() -> None:
    assert format_text("<code>https://e.com</code>", "HTML", None)[1] == [entity("code", 0, 13)]


plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


@given(plain)
def test_escaped_html_is_plain_text(text: str) -> None:
    assert format_text(html.escape(text, quote=False), "HTML", None)[0] == text.strip()


@given(plain)
def test_escaped_markdown_is_plain_text(text: str) -> None:
    escaped = "".join(f"\\{c}" if c in r"\_*[]()~`>#+-=|{}.!" else c for c in text)
    assert format_text(escaped, "MarkdownV2", None)[0] == text.strip()


@given(
    st.text(alphabet="<>/biau =\"'&;ltx.*_[]()`|~\\\n📈", max_size=40),
    st.sampled_from(["HTML", "MarkdownV2"]),
)
def test_any_text_gives_sorted_entities_within_it_or_is_refused(text: str, mode: str) -> None:
    result, entities = format_text("", "", None)
    with contextlib.suppress(Refusal):
        result, entities = format_text(text, mode, None)

    length = utf16_length(result)
    assert all(0 <= e["offset"] < e["offset"] + e["length"] <= length for e in entities)
    assert all(a["offset"] <= b["offset"] for a, b in pairwise(entities))
