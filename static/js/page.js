// Behaviours that a page asks for by data- attributes. Everything works without them.
"use strict";

// data-copy="#id": put the text of that element on the clipboard, and say so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    toast("Copied.");
  } catch {
    getSelection().selectAllChildren(source);
    toast("Selected. Press Ctrl C to copy.");
  }
});

function toast(text) {
  const note = document.createElement("div");
  note.className = "toast t-ok";
  note.append(Object.assign(document.createElement("p"), { textContent: text }));
  document.getElementById("toasts")?.append(note);
  setTimeout(() => note.remove(), 3000);
}

// On phones the tabs of a page are wider than the window: the one that is open comes into sight.
for (const tab of document.querySelectorAll(".tabline > [aria-current]")) {
  const line = tab.parentElement;
  line.scrollLeft = tab.offsetLeft - line.offsetLeft - (line.clientWidth - tab.offsetWidth) / 2;
}

// One menu at a time, closed by Esc and by a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// data-open: a log row that is open already is closed by the second click instead of asked for again.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (!link || event.ctrlKey || event.metaKey) return;
  const row = link.closest("tr");
  const below = row.nextElementSibling;
  const shown = below?.classList.contains("detail");
  if (!shown && !row.classList.contains("open")) {
    row.classList.add("open");
    link.setAttribute("aria-expanded", "true");
    return;
  }
  event.preventDefault(); // shown: close it; on its way: one request is enough
  event.stopImmediatePropagation();
  if (!shown) return;
  below.remove();
  row.classList.remove("open");
  link.setAttribute("aria-expanded", "false");
}, true);

// One that could not be fetched may be asked for again.
document.addEventListener("htmx:error", (event) => {
  const link = event.target.closest?.("a[data-open]");
  if (!link) return;
  link.closest("tr").classList.remove("open");
  link.setAttribute("aria-expanded", "false");
});

// Filters that say nothing stay out of the address.
document.addEventListener("htmx:config:request", (event) => {
  const { method, body } = event.detail.ctx.request;
  if (method.toUpperCase() !== "GET" || !(body instanceof FormData)) return;
  for (const [name, value] of [...body]) if (value === "") body.delete(name);
});

// A form that is on its way is not sent again by an impatient second click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.dataset.sent) {
    if (form.dataset.sent) event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 4000);
});

// Pages show times in the zone of whoever reads them; the server asks for it here.
document.cookie = `tz=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;

// data-key="a": that key presses the button, while nobody is writing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});
