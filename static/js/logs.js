// The log page: a brush on the histogram, new records as they come, and progress of an export.
"use strict";

// data-brush: drag over the chart to choose a time; a click on one bar is a link and needs none of this.
document.addEventListener("pointerdown", (event) => {
  const chart = event.target.closest("[data-brush] svg.ch");
  if (!chart || event.button !== 0) return;
  const box = chart.getBoundingClientRect();
  const scale = box.width / chart.viewBox.baseVal.width;
  const [left, right] = [box.left + 38 * scale, box.right]; // the axis takes 38 units
  const at = (x) => Math.min(1, Math.max(0, (x - left) / (right - left)));
  const began = at(event.clientX);
  const shade = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  shade.setAttribute("class", "brush");
  shade.setAttribute("y", "8");
  shade.setAttribute("height", String(chart.viewBox.baseVal.height - 30));
  event.preventDefault();

  const draw = (move) => {
    const [low, high] = [began, at(move.clientX)].sort((a, b) => a - b);
    if (!shade.isConnected && (high - low) * (right - left) > 4) chart.append(shade);
    const width = chart.viewBox.baseVal.width - 38;
    shade.setAttribute("x", String(38 + low * width));
    shade.setAttribute("width", String((high - low) * width));
  };
  const finish = (up) => {
    removeEventListener("pointermove", draw);
    if (!shade.isConnected) return;
    addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
    const { brush, since, until } = chart.closest("[data-brush]").dataset;
    const [low, high] = [began, at(up.clientX)].sort((a, b) => a - b);
    const when = (share) => new Date((Number(since) + share * (until - since)) * 1000).toISOString().slice(0, 19) + "Z";
    location.assign(`${brush}&since=${when(low)}&until=${when(high)}`.replace("?&", "?"));
  };
  addEventListener("pointermove", draw);
  addEventListener("pointerup", finish, { once: true });
});

// data-tail: new records at the top, as long as nobody scrolls or reads one.
let tail = null;
let waiting = [];

function stopTail() {
  tail?.close();
  tail = null;
  waiting = [];
  document.querySelector(".tail-note")?.remove();
  for (const button of document.querySelectorAll("[data-tail]")) show(button, false);
}

function show(button, live) {
  button.hidden = false;
  button.setAttribute("aria-pressed", String(live));
  button.firstElementChild.className = live ? "dot t-ok livedot" : "dot t-mute";
}

const isRead = () => scrollY > 120 || document.querySelector("#rows tr.open") !== null;

function put(rows) {
  const body = document.getElementById("rows");
  if (!body) return location.reload(); // there was no table: now there is something to show
  for (const row of [...rows].reverse()) {
    if (document.getElementById(row.id)) continue;
    body.prepend(row);
    htmx.process(row);
  }
  while (body.children.length > 500) body.lastElementChild.remove();
}

function note() {
  let button = document.querySelector(".tail-note");
  if (!waiting.length) return button?.remove();
  if (!button) {
    button = Object.assign(document.createElement("button"), { type: "button", className: "btn btn-primary tail-note" });
    button.addEventListener("click", () => { scrollTo({ top: 0 }); put(waiting.splice(0)); note(); });
    document.querySelector("#results").prepend(button);
  }
  button.textContent = `${waiting.length} new`;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-tail]");
  if (!button) return;
  if (tail) return stopTail();
  const first = document.querySelector("#rows tr[id^='r-']")?.id.slice(2);
  tail = new EventSource(button.dataset.tail + (first ? `&after=${first}` : ""));
  show(button, true);
  tail.addEventListener("message", (message) => {
    const holder = document.createElement("template");
    holder.innerHTML = `<table><tbody>${message.data}</tbody></table>`;
    const rows = [...holder.content.querySelectorAll("tr")];
    if (isRead()) waiting.unshift(...rows);
    else put([...rows, ...waiting.splice(0)]);
    note();
  });
});
addEventListener("scroll", () => { if (tail && waiting.length && !isRead()) { put(waiting.splice(0)); note(); } }, { passive: true });
document.addEventListener("htmx:after:swap", () => { for (const b of document.querySelectorAll("[data-tail]")) if (b.hidden) show(b, false); });
document.addEventListener("htmx:before:request", (event) => { if (tail && event.target.id === "filters") stopTail(); });
for (const button of document.querySelectorAll("[data-tail]")) show(button, false);

// data-export: say how far it is; the rows come as a stream.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-export]");
  if (!link) return;
  event.preventDefault();
  const words = link.textContent;
  const answer = await fetch(link.href);
  if (!answer.ok) return location.assign(link.href);
  const parts = [];
  let rows = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    for (const byte of value) rows += byte === 10;
    link.textContent = `${rows.toLocaleString("en")} rows`;
  }
  link.textContent = words;
  const file = URL.createObjectURL(new Blob(parts, { type: answer.headers.get("Content-Type") }));
  Object.assign(document.createElement("a"), { href: file, download: link.dataset.export }).click();
  URL.revokeObjectURL(file);
});
