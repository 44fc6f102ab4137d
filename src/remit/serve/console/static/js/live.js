// A live page asks, while it is looked at, whether what it shows has changed: when an event says that it may have, and
// now and then. The server answers with nothing, or with a sentence and a link. Nothing on the page moves by itself, and
// over the stream comes no markup. The seal says how fresh the page is.
"use strict";
(() => {
  const SOON_MS = 400; // after an event: several often come together
  const WATCHED_MS = 60000; // between looks while the stream is open
  const ALONE_MS = 10000; // and while it is not
  const SLOWEST_MS = 60000;
  const seal = document.getElementById("live");
  const asking = document.getElementById("changes");
  const stream = document.getElementById("stream");
  if (!seal || !asking) return;
  const at = document.getElementById("at"); // until when what is shown was so, by the server's clock
  const AHEAD = Number(document.documentElement.dataset.now) / 1000 - Date.now(); // of this machine's clock
  let watched = false;
  let wait = ALONE_MS;
  let due = 0;
  let timer = 0;
  let done = false;

  function say(kind, text) {
    const whole = `st ${kind}`;
    if (seal.className !== whole) seal.className = whole;
    if (seal.textContent !== text) seal.textContent = text;
  }

  function again(ms) {
    const at = Date.now() + ms;
    if (timer && due <= at) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(look, ms);
  }

  function look() {
    timer = 0;
    if (!document.hidden && !done) htmx.trigger(asking, "remit:look");
  }

  function lost() {
    wait = Math.min(SLOWEST_MS, wait * 2);
    say("retrying", `Connection lost, trying again in ${Math.round(wait / 1000)} s. Shown as of`);
    again(wait);
  }

  asking.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response?.status ?? 0;
    if (status === 204) {
      wait = ALONE_MS;
      say("running", "Live");
      at.textContent = new Date(Date.now() + AHEAD).toISOString().slice(11, 19);
      again(watched ? WATCHED_MS : ALONE_MS);
    } else if (status === 200) {
      done = true;
      say("waiting", "Changed since");
    } else {
      lost();
    }
  });
  asking.addEventListener("htmx:error", lost);

  // A page that gives way takes its form with it: what somebody wrote there stays, in the notice that says why.
  let wrote = "";
  let inside = false;
  document.addEventListener("htmx:before:swap", () => {
    if (document.getElementById("gone")) return; // two looks were under way
    const fields = [...document.querySelectorAll("main textarea")].filter((each) => each.value !== each.defaultValue);
    wrote = fields.map((each) => each.value.trim()).filter(Boolean).join("\n\n");
    inside = document.activeElement.closest("main") !== null;
  });
  document.addEventListener("htmx:after:swap", () => {
    const kept = document.getElementById("kept");
    if (!kept) return;
    kept.hidden = !wrote;
    kept.querySelector("pre").textContent = wrote;
    if (inside) document.getElementById("gone").focus();
  });

  stream?.addEventListener("ready", () => { watched = true; seal.dataset.live = "watched"; again(SOON_MS); });
  stream?.addEventListener("entry", () => again(SOON_MS));
  stream?.addEventListener("reset", () => again(SOON_MS));
  for (const name of ["htmx:sse:error", "htmx:sse:close", "dropped", "gone", "end"]) {
    stream?.addEventListener(name, () => { watched = false; seal.dataset.live = "on"; again(ALONE_MS); });
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) again(0); });
  document.addEventListener("remit:over", () => again(1500));
  say("running", "Live");
  again(ALONE_MS);
})();
