"use strict";
/* The form asks the same routes as everybody: POST and GET /v1/predictions. */
(() => {
  const { names, example, candidates } = JSON.parse(document.getElementById("try-data").textContent);
  const predictions = `${document.documentElement.dataset.prefix}/v1/predictions`;
  const house = document.getElementById("house");
  const answer = document.getElementById("answer");
  const PAUSE_MILLISECONDS = 400;
  const PATIENCE_MILLISECONDS = 30000;
  let asked = 0;

  const dollars = (value) => `$${Math.round(value).toLocaleString("en-US")}`;
  const field = (name) => document.getElementById(`field-${name}`);
  const wait = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

  function element(tag, text, className = "") {
    const made = document.createElement(tag);
    made.textContent = text;
    made.className = className;
    return made;
  }

  function value(name) {
    const input = field(name);
    if (input.value === "" && !input.validity.badInput) return null;
    return input.tagName === "SELECT" ? input.value : input.valueAsNumber;
  }

  function fill(row) {
    names.forEach((name) => { field(name).value = row[name] ?? ""; });
    forgive();
  }

  function forgive() {
    house.querySelectorAll(".fault").forEach((place) => { place.textContent = ""; });
    names.forEach((name) => field(name).removeAttribute("aria-invalid"));
  }

  function complain(problem) {
    const faults = problem.errors || [];
    const elsewhere = [];
    faults.forEach((fault) => {
      const place = fault.field && document.getElementById(`fault-${fault.field}`);
      if (!place) { elsewhere.push(`${fault.field || "the house"}: expected ${fault.expected}`); return; }
      place.textContent = `expected ${fault.expected}; got ${fault.got}`;
      field(fault.field).setAttribute("aria-invalid", "true");
    });
    const shown = faults.length - elsewhere.length;
    document.getElementById("house-fault").textContent = [
      shown ? `${shown} ${shown === 1 ? "field is" : "fields are"} not right.` : problem.detail || problem.title, ...elsewhere,
    ].join(" ");
    const first = house.querySelector('[aria-invalid="true"]');
    if (first) first.focus();
  }

  async function problemOf(reply) {
    try { return await reply.json(); } catch { return { detail: `The answer had status ${reply.status}.` }; }
  }

  function said(model, role, price, note) {
    const card = element("div", "", `said ${role}`);
    card.append(element("p", role === "live" ? `Live: ${model}` : `Candidate: ${model}`, "quiet"));
    card.append(element("p", price === null ? "…" : dollars(price), "price"), element("p", note, "quiet note"));
    return card;
  }

  function compare(card, observation, live) {
    const scored = observation.state === "scored";
    const gap = scored ? 100 * (observation.price_dollars / live - 1) : 0;
    card.querySelector(".price").textContent = scored ? dollars(observation.price_dollars) : "no answer";
    card.querySelector(".note").textContent = scored
      ? `${gap >= 0 ? "+" : "−"}${Math.abs(gap).toFixed(1)} % against live` : `failed: ${observation.reason}`;
  }

  async function follow(id, live, turn) {
    const waiting = new Map(candidates.map(({ model, sample }) => {
      const card = said(model, "candidate", null, "is being asked in the shadow");
      answer.append(card);
      return [model, { card, sample }];
    }));
    const until = Date.now() + PATIENCE_MILLISECONDS;
    while (waiting.size && Date.now() < until && turn === asked) {
      await wait(PAUSE_MILLISECONDS);
      const reply = await fetch(`${predictions}/${id}`);
      const found = reply.ok ? await reply.json() : { observations: [] };
      found.observations.forEach((observation) => {
        const model = `${observation.model.name}@${observation.model.version}`;
        if (waiting.has(model)) { compare(waiting.get(model).card, observation, live); waiting.delete(model); }
      });
    }
    waiting.forEach(({ card, sample }) => {
      card.querySelector(".price").textContent = "–";
      card.querySelector(".note").textContent = sample < 1
        ? "no answer yet; it sees a sample of the houses only" : "no answer yet; is the worker running?";
    });
  }

  async function ask(event) {
    event.preventDefault();
    const turn = (asked += 1);
    forgive();
    const row = Object.fromEntries(names.map((name) => [name, value(name)]));
    let reply;
    try {
      reply = await fetch(predictions, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify(row, (_, given) => (Number.isNaN(given) ? "no number" : given)),
      });
    } catch { complain({ detail: "The API cannot be reached." }); return; }
    if (!reply.ok) { answer.hidden = true; complain(await problemOf(reply)); return; }
    const { model, predictions: [{ id, price_dollars: price }] } = await reply.json();
    answer.replaceChildren(said(`${model.name}@${model.version}`, "live", price, `prediction ${id}`));
    answer.hidden = false;
    await follow(id, price, turn);
  }

  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

  function download(text, name) {
    const link = element("a", `Download ${name}`);
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    return link;
  }

  function tableOf(lines, caption) {
    const table = document.createElement("table");
    table.className = "text-1";
    table.append(element("caption", caption));
    lines.forEach((line, index) => {
      const row = (index ? table.tBodies[0] || table.createTBody() : table.createTHead()).insertRow();
      line.split(",").forEach((cell) => row.append(element(index ? "td" : "th", cell)));
    });
    const scroll = element("div", "", "scroll");
    scroll.append(table);
    return scroll;
  }

  async function askAll(event) {
    event.preventDefault();
    const fault = document.getElementById("batch-fault");
    const place = document.getElementById("batch-answer");
    const [file] = document.getElementById("file").files;
    fault.textContent = file ? "" : "Choose a file first.";
    place.replaceChildren();
    if (!file) return;
    let reply;
    try {
      reply = await fetch(predictions, { method: "POST", headers: { "Content-Type": "text/csv", Accept: "text/csv" }, body: file });
    } catch { fault.textContent = "The API cannot be reached, or the file has changed."; return; }
    if (!reply.ok) { fault.textContent = listed(await problemOf(reply)); return; }
    const text = await reply.text();
    const lines = text.trim().split("\r\n");
    const link = download(text, file.name.replace(/(\.csv)?$/i, "-prices.csv"));
    const line = element("p", `${(lines.length - 1).toLocaleString("en-US")} prices from ${reply.headers.get("X-Umbra-Model")}. `);
    line.append(link);
    place.append(line, tableOf(lines.slice(0, 6), "The first of them"));
  }

  function listed(problem) {
    const some = (problem.errors || []).slice(0, 5).map((fault) =>
      `${fault.row === null ? "" : `row ${fault.row + 1}, `}${fault.field || "the file"}: expected ${fault.expected}, got ${fault.got}`);
    const more = (problem.errors || []).length - some.length;
    return [problem.detail || problem.title, ...some, ...(more > 0 ? [`and ${more} more`] : [])].join(" · ");
  }

  house.addEventListener("submit", ask);
  document.getElementById("example").addEventListener("click", () => fill(example));
  document.getElementById("batch").addEventListener("submit", askAll);
  document.getElementById("sample").addEventListener("click", () => {
    const cells = names.map((name) => quoted(String(example[name] ?? "")));
    download(`${names.join(",")}\r\n${cells.join(",")}\r\n`, "houses.csv").click();
  });
})();
