// Formatted text: entities (UTF-16 offsets, as JavaScript counts too) into elements, never HTML.

const TAGS = {
  bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", expandable_blockquote: "blockquote",
};
const LINKS = new Set(["text_link", "url", "email", "mention"]);
const BLOCKS = new Set(["PRE", "BLOCKQUOTE"]);
const ATOMIC = new Set(["pre", "code"]);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function safeLink(url) {
  try {
    const target = new URL(url);
    return ["http:", "https:", "tg:", "mailto:"].includes(target.protocol) ? target.href : null;
  } catch {
    return null;
  }
}

function address(entity, text) {
  if (entity.type === "text_link") return entity.url;
  if (entity.type === "email") return `mailto:${text}`;
  if (entity.type === "mention") return `https://t.me/${text.slice(1)}`;
  return text;
}

function wrap(entity, text) {
  if (TAGS[entity.type]) return element(TAGS[entity.type]);
  if (entity.type === "spoiler") return element("span", { className: "spoiler", tabIndex: 0 });
  const href = LINKS.has(entity.type) ? safeLink(address(entity, text)) : null;
  return href ? element("a", { href, target: "_blank", rel: "noopener noreferrer" }) : element("span");
}

// Entities arrive sorted by offset, longer first, so each one holds those that follow within it.
function fill(node, text, entities, from, to) {
  let at = from;
  while (entities.length && entities[0].offset < to) {
    const entity = entities.shift();
    const begin = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    if (end <= begin) continue;
    node.append(text.slice(at, begin));
    const inner = wrap(entity, text.slice(begin, end));
    fill(inner, text, ATOMIC.has(entity.type) ? [] : entities, begin, end);
    node.append(inner);
    // A block breaks the line itself; the line break after it would show as an empty line.
    at = BLOCKS.has(inner.tagName) && text[end] === "\n" && end < to ? end + 1 : end;
  }
  node.append(text.slice(at, to));
}

export function formatted(text, entities = []) {
  const node = element("div", { className: "text" });
  fill(node, text, [...entities], 0, text.length);
  return node;
}
