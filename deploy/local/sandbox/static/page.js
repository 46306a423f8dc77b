// The page: polls the state, draws what changed, and sends what the chosen person does.

import { clock, messageNode } from "./messages.js";
import { element } from "./text.js";

const POLL_MS = 700;
const TOAST_MS = 3500;
const byId = (id) => document.getElementById(id);
const view = { person: Number(byId("person").value), chat: "", version: null, chats: [], drawn: "" };
let toastTimer;

function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, TOAST_MS);
}

function showAlert(text) {
  byId("alert-text").textContent = text;
  byId("alert").showModal();
}

async function act(what, body) {
  const answer = await fetch(`/control/people/${view.person}/${what}`, {
    method: "POST", body: JSON.stringify(body),
  });
  const result = await answer.json();
  if (!answer.ok) {
    toast(result.error);
    return null;
  }
  return result;
}

const chosen = () => view.chats.find((chat) => chat.key === view.chat);
const hue = (text) => [...text].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7);
const initials = (title) => title.split(/\s+/).slice(0, 2).map((w) => [...w][0] ?? "").join("");

function paintAvatar(node, title) {
  node.textContent = initials(title);
  node.style.setProperty("--hue", hue(title));
  return node;
}

function subtitle(chat) {
  if (chat.type === "private") return "bot";
  return `${chat.members} ${chat.type === "channel" ? "subscribers" : "members"}`;
}

function chatRow(chat) {
  const row = element("button", { type: "button", className: "row" });
  row.dataset.chatId = chat.key;
  row.setAttribute("aria-current", String(chat.key === view.chat));
  const avatar = paintAvatar(element("span", { className: "avatar", ariaHidden: "true" }), chat.title);
  const names = element("span", {}, element("b", {}, chat.title), element("small", {}, chat.last || subtitle(chat)));
  row.append(avatar, names, element("time", {}, chat.last_at ? clock(chat.last_at) : ""));
  row.addEventListener("click", () => open(chat.key));
  return row;
}

function drawChats() {
  const focused = document.activeElement?.dataset?.chatId;
  byId("chats").replaceChildren(...view.chats.map(chatRow));
  if (focused) byId("chats").querySelector(`[data-chat-id="${CSS.escape(focused)}"]`)?.focus();
}

function drawHeading(chat) {
  byId("title").textContent = chat?.title ?? "";
  byId("subtitle").textContent = chat ? subtitle(chat) : "";
  byId("avatar").hidden = !chat;
  if (chat) paintAvatar(byId("avatar"), chat.title);
  byId("empty").hidden = Boolean(chat);
  byId("messages").hidden = !chat;
  byId("say").hidden = !chat || chat.type === "channel";
}

// Messages that did not change keep their element, so focus and a pressed button survive.
function drawMessages(views, chat) {
  const log = byId("messages");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60 || view.drawn !== chat.key;
  const before = view.drawn === chat.key
    ? new Map([...log.children].map((node) => [node.dataset.messageId, node])) : new Map();
  const nodes = views.map((item) => {
    const stamp = JSON.stringify(item);
    const old = before.get(String(item.message_id));
    return old?.stamp === stamp ? old : Object.assign(messageNode(item, chat, view.person), { stamp });
  });
  nodes.forEach((node, i) => {
    if (log.children[i] !== node) log.insertBefore(node, log.children[i] ?? null);
  });
  while (log.children.length > nodes.length) log.lastChild.remove();
  view.drawn = chat.key;
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function drawPeople(people) {
  const picker = byId("person");
  if (picker.length === people.length) return;
  picker.replaceChildren(...people.map((p) => new Option(p.first_name, p.id)));
  picker.value = view.person;
}

async function refresh({ always = false } = {}) {
  const since = always ? "" : view.version ?? "";
  const wanted = new URLSearchParams({ person: view.person, chat: view.chat, since });
  const answer = await fetch(`/page/state?${wanted}`);
  if (answer.status !== 200 || wanted.get("chat") !== view.chat) return;
  const state = await answer.json();
  view.version = state.version;
  view.chats = state.chats;
  drawPeople(state.people);
  drawChats();
  const chat = chosen();
  drawHeading(chat);
  if (chat) drawMessages(state.messages, chat);
}

async function open(key) {
  view.chat = key;
  byId("app").classList.toggle("open", Boolean(key));
  history.replaceState(null, "", key ? `#${key}` : location.pathname);
  await refresh({ always: true });
}

async function follow(started) {
  const bot = view.chats.find((chat) => chat.bot === started.bot);
  if (!bot) await refresh({ always: true });
  const chat = view.chats.find((c) => c.bot === started.bot);
  if (chat) await open(chat.key);
}

async function tapped(result) {
  if (!result) return;
  if (result.kind === "copy") toast(`Copied: ${result.text}`);
  if (result.kind === "callback" && !result.answered) toast("The bot did not answer");
  if (result.text && result.kind === "callback") (result.show_alert ? showAlert : toast)(result.text);
  if (result.started) await follow(result.started);
}

async function tap(node) {
  const message = node.closest("[data-message-id]");
  const where = { chat_id: Number(message.dataset.chatId), message_id: Number(message.dataset.messageId), bot: chosen()?.bot };
  node.setAttribute("aria-busy", "true");
  try {
    if (node.dataset.pay) {
      const paid = await act("pay", where);
      if (paid && paid.outcome !== "paid") toast(paid.error_message || `Payment: ${paid.outcome}`);
    } else {
      await tapped(await act("tap", { ...where, row: Number(node.dataset.row), column: Number(node.dataset.column) }));
    }
  } finally {
    node.removeAttribute("aria-busy");
  }
}

function opensBot(link) {
  const { hostname, searchParams } = new URL(link.href);
  return ["t.me", "telegram.me"].includes(hostname) && searchParams.has("start");
}

byId("messages").addEventListener("click", (event) => {
  const node = event.target.closest("[data-row]");
  if (!node || node.getAttribute("aria-busy")) return;
  if (node.tagName === "A" && !opensBot(node)) return;
  event.preventDefault();
  tap(node);
});
byId("person").addEventListener("change", (event) => {
  view.person = Number(event.target.value);
  view.drawn = "";
  if (view.chat.includes("@")) open("");
  else refresh({ always: true });
});
byId("back").addEventListener("click", () => open(""));
byId("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = byId("words");
  const chat = chosen();
  if (!words.value.trim() || !chat) return;
  const where = chat.bot ? { bot: chat.bot } : { chat_id: Number(chat.key) };
  if (await act("say", { ...where, text: words.value })) words.value = "";
  await refresh();
});

async function live() {
  for (;;) {
    try {
      if (!document.hidden) await refresh();
    } catch (error) {
      toast(`The sandbox does not answer: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

await open(decodeURIComponent(location.hash.slice(1)));
live();
