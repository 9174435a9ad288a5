// data-more: another empty row at once. Without JavaScript the server sends the page with one more.
"use strict";

for (const fold of document.querySelectorAll("details.parts")) fold.open = matchMedia("(min-width: 64rem)").matches;

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-more]");
  const rows = group(button);
  const last = rows?.querySelector("[data-row]:last-child");
  if (!last) return;
  event.preventDefault();
  const row = last.cloneNode(true);
  const number = rows.children.length;
  for (const element of row.querySelectorAll("[id], [name], [for]")) {
    for (const name of ["id", "name", "for"]) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.replace(/-\d+-/, `-${number}-`));
    }
    if (element.matches("input:not([type=checkbox], [list=types])")) element.value = "";
    if (element.type === "checkbox") element.checked = false;
    if (element.matches("textarea")) element.value = "";
  }
  rows.append(row);
  row.querySelector("input:not([type=hidden])").focus();
});

function group(button) {
  let before = button?.closest("div");
  while (before && !before.matches("[role=group]")) before = before.previousElementSibling;
  return before;
}
