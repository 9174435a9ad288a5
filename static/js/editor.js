// data-editor="<where to check>": a form's textarea becomes an editor. Without JavaScript it stays a textarea.
"use strict";

ace.config.set("useStrictCSP", true); // its style sheet is a file of ours
ace.config.set("basePath", "/static/vendor/ace");
ace.config.set("loadWorkerFromBlob", false);
ace.define("ace/theme/gatewright", ["require", "exports", "module"], (require, exports) => {
  Object.assign(exports, { isDark: false, cssClass: "ace-gatewright", cssText: "" }); // colours: design.css, both themes
});

for (const form of document.querySelectorAll("form[data-editor]")) begin(form);
for (const fold of document.querySelectorAll("details.parts")) fold.open = matchMedia("(min-width: 64rem)").matches;

function begin(form) {
  const textarea = form.querySelector("textarea");
  const editor = open(form, textarea);
  const kept = recall();
  if (kept) editor.session.setScrollTop(kept.top);
  editor.gotoLine(kept ? kept.row + 1 : Number(form.dataset.line ?? 1), kept?.column ?? 0, false);
  document.querySelector("[data-excerpt]")?.remove(); // it is where the editor begins
  let saved = "unsaved" in form.dataset ? null : editor.getValue();
  const isSaved = () => editor.getValue() === saved;
  const check = checker(form, editor, isSaved);
  editor.session.on("change", () => check.soon());
  form.addEventListener("submit", () => {
    textarea.value = saved = editor.getValue();
    remember(editor);
  });
  addEventListener("beforeunload", (event) => {
    if (!isSaved()) event.preventDefault();
  });
  leaving(editor);
  saving(form, editor);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    editor.gotoLine(Number(link.dataset.line), 0, false);
    editor.focus();
  });
  check.now();
}

function open(form, textarea) {
  const place = document.createElement("div");
  place.className = "ace-place";
  textarea.before(place);
  textarea.hidden = true;
  const editor = ace.edit(place, {
    mode: `ace/mode/${form.dataset.kind}`,
    theme: "ace/theme/gatewright",
    value: textarea.value,
    useWorker: false, // the server checks
    showPrintMargin: false,
    fontSize: 13,
    fontFamily: "JetBrains Mono, ui-monospace, monospace",
    scrollPastEnd: 0.25,
    tabSize: indentation(textarea.value).length || 2,
    useSoftTabs: !indentation(textarea.value).startsWith("\t"),
  });
  editor.session.getUndoManager().reset();
  const input = editor.textInput.getElement();
  input.setAttribute("aria-label", `Document, ${form.dataset.kind.toUpperCase()}`);
  input.setAttribute("aria-describedby", "keys");
  input.id = "editor-input";
  form.querySelector("label[for=text]").htmlFor = input.id;
  form.querySelector("[data-keys]").hidden = false;
  form.querySelector("[data-check]").hidden = true;
  return editor;
}

function indentation(text) {
  const found = text.match(/^(\t| {2,8})\S/m);
  return found ? found[1] : "";
}

// Esc, then Tab, goes on to the next control: nobody is held in here.
function leaving(editor) {
  let may = false;
  editor.container.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && may) event.stopPropagation(); // the browser moves the focus
    else if (event.key !== "Shift") may = event.key === "Escape";
  }, true);
}

function saving(form, editor) {
  const save = () => form.requestSubmit(form.querySelector("[data-save]"));
  editor.commands.addCommand({ name: "save", bindKey: { win: "Ctrl-S", mac: "Command-S" }, exec: save });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
    event.preventDefault();
    save();
  });
}

// What is wrong and what is in it, from the server: after a pause, and of a large document after a longer one.
function checker(form, editor, isSaved) {
  let timer, underway, took = 0;
  const state = form.querySelector("[data-state]");
  const say = (count) => {
    const found = count === 0 ? "No problems" : count === 1 ? "1 problem" : `${count} problems`;
    state.textContent = isSaved() ? found : `${found} · not saved`;
  };
  async function now() {
    underway?.abort();
    underway = new AbortController();
    const body = new URLSearchParams({ text: editor.getValue() });
    const began = performance.now();
    try {
      const answer = await fetch(form.dataset.editor, { method: "POST", body, headers: { Accept: "application/json" }, signal: underway.signal });
      if (!answer.ok || answer.redirected) throw new Error("not checked");
      const { problems, more, outline } = await answer.json();
      took = performance.now() - began;
      mark(editor, problems);
      list(form.querySelector("[data-problems]"), problems);
      if (outline.length) draw(document.querySelector("[data-outline]"), outline);
      say(problems.length + more);
    } catch (error) {
      if (error.name !== "AbortError") state.textContent = "Could not be checked. Save tries again.";
    }
  }
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(now, Math.max(300, Math.min(took, 3000)));
  };
  return { now, soon };
}

let marked = [];

function mark(editor, problems) {
  const Range = ace.require("ace/range").Range;
  for (const id of marked) editor.session.removeMarker(id);
  marked = problems.map((p) => editor.session.addMarker(new Range(p.line - 1, 0, p.line - 1, 1), "problem-line", "fullLine"));
  editor.session.setAnnotations(problems.map((p) => ({ row: p.line - 1, column: p.column - 1, text: p.message, type: p.severity === "hint" ? "info" : p.severity })));
}

function list(place, problems) {
  place.replaceChildren(...problems.map((p) => {
    const link = jump(p.line, [text("mono", `Line ${p.line}`), text("", p.message)]);
    link.className = `problem t-${p.severity === "error" ? "bad" : "warn"}`;
    return within("li", link);
  }));
  place.hidden = problems.length === 0;
}

// What has no list of its own comes first, then a list for each kind of part.
function draw(place, outline) {
  const alone = ["info", "servers", "tags"];
  const first = outline.filter((e) => alone.includes(e.kind)).map((e) => entry(e.line, e.kind === "info" ? "Info" : e.name));
  const lists = outline.filter((e) => !alone.includes(e.kind)).flatMap((e) => {
    const name = e.kind === "paths" && e.name === "Paths" ? "Operations" : e.name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`).trim();
    const head = Object.assign(document.createElement("p"), { className: "eyebrow", textContent: name[0].toUpperCase() + name.slice(1) });
    return [head, nav(e.inside.flatMap(listed))];
  });
  place.replaceChildren(nav(first), ...lists);
}

function listed(e) {
  if (e.kind !== "path" || !e.inside.length) return [entry(e.line, e.name)];
  return e.inside.map((o) => entry(o.line, e.name, o.name));
}

function entry(line, name, method = "") {
  return within("li", jump(line, method ? [text("meth", method), text("", name)] : [text("", name)]));
}

function nav(entries) {
  return Object.assign(within("ul", ...entries), { className: "nav" });
}

function jump(line, words) {
  const link = within("a", ...words);
  link.href = `#L${line}`;
  link.dataset.line = line;
  return link;
}

function text(name, words) {
  return Object.assign(document.createElement("span"), { className: name, textContent: words });
}

function within(name, ...inner) {
  const element = document.createElement(name);
  element.append(...inner);
  return element;
}

// Saving loads the page again; the place in the text stays.
function remember(editor) {
  const at = { ...editor.getCursorPosition(), top: editor.session.getScrollTop() };
  sessionStorage.setItem(`editor ${location.pathname}`, JSON.stringify(at));
}

function recall() {
  const kept = sessionStorage.getItem(`editor ${location.pathname}`);
  sessionStorage.removeItem(`editor ${location.pathname}`);
  return kept && JSON.parse(kept);
}
