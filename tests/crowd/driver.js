// Runs in a page under test: collects what it would save, submit and complain of; ACT is the test's own part.
const seen = { files: {}, errors: [], submitted: null };
addEventListener("error", (event) => seen.errors.push(event.message));
addEventListener("securitypolicyviolation", (event) => seen.errors.push(event.violatedDirective));

let saved = Promise.resolve();
const blobs = [];
URL.createObjectURL = (blob) => `blob:${blobs.push(blob)}`;
HTMLAnchorElement.prototype.click = function () {
  const [blob, name] = [blobs.at(-1), this.download];
  saved = saved.then(() => blob.text()).then((text) => { seen.files[name] = text; });
};

const asked = document.querySelector("form");
const radios = [...asked.querySelectorAll("input[type=radio]")];
const names = [...new Set(radios.map((radio) => radio.name))];
const choose = (name, value) => radios.find((radio) => radio.name === name && radio.value === value).click();
const said = () => document.getElementById("status").textContent;
asked.addEventListener("submit", (event) => {
  const fields = Object.fromEntries(new FormData(asked));
  seen.submitted = event.defaultPrevented ? false : { action: asked.action, fields };
  event.preventDefault();
});

function tell() {
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
}

(async () => { ACT })()
  .then(() => saved)
  .catch((error) => seen.errors.push(String(error)))
  .then(tell);
