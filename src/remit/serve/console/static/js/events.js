// A live page hears of what happens by one event stream, asks for its own JSON and puts new values into the cells that
// have changed. Nothing moves: what is new is said in one sentence with a link.
"use strict";
(() => {
  const table = document.querySelector("[data-events]");
  const seal = document.getElementById("live");
  const fresh = document.getElementById("fresh");
  if (!table || !seal) return;
  const at = document.getElementById("at"); // until when what is shown was so, by the server's clock
  const AHEAD = Number(document.documentElement.dataset.now) / 1000 - Date.now(); // of this machine's clock
  const SOON_MS = 400;
  const SLOW_MS = 5000;
  let last = "";
  let timer = 0;
  let asking = false;
  let again = false;
  let wait = 1000;

  function say(kind, text) {
    const whole = `st ${kind}`;
    if (seal.className !== whole) seal.className = whole;
    if (seal.textContent !== text) seal.textContent = text;
  }

  function soon(ms) {
    if (timer) return;
    timer = setTimeout(() => { timer = 0; look(); }, ms);
  }

  async function look() {
    if (document.hidden) return;
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(seal.dataset.here, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) {
        show(await answer.json());
        at.textContent = new Date(Date.now() + AHEAD).toISOString().slice(11, 19);
      }
    } catch { say("retrying", "Connection lost, trying again. Shown as of"); }
    asking = false;
    if (again) { again = false; soon(SOON_MS); }
  }

  function show(view) {
    const rows = new Map();
    const gather = (each) => { if (each && each.id) rows.set(each.id, each); };
    for (const list of [view.rows, view.steps, view.facts, view.running, view.waiting]) (list || []).forEach(gather);
    for (const element of document.querySelectorAll("[data-cell]")) {
      const cut = element.dataset.cell.lastIndexOf(".");
      const cell = rows.get(element.dataset.cell.slice(0, cut))?.[element.dataset.cell.slice(cut + 1)];
      if (!cell || typeof cell.text !== "string") continue;
      const kind = cell.kind ? `st ${cell.kind}` : "";
      if (element.textContent === cell.text && (!kind || element.classList.contains(cell.kind))) continue;
      element.textContent = cell.text;
      element.className = kind;
      const place = element.closest("td, dd") || element;
      place.classList.remove("changed");
      void place.offsetWidth;
      place.classList.add("changed");
    }
    const there = new Set([...document.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
    if (there.size || table.hasAttribute("data-first")) tell(view, there);
  }

  function tell(view, there) {
    const ids = (view.rows || []).map((row) => row.id);
    for (const row of document.querySelectorAll("[data-row]")) row.classList.toggle("d", !ids.includes(row.dataset.row));
    const many = ids.filter((id) => !there.has(id)).length;
    if (!fresh || !many || !table.hasAttribute("data-first")) return;
    const link = document.createElement("a");
    link.href = seal.dataset.here;
    link.textContent = many === 1 ? "1 new. Show it" : `${many} new. Show them`;
    fresh.replaceChildren(link);
    fresh.hidden = false;
  }

  function listen() {
    const resume = last ? `&after=${last}` : "";
    const source = new EventSource(`/api/v1/events?${table.dataset.events}${resume}`);
    const number = (event) => { if (event.lastEventId) last = event.lastEventId; };
    source.addEventListener("ready", (event) => { number(event); wait = 1000; say("running", "Live"); soon(SOON_MS); });
    source.addEventListener("entry", (event) => { number(event); soon(SOON_MS); });
    source.addEventListener("state", () => soon(SOON_MS));
    for (const over of ["dropped", "end", "reset"]) source.addEventListener(over, () => { source.close(); later(); });
    source.addEventListener("gone", () => { source.close(); say("denied", "You may not watch this any more. Shown as of"); });
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) later();
      else say("retrying", "Connection lost, trying again. Shown as of"); // the browser does; "ready" says that it has succeeded
    };
  }

  function later() {
    say("retrying", `Connection lost, trying again in ${Math.round(wait / 1000)} s. Shown as of`);
    setTimeout(listen, wait);
    wait = Math.min(wait * 2, 60000);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(0); });
  setInterval(() => { if (!document.hidden && table.querySelector(".retrying, .running")) soon(0); }, SLOW_MS);
  listen();
})();
