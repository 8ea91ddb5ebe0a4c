"use strict";

// Tables: a click on a head sorts by that column; numbers with the largest first, text from A; a second click turns it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const now = head.getAttribute("aria-sort");
      const ascending = now ? now === "descending" : !numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
        return ascending ? order : -order;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}

// Samples: the words typed must all occur in the sample; methods that are switched off are left out of the search too.
for (const form of document.querySelectorAll(".filter")) {
  const section = form.closest("section");
  const samples = [...section.querySelectorAll(".sample")];
  const update = () => {
    const words = form.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const off = [...form.querySelectorAll("input[type=checkbox]:not(:checked)")].map((box) => box.value);
    let shown = 0;
    for (const sample of samples) {
      for (const cell of sample.querySelectorAll("[data-method]")) cell.hidden = off.includes(cell.dataset.method);
      const texts = [...sample.querySelectorAll(".text")].filter((text) => !text.closest("[data-method][hidden]"));
      const content = texts.map((text) => text.textContent.toLowerCase()).join("\n");
      sample.hidden = !words.every((word) => content.includes(word));
      shown += !sample.hidden;
    }
    form.querySelector("output").value = `${shown} of ${samples.length} samples`;
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}
