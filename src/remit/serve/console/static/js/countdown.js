// Time left, counted down by the server's clock: each second below an hour, each minute above. Announced at 10, 5 and
// 1 minutes. Without this script the page says until when, which stays true.
"use strict";
(() => {
  const SPACE = "\u00a0";
  const AHEAD = Number(document.documentElement.dataset.now) / 1000 - Date.now(); // of this machine's clock
  const SAID = [10, 5, 1];
  const said = new Map();

  const two = (number) => String(number).padStart(2, "0");

  function told(seconds) {
    if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)}${SPACE}h${SPACE}${two(Math.floor((seconds % 3600) / 60))}${SPACE}min`;
    return `${Math.floor(seconds / 86400)}${SPACE}d${SPACE}${Math.floor((seconds % 86400) / 3600)}${SPACE}h`;
  }

  function announce(element, seconds) {
    if (!("announce" in element.dataset)) return;
    const before = said.get(element) ?? seconds;
    const passed = SAID.find((minutes) => before > minutes * 60 && seconds <= minutes * 60);
    said.set(element, seconds);
    if (passed) document.getElementById("announce").textContent = `${passed} minute${passed === 1 ? "" : "s"} left to decide.`;
    if (before > 0 && seconds <= 0) document.getElementById("announce").textContent = "The time to decide is over.";
  }

  function tick() {
    const now = Date.now() + AHEAD;
    for (const element of document.querySelectorAll("time[data-deadline]")) {
      const seconds = Math.max(0, Math.floor((Number(element.dataset.deadline) / 1000 - now) / 1000));
      const text = told(seconds);
      if (element.textContent !== text) {
        element.textContent = text;
        element.setAttribute("datetime", `PT${seconds}S`);
      }
      announce(element, seconds);
      if (seconds === 0 && !element.dataset.over) {
        element.dataset.over = "true";
        document.dispatchEvent(new CustomEvent("remit:over"));
      }
    }
  }

  tick();
  setInterval(tick, 1000);
})();
