"use strict";

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Tables: a head's button sorts by its column; numbers with the largest first, text from A; a second time turns it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const now = head.getAttribute("aria-sort");
      const ascending = now === "none" ? !numeric : now === "descending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, "en");
        return ascending ? order : -order;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}

// Samples: data, a form that says what is shown, and a list of it. The form's state stands behind "#samples?".
const { methods, tasks } = JSON.parse(document.getElementById("data").textContent);
const form = document.querySelector(".filter");
const list = document.getElementById("list");
const more = document.getElementById("more");
const found = document.getElementById("found");
const PORTION = 10;
const LONG = 700; // characters of a text that is shown in part at first
const samples = tasks.flatMap((task) => task.samples.map((sample) => ({ ...sample, task })));
for (const sample of samples) {
  sample.context = [sample.prompt, ...sample.references].join("\n").toLowerCase();
  sample.lowered = sample.texts.map((text) => text.toLowerCase());
}
let matches = [];
let shown = 0;

function fillForm() {
  form.elements.task.append(...tasks.map((task) => make("option", { value: task.id, textContent: task.label })));
  if (samples.length && samples[0].scores[0].length) {
    for (const [value, text] of [["high", "Highest reward of"], ["low", "Lowest reward of"]]) {
      const options = methods.map((method) =>
        make("option", { value: `${value}:${method.id}`, textContent: `${text} ${method.label}` }));
      form.elements.order.append(make("optgroup", { label: text }, ...options));
    }
  }
  const boxes = methods.map((method) => {
    const box = make("input", { type: "checkbox", name: "method", value: method.id, checked: true });
    return make("label", {}, box, ` ${method.label}`);
  });
  form.querySelector("fieldset").append(...boxes);
  form.hidden = false;
}

const boxes = () => [...form.querySelectorAll("[name=method]")];
const wanted = () => form.elements.find.value.toLowerCase().split(/\s+/).filter(Boolean);

// Every word must occur in the sample; methods that are switched off are left out of the search too.
function select() {
  const words = wanted();
  const on = boxes().flatMap((box, i) => (box.checked ? [i] : []));
  const task = form.elements.task.value;
  const has = (sample, word) => sample.context.includes(word) || on.some((i) => sample.lowered[i].includes(word));
  matches = samples.filter((s) => (!task || s.task.id === task) && words.every((word) => has(s, word)));
  const [direction, of] = form.elements.order.value.split(":");
  const i = methods.findIndex((method) => method.id === of);
  if (i >= 0) {
    const reward = (sample) => sample.scores[i].at(-1) * (direction === "high" ? -1 : 1);
    matches.sort((a, b) => reward(a) - reward(b));
  }
  list.replaceChildren();
  shown = 0;
  showMore();
}

function showMore() {
  const words = wanted();
  const on = boxes().map((box) => box.checked);
  const portion = matches.slice(shown, shown + PORTION);
  list.append(...portion.map((sample) => article(sample, on, words)));
  shown += portion.length;
  more.hidden = shown === matches.length;
  const total = tasks.reduce((sum, task) => sum + task.total, 0);
  found.textContent = `${matches.length} of ${samples.length} samples match, ${shown} shown; the test splits have ${total}.`;
}

function article(sample, on, words) {
  const title = make("h3", { textContent: `${sample.task.label} · ${sample.id}` });
  const references = sample.references.map((text) => make("div", { className: "reference" }, passage(text, words)));
  const rest = sample.n_references > references.length ? ` (${references.length} of ${sample.n_references})` : "";
  const heading = make("h4", { textContent: `Reference${references.length > 1 ? "s" : ""}${rest}` });
  const cells = methods.flatMap((method, i) => (on[i] ? [cell(sample, i, words)] : []));
  const parts = [title, make("h4", { textContent: "Prompt" }), passage(sample.prompt, words)];
  if (references.length) parts.push(heading, ...references);
  return make("article", { className: "sample" }, ...parts, make("div", { className: "texts" }, ...cells));
}

function cell(sample, i, words) {
  const scores = sample.task.metrics.map((label, k) => `${label} ${sample.scores[i][k].toFixed(3)}`).join(" · ");
  const head = make("h4", { textContent: methods[i].label });
  const element = make("div", {}, head, passage(sample.texts[i], words), make("p", { className: "scores", textContent: scores }));
  element.dataset.method = methods[i].id;
  element.style.borderLeftColor = `var(--m${i})`;
  return element;
}

function passage(text, words) {
  const paragraph = make("p", { className: "text" }, ...marked(text || "(empty)", words));
  if (text.length <= LONG) return paragraph;
  const button = make("button", { type: "button", textContent: "Show all" });
  button.setAttribute("aria-expanded", "false");
  paragraph.classList.add("cut");
  button.addEventListener("click", () => {
    const cut = paragraph.classList.toggle("cut");
    button.textContent = cut ? "Show all" : "Show less";
    button.setAttribute("aria-expanded", String(!cut));
  });
  return make("div", {}, paragraph, button);
}

function marked(text, words) {
  if (!words.length) return [text];
  const pattern = new RegExp(`(${words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
  return text.split(pattern).map((part, i) => (i % 2 ? make("mark", { textContent: part }) : part));
}

function stateOfForm() {
  const off = boxes().filter((box) => !box.checked).map((box) => box.value);
  const entries = { task: form.elements.task.value, find: form.elements.find.value, order: form.elements.order.value, without: off.join(",") };
  const query = new URLSearchParams(Object.entries(entries).filter(([, value]) => value)).toString();
  return `#samples${query && `?${query}`}`;
}

function readState(query) {
  const state = new URLSearchParams(query);
  for (const name of ["task", "find", "order"]) form.elements[name].value = state.get(name) ?? "";
  for (const name of ["task", "order"]) if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
  const off = (state.get("without") ?? "").split(",");
  for (const box of boxes()) box.checked = !off.includes(box.value);
  select();
}

document.documentElement.classList.add("scripted");
fillForm();
form.addEventListener("input", () => {
  select();
  history.replaceState(null, "", stateOfForm());
});
form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => {
  const before = shown;
  showMore();
  const next = list.children[before].querySelector("h3");
  next.tabIndex = -1;
  next.focus({ preventScroll: true });
});

// Pages: the hash says which section is shown, "#id" or "#samples?state"; an id within a section shows that section.
const pages = [...document.querySelectorAll(".page")];
const title = document.title;
let current = null;

function route() {
  const [id, query = ""] = location.hash.slice(1).split("?");
  const target = document.getElementById(id);
  const page = target?.closest(".page") ?? pages[0];
  const first = current === null;
  for (const each of pages) each.hidden = each !== page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${page.id}`) {
      link.setAttribute("aria-current", "page");
      const strip = link.closest("ul");
      strip.scrollLeft = link.offsetLeft - (strip.clientWidth - link.offsetWidth) / 2;
    } else {
      link.removeAttribute("aria-current");
    }
  }
  const heading = page.querySelector("h2");
  document.title = `${heading.textContent} · ${title}`;
  if (page.id === "samples") readState(query);
  if (target && target !== page) target.scrollIntoView();
  else if (page !== current && !first) window.scrollTo(0, 0);
  if (page !== current && !first) heading.focus({ preventScroll: true });
  current = page;
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  current.querySelector("h2").focus();
});
window.addEventListener("hashchange", route);
route();
