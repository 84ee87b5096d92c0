// The drawing board: `element`, `props`, `trigger` and `watch` come from Gradio.
@ask@
const at = (query) => element.querySelector(query);
const canvas = at("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
const PALETTE = ["#ffffff", "#c9ccd3", "#7d8291", "#33343f", "#101018", "#f7d7bd", "#e0a67c", "#b5763f", "#7a4a26",
  "#4a2a18", "#ffe066", "#f79b2e", "#d94532", "#8e1b32", "#f58fb0", "#a64ac9", "#4b2f8f", "#2b4fc7", "#4aa8f0",
  "#9be0f5", "#1f7a4d", "#57b84a", "#b8e06a", "#5a6b3a"];
const MOST_BYTES = @file_bytes@, SHRUNK = 1024;
let side = 16, pixels = new Uint8ClampedArray(side * side * 3), name = "picture";
let tool = "pencil", colour = PALETTE[4], mirror = false, cursor = { x: 7, y: 7 }, painting = false;
let past = [], future = [], file = null, waiting = 0;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const hexOf = (three) => "#" + [...three].map((v) => v.toString(16).padStart(2, "0")).join("");
const pixelAt = (x, y) => pixels.subarray(3 * (y * side + x), 3 * (y * side + x) + 3);
const tell = (words, bad) => { at(".notes").textContent = words; at(".notes").classList.toggle("bad", !!bad); };
// Counts the files that were read or refused.
const settled = () => { element.dataset.settled = Number(element.dataset.settled || 0) + 1; };

function show() {
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const image = pen.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    image.data.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  at(".easel").style.setProperty("--side", side);
  at(".easel").style.setProperty("--x", cursor.x);
  at(".easel").style.setProperty("--y", cursor.y);
}

// What Python gets. Strokes are told a moment after their end, not pixel by pixel.
function say(now) {
  clearTimeout(waiting);
  const told = () => {
    const digits = Array.from(pixels, (v) => v.toString(16).padStart(2, "0")).join("");
    props.value = { side, rgb: digits, name, notes: [] };
  };
  if (now) told(); else waiting = setTimeout(told, 60);
}

function remember() {
  past.push({ side, pixels: pixels.slice() });
  past = past.slice(-100);
  future = [];
}

function travel(from, to) {
  if (!from.length) return;
  to.push({ side, pixels: pixels.slice() });
  ({ side, pixels } = from.pop());
  clampCursor();
  at("select.pixels").value = String(side);
  show();
  say();
}

const clampCursor = () => { cursor = { x: Math.min(cursor.x, side - 1), y: Math.min(cursor.y, side - 1) }; };

function put(x, y) {
  for (const place of mirror ? [x, side - 1 - x] : [x]) {
    if (tool === "fill") flood(place, y); else pixelAt(place, y).set(rgb(colour));
  }
  show();
  say();
}

function flood(x, y) {
  const old = hexOf(pixelAt(x, y));
  if (old === colour) return;
  const todo = [[x, y]];
  while (todo.length) {
    const [a, b] = todo.pop();
    if (a < 0 || b < 0 || a >= side || b >= side || hexOf(pixelAt(a, b)) !== old) continue;
    pixelAt(a, b).set(rgb(colour));
    todo.push([a + 1, b], [a - 1, b], [a, b + 1], [a, b - 1]);
  }
}

function act(x, y, first) {
  cursor = { x, y };
  if (tool === "pick") { choose(hexOf(pixelAt(x, y))); setTool("pencil"); show(); return; }
  if (first) remember();
  put(x, y);
}

function setTool(given) {
  tool = given;
  element.querySelectorAll(".tool").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.tool === tool)));
}

function choose(hex) {
  colour = hex;
  const own = at(".own");
  own.value = hex;
  let known = false;
  element.querySelectorAll(".palette [role=radio]").forEach((b) => {
    const here = b.dataset.colour === hex;
    known ||= here;
    b.setAttribute("aria-checked", String(here));
    b.tabIndex = here ? 0 : -1;
  });
  own.parentElement.classList.toggle("chosen", !known);
  if (!known) at(".palette [role=radio]").tabIndex = 0;
}

function doIt(what) {
  if (what === "undo") travel(past, future);
  if (what === "redo") travel(future, past);
  if (what === "mirror") {
    mirror = !mirror;
    at("[data-do=mirror]").setAttribute("aria-pressed", String(mirror));
  }
  if (what === "clear") { remember(); pixels.fill(255); name = "drawing"; noFile(); tell(""); show(); say(); }
}

function resize(given) {
  if (file) { send(given); return; }
  remember();
  const old = pixels, before = side;
  side = given;
  pixels = new Uint8ClampedArray(side * side * 3);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const from = 3 * (Math.floor(y * before / side) * before + Math.floor(x * before / side));
    pixelAt(x, y).set(old.subarray(from, from + 3));
  }
  clampCursor();
  show();
  say();
}

// What came from Python: an upload that was read, a link.
function load(value) {
  if (!value || !value.rgb) return;
  paint({ name: "picture", ...value });
  const select = at("select.pixels");
  if (![...select.options].some((one) => one.value === String(side))) select.add(new Option(side, side));
  select.value = String(side);
  tell((value.notes || []).join(" "), value.bad);
  showPieces(value.pieces || []);
  settled();
}

// The board is no longer that of a file.
function noFile() {
  file = null;
  at(".take").hidden = at(".pieces").hidden = true;
}

function showPieces(pieces) {
  at(".pieces").hidden = !pieces.length;
  at(".pieces").replaceChildren(...pieces.map((piece) => {
    const button = document.createElement("button"), small = document.createElement("canvas");
    small.width = small.height = piece.side;
    const brush = small.getContext("2d"), image = brush.createImageData(piece.side, piece.side);
    const bytes = piece.rgb.match(/../g).map((two) => parseInt(two, 16));
    for (let i = 0; i < piece.side ** 2; i++) image.data.set([...bytes.slice(3 * i, 3 * i + 3), 255], 4 * i);
    brush.putImageData(image, 0, 0);
    button.type = "button";
    button.title = button.ariaLabel = piece.name;
    button.append(small);
    button.addEventListener("click", () => { props.value = { ...piece, notes: [] }; paint(piece); });
    return button;
  }));
}

function paint(piece) {
  remember();
  ({ side, name } = piece);
  pixels = Uint8ClampedArray.from(piece.rgb.match(/../g), (two) => parseInt(two, 16));
  clampCursor();
  show();
}

async function shrunk(given) {
  const bitmap = await createImageBitmap(given);
  const scale = Math.min(1, SHRUNK / Math.max(bitmap.width, bitmap.height));
  const small = document.createElement("canvas");
  small.width = Math.max(1, Math.round(bitmap.width * scale));
  small.height = Math.max(1, Math.round(bitmap.height * scale));
  small.getContext("2d").drawImage(bitmap, 0, 0, small.width, small.height);
  return new Promise((done) => small.toBlob(done, "image/png"));
}

async function take(given) {
  if (!given) return;
  let data = given;
  if (given.size > MOST_BYTES) {
    try { data = await shrunk(given); } catch { data = null; }
    if (!data || data.size > MOST_BYTES) {
      tell(`${given.name} has ${(given.size / 1048576).toFixed(1)} MiB, more than ${MOST_BYTES / 1048576} MiB; make it smaller first.`, true);
      settled();
      return;
    }
  }
  const reader = new FileReader();
  reader.onload = () => {
    at(".take select").value = "all";
    file = { name: given.name || "pasted", data: reader.result.slice(reader.result.indexOf(",") + 1) };
    send(Number(at("select.pixels").value));
  };
  reader.onerror = () => tell(`${given.name} cannot be read; drop it again.`, true);
  reader.readAsDataURL(data);
}

function send(pixelsWanted) {
  tell(`Reading ${file.name} ...`);
  at(".take").hidden = false;
  const lost = () => tell("There is no answer; when the connection is back, give the file again.", true);
  ask("upload", { name: file.name, data: file.data, side: pixelsWanted, part: at(".take select").value }, lost);
}

PALETTE.forEach((hex) => {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", title: hex, tabIndex: -1 });
  button.setAttribute("role", "radio");
  button.setAttribute("aria-label", hex);
  button.dataset.colour = hex;
  button.style.background = hex;
  at(".palette").append(button);
});
at(".palette").insertAdjacentHTML("beforeend",
  '<label class="own-label" title="A colour of your own"><input type="color" class="own" aria-label="A colour of your own"></label>');
at(".own").addEventListener("input", (event) => choose(event.target.value));
at(".palette").addEventListener("click", (event) => {
  if (event.target.dataset.colour) choose(event.target.dataset.colour);
});
at(".palette").addEventListener("keydown", (event) => {
  const all = [...element.querySelectorAll(".palette [role=radio]")], here = all.indexOf(event.target);
  const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (here < 0 || !move) return;
  event.preventDefault();
  const next = all[(here + move + all.length) % all.length];
  choose(next.dataset.colour);
  next.focus();
});
element.querySelectorAll(".tool").forEach((b) => b.addEventListener("click", () => setTool(b.dataset.tool)));
element.querySelectorAll("[data-do]").forEach((b) => b.addEventListener("click", () => doIt(b.dataset.do)));
at(".take select").addEventListener("change", () => file && send(Number(at("select.pixels").value)));
at("select.pixels").addEventListener("change", (event) => resize(Number(event.target.value)));

function placeOf(event) {
  const box = canvas.getBoundingClientRect();
  const to = (value, start, size) => Math.max(0, Math.min(side - 1, Math.floor((value - start) / size * side)));
  return [to(event.clientX, box.left, box.width), to(event.clientY, box.top, box.height)];
}
canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  painting = tool !== "fill";
  act(...placeOf(event), true);
});
canvas.addEventListener("pointermove", (event) => {
  if (!painting) return;
  // A fast stroke skips pixels; the line to the last one is drawn.
  const [x, y] = placeOf(event), from = { ...cursor }, steps = Math.max(Math.abs(x - from.x), Math.abs(y - from.y));
  for (let i = 1; i <= steps; i++) {
    act(Math.round(from.x + (x - from.x) * i / steps), Math.round(from.y + (y - from.y) * i / steps), false);
  }
});
["pointerup", "pointercancel"].forEach((kind) => canvas.addEventListener(kind, () => { painting = false; }));
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && "zy".includes(key)) {
    doIt(key === "y" || event.shiftKey ? "redo" : "undo");
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (moves[event.key]) {
    const [dx, dy] = moves[event.key];
    cursor = { x: Math.max(0, Math.min(side - 1, cursor.x + dx)), y: Math.max(0, Math.min(side - 1, cursor.y + dy)) };
    if (event.shiftKey) act(cursor.x, cursor.y, true); else show();
  } else if (key === " " || key === "enter") {
    act(cursor.x, cursor.y, true);
  } else if ("pfi".includes(key)) {
    setTool({ p: "pencil", f: "fill", i: "pick" }[key]);
  } else if (key === "m") {
    doIt("mirror");
  } else {
    return;
  }
  event.preventDefault();
  at(".at").textContent = `Column ${cursor.x + 1}, row ${cursor.y + 1}: ${hexOf(pixelAt(cursor.x, cursor.y))}`;
});

at("input[type=file]").addEventListener("change", (event) => {
  take(event.target.files[0]);
  // So that the same name can be chosen again.
  event.target.value = "";
});
let over = 0;
const carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
document.addEventListener("dragenter", (event) => { if (carries(event)) { over++; at(".easel").classList.add("over"); } });
document.addEventListener("dragleave", (event) => {
  if (carries(event) && --over <= 0) { over = 0; at(".easel").classList.remove("over"); }
});
document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  over = 0;
  at(".easel").classList.remove("over");
  take(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const image = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
  if (image) { event.preventDefault(); take(image); }
});

// Of the examples beside the board.
document.addEventListener("pulse-example", (event) => {
  const { name: called, image } = event.detail, small = document.createElement("canvas");
  small.width = image.naturalWidth;
  small.height = image.naturalHeight;
  const brush = small.getContext("2d");
  brush.drawImage(image, 0, 0);
  remember();
  side = small.width;
  name = called;
  noFile();
  const data = brush.getImageData(0, 0, side, side).data;
  pixels = new Uint8ClampedArray(side * side * 3);
  for (let i = 0; i < side * side; i++) pixels.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  at("select.pixels").value = String(side);
  clampCursor();
  tell("");
  show();
  say(true);
});

choose(colour);
watch("value", () => {
  load(props.value);
  answered(props.value?.asked);
});
// Gradio loads the page anew when a lost connection is back. What a visitor has drawn is still there then.
const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";
let kept = null;
try {
  if (reloaded && !location.search) kept = JSON.parse(sessionStorage.getItem("pulse-board"));
} catch { /* a browser that keeps nothing */ }
addEventListener("pagehide", () => {
  say(true);
  try { sessionStorage.setItem("pulse-board", JSON.stringify({ ...props.value, notes: [], pieces: [] })); } catch { /* the same */ }
});
load(props.value);
past = [];
// Later, because Gradio sets the value that the page was built with once more.
setTimeout(() => {
  if (kept) { load(kept); say(true); past = []; }
  element.dataset.ready = "yes";
});
