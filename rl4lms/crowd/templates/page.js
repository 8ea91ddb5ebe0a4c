"use strict";

const form = document.querySelector("form");
const { study, page, services } = form.dataset;
const query = new URLSearchParams(location.search);
const status = document.getElementById("status");
const kept = `crowd ${study} ${page}`;
const started = Date.now();
const questions = [...new Set([...form.querySelectorAll("input[type=radio]")].map((radio) => radio.name))];

// Another service may give its worker and assignment in the address: Mechanical Turk, Prolific.
const worker = query.get("workerId") || query.get("PROLIFIC_PID") || query.get("worker");
if (worker) form.elements.worker.value = worker;
const assignment = query.get("assignmentId");
const service = query.get("turkSubmitTo");
if (assignment && service && services.split(" ").includes(new URL(service, "about:blank").origin)) {
  form.action = `${new URL(service).origin}/mturk/externalSubmit`;
}
const submits = Boolean(form.getAttribute("action"));
if (submits) {
  form.elements.assignmentId.value = assignment || "";
  document.getElementById("service").hidden = false;
  document.getElementById("standalone").hidden = true;
  form.elements.worker.required = false;
}
if (assignment === "ASSIGNMENT_ID_NOT_AVAILABLE") {
  document.getElementById("everything").disabled = true;
  status.textContent = "This is a preview. Accept the task to answer.";
}

function answers() {
  const fields = [...new FormData(form)].filter(([name]) => questions.includes(name));
  return Object.fromEntries(fields);
}

// A browser may forbid storage to a file that is opened from disk; then a reload starts again.
function remember() {
  try {
    const { comment, worker: name } = form.elements;
    localStorage.setItem(kept, JSON.stringify({ answers: answers(), comment: comment.value, worker: name.value }));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

function recall() {
  let found = null;
  try {
    found = JSON.parse(localStorage.getItem(kept));
  } catch (error) {
    if (!(error instanceof DOMException || error instanceof SyntaxError)) throw error;
  }
  if (!found) return;
  for (const [name, value] of Object.entries(found.answers)) {
    const radio = [...form.querySelectorAll("input[type=radio]")].find((r) => r.name === name && r.value === value);
    if (radio) radio.checked = true;
  }
  form.elements.comment.value = found.comment;
  if (!form.elements.worker.value) form.elements.worker.value = found.worker;
}

function count() {
  const given = answers();
  const n = Object.keys(given).length;
  for (const item of form.querySelectorAll(".item.open")) {
    const names = [...item.querySelectorAll("input[type=radio]")].map((radio) => radio.name);
    item.classList.toggle("open", names.some((name) => !(name in given)));
  }
  if (assignment !== "ASSIGNMENT_ID_NOT_AVAILABLE") status.textContent = `${n} of ${questions.length} answered`;
}

function complete() {
  form.elements.seconds.value = String(Math.round((Date.now() - started) / 1000));
  const given = answers();
  const open = questions.filter((name) => !(name in given));
  for (const name of open) form.querySelector(`[name="${name}"]`).closest(".item").classList.add("open");
  if (open.length) status.textContent = `${open.length} of ${questions.length} still to answer.`;
  return form.reportValidity();
}

function quoted(value) {
  const text = String(value);
  const computed = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text); // by a spreadsheet; import takes the mark off again
  return `"${computed ? "'" : ""}${text.replaceAll('"', '""')}"`;
}

function file(kind) {
  const { comment, worker: name, seconds } = form.elements;
  const whole = { study, page, worker: name.value.trim(), seconds: Number(seconds.value), answers: answers(), comment: comment.value };
  if (kind === "json") return JSON.stringify(whole, null, 1) + "\n";
  const rows = Object.entries(whole.answers).map(([question, answer]) => [study, page, whole.worker, question, answer]);
  return [["study", "page", "worker", "question", "answer"], ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
}

for (const button of form.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => {
    if (!complete()) return;
    const kind = button.dataset.download;
    const type = kind === "json" ? "application/json" : "text/csv";
    const link = document.createElement("a");
    const name = form.elements.worker.value.trim().replace(/[^A-Za-z0-9_-]+/g, "_");
    link.href = URL.createObjectURL(new Blob([file(kind)], { type }));
    link.download = `answers_${study}_${page}_${name}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    status.textContent = `Saved ${link.download}. Thank you.`;
  });
}
form.addEventListener("change", () => { remember(); count(); });
form.addEventListener("input", remember);
form.addEventListener("submit", (event) => {
  if (!submits || !complete()) event.preventDefault();
});
recall();
count();
