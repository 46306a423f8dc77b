// Shows the events of the log as the server says them.
(() => {
  const SHOWN = 200;
  const table = document.getElementById("tail");
  const state = document.getElementById("tail-state");
  const pulse = document.getElementById("pulse");
  const facts = document.getElementById("facts");
  const hold = document.getElementById("hold");
  const lines = [];
  let held = false;
  let asked = false;

  const cell = (row, text, kind) => {
    const made = row.insertCell();
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const rowOf = (line) => {
    const row = document.createElement("tr");
    row.dataset.fact = line.fact;
    cell(row, line.sequence.toLocaleString("en"), "n");
    cell(row, line.at.replace("T", " ").slice(0, 19), "when");
    const fact = document.createElement("span");
    fact.className = `state fact-${line.fact.split(".")[0]}`;
    fact.textContent = line.fact;
    cell(row, "").append(fact);
    cell(row, line.text, "why");
    const person = cell(row, "", "mono");
    if (line.person !== null) {
      const link = document.createElement("a");
      link.href = `/people/${line.person}`;
      link.textContent = line.person;
      person.append(link);
    }
    return row;
  };

  const wanted = (line) => !facts.value || facts.value.split(" ").includes(line.fact.split(".")[0]);

  const draw = () => {
    asked = false;
    if (held) return;
    const shown = lines.filter(wanted);
    if (shown.length) table.replaceChildren(...shown.map(rowOf));
    else if (lines.length) {
      const row = document.createElement("tr");
      row.className = "empty";
      cell(row, "No event like this among the newest.").colSpan = 5;
      table.replaceChildren(row);
    }
  };
  const soon = () => {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  };

  facts.addEventListener("change", draw);
  hold.addEventListener("click", () => {
    held = !held;
    hold.setAttribute("aria-pressed", String(held));
    hold.textContent = held ? "Go on" : "Hold";
    draw();
  });

  const say = (text, lost) => {
    state.textContent = text;
    pulse.textContent = lost ? "connection lost, trying again" : "live";
    pulse.classList.toggle("lost", lost);
  };

  const source = new EventSource("/events/stream");
  source.onopen = () => say("following", false);
  source.onerror = () => say("connection lost, trying again", true);
  source.onmessage = (message) => {
    const line = JSON.parse(message.data);
    if (lines.length && line.sequence <= lines[0].sequence) return;
    lines.unshift(line);
    lines.length = Math.min(lines.length, SHOWN);
    soon();
  };
  source.addEventListener("dropped", () => say("this page could not keep up, and begins anew", true));
})();
