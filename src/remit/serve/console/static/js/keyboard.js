// Single keys: extra ways to what Tab, Enter and Escape reach as well. Off inside fields, and by data-keys="off".
// No key sends anything but Ctrl+Enter, which sends the form that has the focus.
"use strict";
(() => {
  const PLACES = { h: "/", a: "/approvals", m: "/missions", q: "/queue", t: "/agents", s: "/spend", u: "/audit" };
  const CHORD_MS = 1200;
  let chord = 0;

  const field = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const rows = () => [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a"));
  const at = (selector) => document.querySelector(selector);

  function step(by) {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.hasAttribute("aria-current"));
    const next = all[Math.max(0, Math.min(all.length - 1, now + by))] ?? all[0];
    all.forEach((row) => row.removeAttribute("aria-current"));
    next.setAttribute("aria-current", "true");
    next.querySelector("a").focus();
  }

  function fold() {
    const inside = document.activeElement.closest("details") ?? at("main details");
    if (inside) inside.open = !inside.open;
  }

  function focus(element) {
    if (!element) return false;
    element.focus();
    element.scrollIntoView({ block: "nearest" });
    return true;
  }

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    e: fold,
    "[": () => at("a[rel=prev]")?.click(),
    "]": () => at("a[rel=next]")?.click(),
    a: () => focus(at("[data-go=approve]")),
    d: () => focus(at("[data-go=deny]")),
    v: () => focus(at("[data-go=verify]")),
    "!": () => focus(at("[data-go=stop]")),
    "/": () => focus(at("[data-go=search]")),
    "?": () => at("#keys")?.togglePopover(),
    g: () => { chord = Date.now(); },
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      const form = document.activeElement.closest("form[method=post]");
      if (!form) return;
      event.preventDefault();
      const button = document.activeElement.closest("button") ?? form.querySelector("button.go, button");
      form.requestSubmit(button);
      return;
    }
    if (event.key === "Escape" && field(document.activeElement)) { document.activeElement.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || field(event.target)) return;
    if (document.documentElement.dataset.keys === "off") return;
    if (chord && Date.now() - chord < CHORD_MS && event.key in PLACES) {
      chord = 0;
      event.preventDefault();
      location.assign(PLACES[event.key]);
      return;
    }
    const does = KEYS[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
})();
