// One message as an element: who, what, when, and its buttons.

import { element, formatted } from "./text.js";

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
export const clock = (seconds) => time.format(new Date(seconds * 1000));

function media(message) {
  const photo = message.photo?.at(-1);
  const file = photo ?? message.video ?? message.animation ?? message.document;
  if (!file) return [];
  const kind = photo ? "Photo" : message.video ? "Video" : message.animation ? "Animation" : "File";
  const missing = () => element("div", { className: "media placeholder" }, file.file_name ?? kind);
  if (!photo || !photo.file_size) return [missing()];
  const image = element("img", { className: "media", alt: kind, src: `/page/files/${file.file_unique_id}` });
  image.addEventListener("error", () => image.replaceWith(missing()));
  return [image];
}

function origin({ forward_origin: from }) {
  if (!from) return [];
  const name = from.chat?.title ?? from.sender_user?.first_name ?? "someone";
  return [element("div", { className: "forward" }, `Forwarded from ${name}`)];
}

function invoice({ invoice: offer }) {
  if (!offer) return [];
  const price = `⭐️ ${offer.total_amount}`;
  return [element("div", { className: "invoice" },
    element("b", {}, offer.title), element("div", {}, offer.description), element("div", {}, price))];
}

function sign(button) {
  if (button.url) return "↗";
  return button.copy_text ? "❏" : "";
}

function keyButton(button, row, column) {
  const link = Boolean(button.url);
  const node = element(link ? "a" : "button", { className: button.style ?? "" }, button.text);
  if (link) Object.assign(node, { href: button.url, target: "_blank", rel: "noopener noreferrer" });
  else node.type = "button";
  Object.assign(node.dataset, { row, column, sign: sign(button) });
  if (button.pay) node.dataset.pay = "yes";
  return node;
}

function keyboard(rows) {
  const lines = rows.map((row, r) =>
    element("div", {}, ...row.map((button, c) => keyButton(button, r, c))));
  return lines.length ? [element("div", { className: "keyboard" }, ...lines)] : [];
}

function service(message) {
  if (message.pinned_message) return "Pinned a message";
  const payment = message.successful_payment;
  return payment ? `Paid ⭐️ ${payment.total_amount}` : null;
}

function meta(view) {
  const marks = [view.pinned && "pinned", view.edited_at && "edited", clock(view.posted_at)];
  return element("div", { className: "meta" }, marks.filter(Boolean).join(" · "));
}

function body(view, inChannel) {
  const message = view.message;
  const sender = inChannel ? [] : [message.sender_chat?.title ?? message.from?.first_name ?? ""];
  const text = message.text ?? message.caption;
  const names = sender.filter(Boolean).map((name) => element("div", { className: "sender" }, name));
  const words = text ? [formatted(text, message.entities ?? message.caption_entities)] : [];
  return element("div", { className: "bubble" },
    ...media(message), ...names, ...origin(message), ...invoice(message), ...words, meta(view));
}

export function messageNode(view, chat, person) {
  const note = service(view.message);
  const node = element("article", {});
  node.dataset.messageId = view.message_id;
  node.dataset.chatId = view.message.chat.id;
  if (note) {
    node.className = "service";
    node.append(note);
    return node;
  }
  const own = view.message.from?.id === person;
  node.className = own ? "message own" : "message";
  node.append(body(view, chat.type !== "supergroup"), ...keyboard(view.buttons));
  return node;
}
