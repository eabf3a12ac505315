// Draws what Python laid out and sends back where the knobs stand. Decides nothing about the picture itself.
//
// The page sees: div.explorable[data-explorable][role=group][aria-label], native inputs with aria-label,
// a readout with role=status, svg[role=img] > title. `data-updated` on the root counts redraws: 0 is the first.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 380;
const PLAY_MS = 700; // between two steps
const GHOST_MS = 2000; // how long the state before stays visible
const GHOSTED = ["line", "area", "dot"];
const PATIENCE_MS = 2500; // before we say that nobody answers

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const paint = (color) => (color === "paper" ? "var(--paper)" : color);

// JupyterLab must leave the keys of a focused control alone: arrows move the slider, not the cell selection.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

// ---------------------------------------------------------------- the picture

function shapeElement(shape) {
  if (shape.kind === "line" || shape.kind === "area") {
    const points = shape.points.map((point) => point.join(",")).join(" ");
    return svg(shape.kind === "line" ? "polyline" : "polygon", { points });
  }
  if (shape.kind === "dot") {
    const [cx, cy, r] = shape.place;
    return svg("circle", { cx, cy, r });
  }
  const [x, y, width, height] = shape.place;
  return svg("rect", { x, y, width, height, rx: Math.min(2, width / 4) });
}

function shapeStyle({ kind, color, ghost, width, opacity }) {
  const dashes = ghost ? { "stroke-dasharray": "5 4" } : {};
  if (kind === "line") {
    return { fill: "none", stroke: color, "stroke-width": width, "stroke-linejoin": "round",
      "stroke-opacity": ghost ? 0.6 : 1, ...dashes };
  }
  const edge = ghost ? color : kind === "area" ? "none" : "var(--paper)";
  const edgeWidth = kind === "dot" ? 1.5 : 1;
  return { fill: color, "fill-opacity": opacity * (ghost ? 0.3 : 1), stroke: edge, "stroke-width": edgeWidth, ...dashes };
}

function explained(element, term) {
  if (!term) return element;
  const attributes = { ...OWN_KEYS, tabindex: "0", role: "img", "aria-label": term, "data-term": term };
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function drawShape(shape) {
  const ink = shapeElement(shape);
  for (const [key, value] of Object.entries(shapeStyle(shape))) ink.setAttribute(key, value);
  const group = svg("g", { "data-kind": shape.kind }, ink);
  if (shape.kind === "line" && shape.term) { // a thin line is hard to point at
    const wide = shapeElement(shape);
    wide.setAttribute("class", "hit");
    wide.setAttribute("stroke-width", 14);
    group.append(wide);
  }
  return explained(group, shape.term);
}

function drawWords({ text, x, y, anchor, color, halo, term, pointer }) {
  const lines = text.split("\n");
  const top = y + 0.36 * 13 - 8 * (lines.length - 1);
  const element = svg("text", { "text-anchor": anchor }, ...lines.map((line, row) => {
    const span = svg("tspan", { x, y: top + 16 * row });
    span.textContent = line;
    return span;
  }));
  if (halo) element.setAttribute("class", "halo");
  element.style.setProperty(halo ? "--color" : "fill", paint(color));
  const parts = pointer ? [svg("line", lineBetween(...pointer, "pointer")), element] : [element];
  return explained(svg("g", { "data-kind": "words" }, ...parts), term);
}

const lineBetween = (x1, y1, x2, y2, name) => ({ x1, y1, x2, y2, class: `frame ${name}` });

function drawFrame({ box: [left, top, right, bottom], grid, minor }) {
  const segments = [
    ...grid[0].map((x) => lineBetween(x, top, x, bottom, "grid")),
    ...grid[1].map((y) => lineBetween(left, y, right, y, "grid")),
    ...minor[0].map((x) => lineBetween(x, bottom, x, bottom + 3, "minor")),
    ...minor[1].map((y) => lineBetween(left - 3, y, left, y, "minor")),
  ];
  const axis = svg("polyline", { points: `${left},${top} ${left},${bottom} ${right},${bottom}`, class: "frame axis" });
  return svg("g", { "aria-hidden": "true" }, ...segments.map((s) => svg("line", s)), axis);
}

// Shapes stay inside the axes; a dot on their edge stays whole.
function drawShapes(drawing, clip) {
  return svg("g", { class: "shapes" }, ...drawing.shapes.map((shape) => {
    const group = drawShape(shape);
    if (shape.kind !== "dot") group.firstChild.setAttribute("clip-path", `url(#${clip})`);
    return group;
  }));
}

// What a movement started from stays for a while as a faint ghost, where it differs and the axes are the same.
class Before {
  constructor() { this.start = null; this.last = null; this.axes = ""; this.timer = 0; this.group = svg("g"); }

  next(drawing, shapes) {
    const axes = JSON.stringify([drawing.grid, drawing.box]);
    this.start = axes === this.axes ? this.start ?? this.last : null;
    this.axes = axes;
    this.last = [...shapes.children];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.forget(), GHOST_MS);
    const ghosts = (this.start ?? []).filter((old, k) => GHOSTED.includes(old.dataset.kind)
      && old.firstChild.outerHTML !== this.last[k]?.firstChild.outerHTML);
    this.group = svg("g", { class: "before", "aria-hidden": "true" }, ...ghosts.map((old) => old.firstChild.cloneNode()));
    return this.group;
  }

  forget() { this.start = null; this.group.remove(); }
}

function makePicture(showTerm) {
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  const title = svg("title");
  const window = svg("rect");
  const layer = svg("g");
  const root = svg("svg", { role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
    title, svg("defs", {}, svg("clipPath", { id: clip }, window)), layer);
  const before = new Before();
  const term = (event) => event.target.closest?.("[data-term]")?.dataset.term ?? "";
  for (const kind of ["mouseover", "focusin"]) root.addEventListener(kind, (event) => showTerm(term(event)));
  for (const kind of ["mouseleave", "focusout"]) root.addEventListener(kind, () => showTerm(""));

  function show(drawing) {
    const focused = [...layer.querySelectorAll("[tabindex]")].indexOf(document.activeElement);
    const [left, top, right, bottom] = drawing.box;
    Object.entries({ x: left, y: top, width: right - left, height: bottom - top }).forEach(([k, v]) => window.setAttribute(k, v));
    const shapes = drawShapes(drawing, clip);
    const ghost = before.next(drawing, shapes);
    title.textContent = drawing.alt;
    layer.replaceChildren(drawFrame(drawing), shapes, ghost, ...drawing.words.map(drawWords));
    if (focused >= 0) layer.querySelectorAll("[tabindex]")[focused]?.focus();
  }

  function clear(message) {
    before.forget();
    title.textContent = message;
    layer.replaceChildren();
  }
  return { root, show, clear };
}

// ---------------------------------------------------------------- the controls

function labelled(control, ...inputs) {
  const value = html("span", { class: "value" });
  const name = html("span", { class: "name" }, html("span", {}, control.label), value);
  return { box: html("div", { class: `control ${control.kind}` }, name, ...inputs), value };
}

function rangeInput(control) {
  return html("input", { type: "range", min: 0, max: control.texts.length - 1, step: 1, "aria-label": control.label, ...OWN_KEYS });
}

function makeSlider(control, changed) {
  const input = rangeInput(control);
  const { box, value } = labelled(control, input);
  input.addEventListener("input", () => changed(Number(input.value)));
  const set = (index) => {
    input.value = index;
    value.textContent = control.texts[index];
    input.setAttribute("aria-valuetext", control.texts[index]);
  };
  return { box, set };
}

function makeChoice(control, changed) {
  const options = control.texts.map((text, index) => html("option", { value: index }, text));
  const input = html("select", { "aria-label": control.label, ...OWN_KEYS }, ...options);
  input.addEventListener("change", () => changed(input.selectedIndex));
  return { box: labelled(control, input).box, set: (index) => { input.selectedIndex = index; } };
}

function makeToggle(control, changed) {
  const input = html("input", { type: "checkbox", "aria-label": control.label, ...OWN_KEYS });
  const box = html("label", { class: "control toggle" }, input, html("span", { class: "name" }, control.label));
  input.addEventListener("change", () => changed(Number(input.checked)));
  return { box, set: (index) => { input.checked = index === 1; } };
}

function makeStep(control, changed) {
  const last = control.texts.length - 1;
  let at = 0, timer = 0;
  const button = (text, name, act) => {
    const element = html("button", { type: "button", "aria-label": `${control.label}: ${name}`, title: name, ...OWN_KEYS }, text);
    element.addEventListener("click", act);
    return element;
  };
  const move = (index) => changed(Math.min(Math.max(index, 0), last));
  const stop = () => { clearInterval(timer); timer = 0; mark(); };
  const tick = () => (at < last && box.isConnected ? move(at + 1) : stop());
  const toggle = () => {
    if (timer) return stop();
    move(at < last ? at + 1 : 0);
    timer = setInterval(tick, PLAY_MS);
    mark();
  };
  const back = button("◀", "back", () => { stop(); move(at - 1); });
  const play = button("", "play", toggle);
  const forward = button("▶", "forward", () => { stop(); move(at + 1); });
  const input = rangeInput(control);
  input.addEventListener("input", () => { stop(); move(Number(input.value)); });
  const { box, value } = labelled(control, html("div", { class: "steps" }, back, play, forward, input));
  const mark = () => {
    play.textContent = timer ? "❚❚" : "▶▶";
    play.title = timer ? "pause" : "play";
    play.setAttribute("aria-label", `${control.label}: ${play.title}`);
    back.disabled = at === 0;
    forward.disabled = at === last;
  };
  const set = (index) => {
    at = index;
    input.value = index;
    value.textContent = control.texts[index];
    input.setAttribute("aria-valuetext", control.texts[index]);
    mark();
  };
  return { box, set };
}

const MAKE = { slider: makeSlider, choice: makeChoice, toggle: makeToggle, step: makeStep };

// ---------------------------------------------------------------- asking

// While one state is on its way only the newest following one is kept, so a drag never queues up.
class Asker {
  constructor(send, late) {
    Object.assign(this, { send, late, view: Math.random().toString(36).slice(2), count: 0, flying: "", waiting: null, timer: 0 });
  }

  ask(indexes) {
    if (this.flying) { this.waiting = indexes; return; }
    this.flying = `${this.view}-${++this.count}`;
    this.send({ serial: this.flying, indexes });
    this.timer = setTimeout(this.late, PATIENCE_MS);
  }

  // Whether `serial` leaves the controls where Python has them (nothing newer is on its way).
  answered(serial) {
    if (serial !== this.flying) return !this.flying;
    clearTimeout(this.timer);
    this.flying = "";
    const next = this.waiting;
    this.waiting = null;
    if (next) this.ask(next);
    return !next;
  }
}

// ---------------------------------------------------------------- the whole

function numbersTable(rows) {
  const [head, ...body] = rows;
  const row = (cell) => (entries) => html("tr", {}, ...entries.map((entry) => html(cell, {}, entry)));
  return html("table", {}, html("thead", {}, row("th")(head)), html("tbody", {}, ...body.map(row("td"))));
}

export function mount(element, spec, send) {
  const title = html("p", { class: "title" });
  const readout = html("p", { role: "status" });
  const term = html("p", { class: "term hidden" });
  const hint = html("p", { class: "hint" }, spec.hint);
  const numbers = html("div", { class: "scroll" });
  const details = html("details", {}, html("summary", {}, "Numbers"), numbers);
  const picture = makePicture((text) => {
    term.textContent = text;
    term.classList.toggle("hidden", !text);
    hint.classList.toggle("hidden", Boolean(text));
  });
  const asker = new Asker(send, () => { hint.textContent = "No answer from the kernel: run this cell to turn the knobs."; });
  let indexes = [];
  const controls = spec.controls.map((control, k) => MAKE[control.kind](control, (index) => {
    if (index === indexes[k]) return;
    indexes = indexes.with(k, index);
    controls[k].set(index);
    asker.ask(indexes);
  }));
  const root = html("div", { class: "explorable", "data-explorable": spec.name, role: "group", "aria-label": spec.label },
    html("div", { class: "controls" }, ...controls.map((control) => control.box)),
    title, readout, html("div", { class: "scroll" }, picture.root), html("div", { class: "foot" }, hint, term), details);
  element.append(root);

  let updates = -1;
  return function update(frame) {
    const settled = asker.answered(frame.serial);
    if (settled) {
      indexes = frame.indexes;
      controls.forEach((control, k) => control.set(indexes[k]));
    }
    const drawing = frame.drawing;
    readout.classList.toggle("failed", !drawing);
    readout.textContent = drawing?.readout ?? `This setting could not be computed. ${frame.error}`;
    title.textContent = drawing?.title ?? "";
    details.hidden = !drawing?.table.length;
    if (drawing) picture.show(drawing);
    else picture.clear(readout.textContent);
    if (!details.hidden) numbers.replaceChildren(numbersTable(drawing.table));
    hint.textContent = spec.hint;
    root.dataset.updated = ++updates;
  };
}

function render({ model, el }) {
  const update = mount(el, model.get("spec"), (request) => model.send(request));
  const changed = () => update(model.get("frame"));
  changed();
  model.on("change:frame", changed);
  return () => model.off("change:frame", changed);
}

export default { render };
