// A link's token stands behind # in its address, where no server sees it: it is put into the form, and out of the address.
"use strict";
(() => {
  const field = document.querySelector("input[data-fragment]");
  const token = location.hash.slice(1);
  if (!field || !/^[A-Za-z0-9_-]{20,256}$/.test(token)) return;
  field.value = token;
  history.replaceState(null, "", location.pathname);
  (document.getElementById("user") ?? document.getElementById("password"))?.focus();
})();
