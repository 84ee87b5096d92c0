// The face: `element`, `props`, `trigger` and `watch` come from Gradio.
@ask@
const at = (query) => element.querySelector(query);
const box = at(".stage"), cut = at(".cut"), calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const sliders = [...element.querySelectorAll(".turns input")];
let shown = null, moved = false, waiting = 0, drawing = 0;

function setCut(value) {
  cut.value = value;
  box.style.setProperty("--cut", `${value}%`);
}

// The pixels give way to the face, so that everyone sees that this can be moved.
function sweep() {
  if (calm) { setCut(35); return; }
  const begin = performance.now();
  cancelAnimationFrame(drawing);
  const step = (now) => {
    const part = Math.min(1, (now - begin) / 900);
    setCut(100 - 65 * (1 - (1 - part) ** 3));
    if (part < 1 && !moved) drawing = requestAnimationFrame(step);
  };
  drawing = requestAnimationFrame(step);
}

function picture(query, address) {
  const image = at(query);
  image.hidden = !address;
  if (address && image.src !== address) image.src = address;
}

function outputs() {
  sliders.forEach((slider) => {
    const value = Number(slider.value);
    slider.nextElementSibling.textContent = slider.dataset.unit ? `${Math.round(value)}${slider.dataset.unit}` : `${Math.round(100 * value)} %`;
  });
}

function load(value) {
  if (!value) return;
  const before = box.dataset.state, number = value.number ?? null, another = number !== null && number !== shown;
  box.dataset.state = value.state;
  picture(".input", value.input);
  picture(".answer", value.answer);
  const there = !!(value.input && value.answer);
  at(".handle").hidden = cut.hidden = !there;
  at(".badge").hidden = !value.answer;
  at(".none").hidden = !!(value.answer || value.input);
  at("progress").hidden = value.state !== "working" && value.state !== "waiting";
  at("progress").value = value.part || 0;
  at(".status").textContent = value.status || "";
  at(".words").textContent = value.words || "";
  element.querySelectorAll(".get").forEach((row) => { row.hidden = number === null; });
  element.querySelectorAll("[data-some]").forEach((one) => { one.hidden = !(value.gets || []).includes(one.dataset.get); });
  const base = value.sliders || {};
  at(".turns").hidden = number === null || !Object.keys(base).length;
  if (another) {
    sliders.forEach((slider) => { slider.value = (value.changed || {})[slider.name] ?? base[slider.name]; });
    outputs();
    moved = false;
    sweep();
  } else if (value.state === "working" && before !== "working") {
    moved = false;
    setCut(0);
  }
  shown = number;
}

function changed() {
  const base = (props.value || {}).sliders || {};
  // Only what was moved: everything else stays exactly as it was found.
  return Object.fromEntries(sliders.filter((one) => Math.abs(Number(one.value) - base[one.name]) > Number(one.step) * 0.75)
    .map((one) => [one.name, Number(one.value)]));
}

function again() {
  outputs();
  ask("input", { number: shown, changed: changed() });
  clearTimeout(waiting);
  waiting = setTimeout(() => ask("submit", { number: shown, changed: changed() }), 500);
}

function save(name, address) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS a browser may offer the old way only.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  at(".status").textContent = "The link is copied. It holds the picture, the options and the seed.";
}

cut.addEventListener("input", () => { moved = true; setCut(Number(cut.value)); });
sliders.forEach((slider) => slider.addEventListener("input", again));
at(".back").addEventListener("click", () => {
  const base = (props.value || {}).sliders || {};
  sliders.forEach((slider) => { slider.value = base[slider.name]; });
  again();
});
element.querySelectorAll("[data-get]").forEach((button) => button.addEventListener("click", () => {
  const value = props.value || {}, what = button.dataset.get;
  if (what === "png") save(value.file, value.answer);
  else if (what === "link") copy(new URL(value.link, location.origin + location.pathname).href);
  else { at(".status").textContent = `Making the ${["sheet", "map"].includes(what) ? what : "film"} ...`; trigger("download", { what, number: shown }); }
}));
watch("value", () => {
  const value = props.value;
  load(value);
  answered(value?.asked);
  if (value && value.saved && value.saved.turn !== Number(box.dataset.saved || 0)) {
    box.dataset.saved = value.saved.turn;
    save(value.saved.name, value.saved.address);
    // The file need not travel again with every later change.
    props.value = { ...value, saved: { turn: value.saved.turn } };
  }
});
load(props.value);
element.dataset.ready = "yes";
