// A prediction card: three numbers are committed before Python sends the answer.
//
// The page sees: div.prediction[data-prediction=ID][role=group][aria-label=QUESTION], three number inputs with
// aria-label, a button, and a role=status line. `data-open` on the root is true once the answer is there.

const FIELDS = [["low", "Low (5 %)"], ["best", "Best guess"], ["high", "High (95 %)"]];

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Why these numbers cannot be committed; "" if they can. Python checks again.
function problem([low, best, high]) {
  if (![low, best, high].every(Number.isFinite)) return "Enter three numbers.";
  return low <= best && best <= high ? "" : "Expected low ≤ best guess ≤ high.";
}

function render({ model, el }) {
  const { id, question, unit } = model.get("spec");
  const inputs = FIELDS.map(([name, label]) => html("input", { type: "number", step: "any", name,
    "aria-label": unit ? `${label}, ${unit}` : label }));
  const boxes = inputs.map((input, k) => html("label", {}, html("span", {}, FIELDS[k][1]), input));
  const button = html("button", { type: "submit" }, "Commit");
  const how = html("p", { class: "how" }, "Your best guess, and an interval that should hold the answer 9 times in 10.");
  const form = html("form", { novalidate: "" }, how, ...boxes, html("span", { class: "unit" }, unit), button);
  const status = html("div", { role: "status" });
  const root = html("div", { class: "prediction", "data-prediction": id, role: "group", "aria-label": question },
    html("p", { class: "kicker" }, "Predict first"), html("p", { class: "title" }, question),
    form, status);
  const say = (...lines) => status.replaceChildren(...lines.filter(([, text]) => text).map(([name, text]) => html("p", { class: name }, text)));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = problem(inputs.map((input) => input.valueAsNumber));
    if (wrong) return say(["note", wrong]);
    say(["note", "Committing ..."]);
    model.send(Object.fromEntries(inputs.map((input) => [input.name, input.value])));
  });

  function update() {
    const state = model.get("state");
    root.dataset.open = state.open;
    form.hidden = state.open;
    if (state.open) say(["answer", state.answer], [state.inside ? "hit" : "miss", state.verdict], ["guess", state.guess], ["note", state.note]);
    else say(["note", state.note]);
  }
  update();
  model.on("change:state", update);
  el.append(root);
  return () => model.off("change:state", update);
}

export default { render };
