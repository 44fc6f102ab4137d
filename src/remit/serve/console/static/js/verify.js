// Recomputes an entry's proof in this browser, trusting the server with nothing but the bytes: the leaf, the path to the
// root (RFC 9162, 2.1.3.2), the checkpoint's signature (Ed25519), and that the log only grew since this browser saw it
// last (RFC 9162, 2.1.4.2). The key and the head seen first are kept here; a change of either is said.
"use strict";
(() => {
  const place = document.getElementById("browser");
  const steps = document.getElementById("steps");
  if (!place || !steps) return;
  const button = place.querySelector("[data-do=verify]");
  const KEPT = "remit-log";

  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const base64 = (data) => btoa(String.fromCharCode(...data));
  const hex = (data) => [...data].map((one) => one.toString(16).padStart(2, "0")).join("");
  const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);
  const join = (...parts) => {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  };
  const hash = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
  const node = (left, right) => hash(Uint8Array.of(1), left, right);
  const half = (number) => Math.floor(number / 2);  // numbers may pass 32 bits

  function step(kind, word, what, told) {
    const item = document.createElement("li");
    const mark = document.createElement("span");
    mark.className = `st icon ${kind}`;
    mark.textContent = word;
    const text = document.createElement("span");
    const name = document.createElement("b");
    name.className = "v";
    name.textContent = what;
    const more = document.createElement("p");
    more.textContent = told;
    text.append(name, more);
    item.append(document.createElement("span"), mark, text);
    item.dataset.step = kind;
    steps.append(item);
  }
  const good = (what, told) => step("done", "holds", what, told);
  const bad = (what, told) => step("failed", "does not hold", what, told);

  async function rootOf(leaf, index, size, path) {
    let at = index, last = size - 1, total = leaf;
    if (!(index >= 0 && index < size)) throw new Error(`entry ${index} is not in a log of ${size}`);
    for (const sibling of path) {
      if (last === 0) throw new Error("the proof has surplus hashes");
      if (at % 2 === 1 || at === last) {
        total = await node(sibling, total);
        while (at % 2 === 0 && at !== 0) { at = half(at); last = half(last); }
      } else {
        total = await node(total, sibling);
      }
      at = half(at); last = half(last);
    }
    if (last !== 0) throw new Error("the proof is too short");
    return total;
  }

  async function grew(oldSize, newSize, path, oldRoot, newRoot) {
    if (oldSize === newSize) return path.length === 0 && same(oldRoot, newRoot);
    const power = Number.isInteger(Math.log2(oldSize));
    const parts = power ? [oldRoot, ...path] : [...path];
    if (!parts.length) return false;
    let at = oldSize - 1, last = newSize - 1;
    while (at % 2 === 1) { at = half(at); last = half(last); }
    let before = parts[0], after = parts[0];
    for (const sibling of parts.slice(1)) {
      if (last === 0) return false;
      if (at % 2 === 1 || at === last) {
        before = await node(sibling, before);
        after = await node(sibling, after);
        while (at % 2 === 0 && at !== 0) { at = half(at); last = half(last); }
      } else {
        after = await node(after, sibling);
      }
      at = half(at); last = half(last);
    }
    return last === 0 && same(before, oldRoot) && same(after, newRoot);
  }

  function readNote(note) {
    const cut = note.lastIndexOf("\n\n");
    const text = note.slice(0, cut + 1);
    const [origin, size, root] = text.split("\n");
    const signatures = note.slice(cut + 2).split("\n").filter((line) => line.startsWith("\u2014 "))
      .map((line) => line.slice(2).split(" ")).map(([name, mark]) => ({name, mark: bytes(mark)}));
    return {text, origin, size: Number(size), root: bytes(root), signatures};
  }

  async function signedBy(note, vkeys) {
    for (const vkey of vkeys) {
      const [name, id, ...rest] = vkey.split("+");
      const key = bytes(rest.join("+"));
      if (key[0] !== 1 || key.length !== 33) continue;
      const wanted = (await hash(new TextEncoder().encode(`${name}\n`), key)).slice(0, 4);
      if (hex(wanted) !== id) continue;
      for (const one of note.signatures) {
        if (one.name !== name || !same(one.mark.slice(0, 4), wanted)) continue;
        const open = await crypto.subtle.importKey("raw", key.slice(1), {name: "Ed25519"}, false, ["verify"]);
        const message = new TextEncoder().encode(note.text);
        if (await crypto.subtle.verify({name: "Ed25519"}, open, one.mark.slice(4), message)) return vkey;
      }
    }
    return "";
  }

  const kept = () => { try { return JSON.parse(localStorage.getItem(KEPT) || "null"); } catch { return null; } };

  async function ask(since) {
    const query = since ? `?since=${since}` : "";
    const answer = await fetch(`${place.dataset.verify}${query}`, {headers: {Accept: "application/json"}});
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const view = await answer.json();
    if (!view.proof) throw new Error(view.unproved || "the server has no proof");
    return view;
  }

  async function verify() {
    steps.replaceChildren();
    const known = kept();
    const {proof, leaf_hash: shown} = await ask(known?.size);
    const note = readNote(proof.note);
    const leaf = await hash(Uint8Array.of(0), bytes(proof.header));
    const header = JSON.parse(new TextDecoder().decode(bytes(proof.header)));
    if (hex(leaf) !== shown || header.seq !== proof.index) return bad("Leaf", "the header does not hash to the leaf shown");
    good("Leaf", `the header hashes to ${shown.slice(0, 8)}…${shown.slice(-8)}`);
    const root = await rootOf(leaf, proof.index, note.size, proof.path.map(bytes));
    if (!same(root, note.root)) return bad("Inclusion", "the path does not lead to the checkpoint's root");
    good("Inclusion", `entry ${proof.index} is under root ${hex(root).slice(0, 8)}… of ${note.size} entries`);
    let vkey = "";
    try {
      vkey = await signedBy(note, proof.keys);
      if (!vkey) return bad("Signature", "no known key signed this checkpoint");
      good("Signature", `the checkpoint is signed by ${vkey.split("+").slice(0, 2).join("+")}`);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      step("skipped", "not checked", "Signature", "this browser has no Ed25519: remit audit prove checks it");
    }
    if (!known || known.origin !== note.origin) {
      step("queued", "first seen", "Consistency", "this browser has not seen this log before; it keeps this head to hold later ones against");
    } else if (known.size > note.size) {
      return bad("Consistency", `this browser has seen ${known.size} entries; the log has ${note.size}`);
    } else if (!await grew(known.size, note.size, proof.consistency.map(bytes), bytes(known.root), note.root)) {
      return bad("Consistency", `the log does not continue the one of ${known.size} entries that this browser saw`);
    } else {
      good("Consistency", `nothing was changed or removed since this browser saw ${known.size} entries`);
    }
    if (known?.key && vkey && known.key !== vkey) {
      step("warn", "changed", "Key", "another key signs than this browser saw first: see the audit.key entries");
    }
    localStorage.setItem(KEPT, JSON.stringify({
      origin: note.origin, size: note.size, root: base64(note.root), key: known?.key || vkey,
    }));
  }

  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if (!globalThis.crypto?.subtle) throw new Error("this address is not secure: browsers compute over HTTPS or on localhost");
      await verify();
    } catch (error) {
      bad("Not verified", error.message);
    }
    button.disabled = false;
  });
})();
