"""The Bot API methods this server knows, by lower-case name: Telegram ignores their case."""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox import (
    accounts,
    callbacks,
    chats,
    edits,
    forwards,
    invites,
    messages,
    payments,
    pins,
    removals,
)
from sandbox.telegram import Call

Method = Callable[[Call], Any | Awaitable[Any]]

_METHODS: tuple[Method, ...] = (
    accounts.get_me,
    accounts.get_updates,
    accounts.set_webhook,
    accounts.delete_webhook,
    accounts.get_webhook_info,
    accounts.set_my_commands,
    accounts.get_my_commands,
    messages.send_message,
    messages.send_photo,
    messages.send_video,
    messages.send_animation,
    messages.send_document,
    messages.send_media_group,
    messages.send_chat_action,
    forwards.forward_message,
    forwards.copy_message,
    edits.edit_message_text,
    edits.edit_message_caption,
    edits.edit_message_reply_markup,
    removals.delete_message,
    removals.delete_messages,
    pins.pin_chat_message,
    pins.unpin_chat_message,
    callbacks.answer_callback_query,
    chats.get_chat,
    chats.get_chat_member,
    chats.get_chat_administrators,
    chats.get_chat_member_count,
    chats.leave_chat,
    chats.get_file,
    invites.create_chat_invite_link,
    invites.edit_chat_invite_link,
    invites.revoke_chat_invite_link,
    invites.create_chat_subscription_invite_link,
    invites.approve_chat_join_request,
    invites.decline_chat_join_request,
    payments.send_invoice,
    payments.create_invoice_link,
    payments.answer_pre_checkout_query,
    payments.get_star_transactions,
    payments.get_my_star_balance,
    payments.refund_star_payment,
    payments.edit_user_star_subscription,
)

METHODS: dict[str, Method] = {m.__name__.replace("_", ""): m for m in _METHODS}
