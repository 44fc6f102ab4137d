// A live page asks, while it is looked at, whether what it shows has changed; the server answers with nothing, or with a
// sentence and a link. Nothing on the page moves by itself. The seal says how fresh the page is.
"use strict";
(() => {
  const EVERY_MS = 10000;
  const SLOWEST_MS = 60000;
  const seal = document.getElementById("live");
  const asking = document.getElementById("changes");
  if (!seal || !asking) return;
  let wait = EVERY_MS;
  let timer = 0;
  let shown = Number(document.documentElement.dataset.now) / 1000;

  const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

  function say(kind, text) {
    const whole = `st ${kind}`;
    if (seal.className !== whole) seal.className = whole;
    if (seal.textContent !== text) seal.textContent = text;
  }

  function again(ms) {
    clearTimeout(timer);
    timer = setTimeout(look, ms);
  }

  function look() {
    if (document.hidden) return;
    htmx.trigger(asking, "remit:look");
  }

  asking.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response?.status ?? 0;
    if (status === 204) {
      wait = EVERY_MS;
      say("running", "Live");
      again(wait);
    } else if (status === 200) {
      say("waiting", `Changed since ${clock(shown)} UTC`);
    } else {
      lost();
    }
  });
  asking.addEventListener("htmx:error", lost);

  function lost() {
    wait = Math.min(SLOWEST_MS, wait * 2);
    say("retrying", `Connection lost, trying again in ${Math.round(wait / 1000)} s. Shown as of ${clock(shown)} UTC`);
    again(wait);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  document.addEventListener("remit:over", () => again(1500));
  document.addEventListener("remit:event", () => again(200));
  say("running", "Live");
  again(EVERY_MS);
})();
