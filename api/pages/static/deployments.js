"use strict";
/* Promote and roll back over the routes for them. The token is sent once and kept nowhere. */
(() => {
  const { live, candidates } = JSON.parse(document.getElementById("decide-data").textContent);
  const dialog = document.getElementById("confirm");
  const states = new Map(candidates.map(({ model, state }) => [model, state]));

  function question(path, given) {
    if (path.endsWith("/rollback")) {
      return [`Roll back${given.to ? ` to ${given.to}` : ""}?`, `${live} stops answering. No verdict is asked. Reason: ${given.reason}`];
    }
    const state = states.get(given.candidate) || "not judged yet";
    const spite = given.override ? " It is promoted in spite of that, and recorded as such." : "";
    return [`Make ${given.candidate} live?`, `It replaces ${live} in every API process. Its verdict: ${state}.${spite} Reason: ${given.reason}`];
  }

  const confirmed = (path, given) => new Promise((resolve) => {
    const [title, text] = question(path, given);
    document.getElementById("confirm-title").textContent = title;
    document.getElementById("confirm-text").textContent = text;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });

  function tell(form, name, text) {
    const place = form.querySelector(`[data-fault="${CSS.escape(name)}"]`) || form.querySelector('[data-fault=""]');
    place.textContent = [place.textContent, text].filter(Boolean).join(" ");
    const input = form.elements.namedItem(name);
    if (input) input.setAttribute("aria-invalid", "true");
  }

  function forgive(form) {
    form.querySelectorAll(".fault").forEach((place) => { place.textContent = ""; });
    form.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
  }

  function read(form) {
    const fields = Object.fromEntries(new FormData(form));
    const { token = "", actor = "", ...rest } = fields;
    const given = Object.fromEntries(Object.entries(rest).filter(([, text]) => text !== ""));
    if (form.elements.override) given.override = form.elements.override.checked;
    return { token: token.trim(), actor: actor.trim(), given };
  }

  async function send(form, { token, actor, given }) {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
    if (actor) headers["X-Umbra-Actor"] = actor;
    return fetch(form.dataset.path, { method: "POST", headers, body: JSON.stringify(given) });
  }

  async function refused(form, reply) {
    let problem;
    try { problem = await reply.json(); } catch { problem = { title: `The answer had status ${reply.status}.` }; }
    if (reply.status === 401 || reply.status === 403) { tell(form, "token", problem.title); return; }
    (problem.errors || []).forEach((fault) => tell(form, fault.field || "", `expected ${fault.expected}; got ${fault.got}`));
    const reasons = problem.verdict ? ` Verdict: ${problem.verdict.state}. ${problem.verdict.reasons.join("; ")}` : "";
    tell(form, "", `${problem.title}: ${problem.detail || ""}${reasons}`);
  }

  async function decide(event) {
    event.preventDefault();
    const form = event.currentTarget;
    forgive(form);
    const asked = read(form);
    if (!asked.given.reason) tell(form, "reason", "Say why, for the records.");
    if (!asked.token) tell(form, "token", "Type in the admin token.");
    if (!asked.given.reason || !asked.token) return;
    if (!(await confirmed(form.dataset.path, asked.given))) return;
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const reply = await send(form, asked);
      if (reply.ok) { location.reload(); return; }
      await refused(form, reply);
    } catch {
      tell(form, "", "The API cannot be reached: look at who is live before you ask again.");
    }
    button.disabled = false;
  }

  document.querySelectorAll("form.decision").forEach((form) => form.addEventListener("submit", decide));
})();
