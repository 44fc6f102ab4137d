// Says what would stop, and names it on the button, as soon as another thing is chosen. Without this script the page
// tells it of what its address names, and of everything in the table below.
"use strict";
(() => {
  const target = document.getElementById("target");
  const button = document.getElementById("do-stop");
  if (!target || !button) return;
  const reaches = [...document.querySelectorAll("[data-reach]")];

  function tell() {
    for (const each of reaches) each.hidden = each.dataset.reach !== target.value;
    const pause = document.querySelector("input[name=mode][value=pause]").checked;
    const what = target.value ? target.selectedOptions[0].dataset.what : "what is chosen";
    button.textContent = `${pause ? "Pause" : "Stop"} ${what}`;
  }

  target.form.addEventListener("change", tell);
  tell();
})();
