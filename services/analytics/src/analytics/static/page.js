// The switch of colours, the tips of charts, and a page that follows the tables: it asks twice a
// second whether anything changed, and replaces only the parts that did.
(() => {
  const PERIOD = 500;
  const PATIENCE = 15000;

  const button = document.getElementById("theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Use ${isDark() ? "light" : "dark"} colours`);
  };
  button.hidden = false;
  name();
  system.addEventListener("change", name);
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage is forbidden: it lasts as long as the page.
    }
  });

  // Days that are given win over the period: choosing a period takes them away.
  const period = document.querySelector("select[name=period]");
  period?.addEventListener("change", () => {
    for (const day of document.querySelectorAll(".filter input[type=date]")) day.value = "";
  });
  // An empty value of the filter is the same as none: keep it out of the address.
  document.querySelector(".filter")?.addEventListener("submit", (event) => {
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll(".filter :disabled")) field.disabled = false;
  });

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const point = (event) => {
    const text = event.target.dataset?.tip;
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8);
    const above = event.clientY - tip.offsetHeight - 10;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 8 ? above : event.clientY + 18}px`;
  };
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("scroll", () => (tip.hidden = true), true);

  const parts = (page) => new Map([...page.querySelectorAll("[data-live]")].map((part) => [part.dataset.live, part]));
  const pulse = document.getElementById("pulse");
  if (!document.querySelector("main [data-live]:not([data-live=notice])")) return;
  let tag = "";

  const say = (text, lost) => {
    if (pulse.textContent !== text) pulse.textContent = text;
    pulse.classList.toggle("lost", lost);
  };

  const show = (html) => {
    const open = [...document.querySelectorAll("details[open][data-keep]")].map((one) => one.dataset.keep);
    const focused = document.activeElement?.getAttribute("href");
    const now = parts(new DOMParser().parseFromString(html, "text/html"));
    for (const [name, part] of parts(document)) {
      const fresh = now.get(name);
      if (fresh && fresh.innerHTML !== part.innerHTML) {
        const had = part.contains(document.activeElement);
        part.innerHTML = fresh.innerHTML; // made by the server from escaping templates
        if (had && focused) [...part.querySelectorAll("a")].find((one) => one.getAttribute("href") === focused)?.focus();
      }
    }
    for (const one of document.querySelectorAll("details[data-keep]")) one.open = open.includes(one.dataset.keep);
  };

  const ask = async () => {
    const answer = await fetch(location.href, {
      headers: tag ? { "If-None-Match": tag } : {},
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    tag = answer.headers.get("ETag");
  };

  const loop = async () => {
    if (!document.hidden) {
      try {
        await ask();
        say("live", false);
      } catch {
        say("connection lost, trying again", true);
      }
    }
    setTimeout(loop, PERIOD);
  };
  setTimeout(loop, PERIOD);
})();
