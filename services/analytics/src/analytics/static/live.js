// Asks twice a second whether anything changed, and replaces only the parts that did.
(() => {
  const PERIOD = 500;
  const PATIENCE = 5000;
  const shown = new Map();
  const pulse = document.getElementById("pulse");
  let tag = `"${document.body.dataset.tag}"`;

  const say = (text, lost) => {
    if (pulse.textContent !== text) pulse.textContent = text;
    pulse.classList.toggle("lost", lost);
  };

  const show = (sections) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const html = sections[part.dataset.live];
      if (shown.get(part) !== html) {
        part.innerHTML = html; // made by the server from autoescaping templates
        shown.set(part, html);
      }
    }
  };

  const ask = async () => {
    const answer = await fetch("/live", {
      headers: { "If-None-Match": tag },
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
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
