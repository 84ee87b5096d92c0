"use strict";
// The page of an atlas. It is opened from disk, where a browser lets it fetch nothing: data are scripts, tiles are images.

const MOODS = { happy: "#f2b705", sad: "#2f6fb5", horror: "#9c2a3f" };
const PAPER = "#f4f3ef", LENS = 200, HOLD_MS = 350, HOLD_SPEED = 1.6, PAN = 0.25;
const at = id => document.getElementById(id);
const chunks = new Map();
let layout = Object.keys(ATLAS.layouts)[0];
let places = [];         // of each picture, its place in the layout
let chosen = null;       // Uint8Array of what a search or an epoch selects; null where all are shown
let hovered = -1, pointer = null, holding = null;
let near = { url: null, bitmap: null };  // the tile below the pointer
const mask = document.createElement("canvas");  // a pixel for each place: what is laid over its picture

const viewer = OpenSeadragon({
  element: at("map"), drawer: "canvas", showNavigationControl: false, maxZoomPixelRatio: 10, minZoomImageRatio: 0.7,
  visibilityRatio: 0.3, animationTime: 0.5, zoomPerScroll: 1.3, imageLoaderLimit: 8, maxImageCacheCount: 120,
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false },
  gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: false },
  gestureSettingsPen: { clickToZoom: false, dblClickToZoom: false },
});

function source(name) {
  return {
    width: ATLAS.columns * ATLAS.side, height: ATLAS.rows * ATLAS.side, tileSize: ATLAS.tile, tileOverlap: 0,
    minLevel: ATLAS.minLevel, maxLevel: ATLAS.maxLevel, getTileUrl: (level, x, y) => tile(name, level, x, y),
    downloadTileStart: load, downloadTileAbort: job => { job.userData.wanted = false; },
  };
}

// As a bitmap, because a browser keeps what it decodes for a canvas: half a gigabyte of tiles that nobody shows any more.
function load(job) {
  job.userData.wanted = true;
  decode(job.src, bitmap => {
    if (!job.userData.wanted) return bitmap.close();
    const pen = document.createElement("canvas").getContext("2d");
    pen.canvas.width = bitmap.width; pen.canvas.height = bitmap.height;
    pen.drawImage(bitmap, 0, 0);
    bitmap.close();
    job.finish(pen, null, "context2d");
  }, () => { if (job.userData.wanted) job.fail("the tile cannot be read", null); });
}

function decode(url, done, failed) {
  const image = new Image();
  image.onload = () => createImageBitmap(image).then(done, failed);
  image.onerror = failed;
  image.src = url;
}

function tile(name, level, x, y) { return `tiles/${name}/${level}/${x}_${y}.webp`; }

function show(name) {
  layout = name;
  const order = ATLAS.layouts[name];
  places = new Int32Array(ATLAS.count);
  for (let place = 0; place < ATLAS.count; place++) places[order ? order[place] : place] = place;
  viewer.open(source(name));
}

function pictureAt(position) {
  const item = viewer.world.getItemAt(0);
  if (!item) return -1;
  const point = item.viewportToImageCoordinates(viewer.viewport.pointFromPixel(position));
  const column = Math.floor(point.x / ATLAS.side), row = Math.floor(point.y / ATLAS.side);
  if (column < 0 || row < 0 || column >= ATLAS.columns || row >= ATLAS.rows) return -1;
  const place = row * ATLAS.columns + column;
  if (place >= ATLAS.count) return -1;
  const order = ATLAS.layouts[layout];
  return order ? order[place] : place;
}

// Pixels of the screen that a picture takes.
function shownSide() {
  const item = viewer.world.getItemAt(0);
  return item ? item.imageToViewportZoom(1) === 0 ? 0 : ATLAS.side * item.viewportToImageZoom(viewer.viewport.getZoom(true)) : 0;
}

function lens() {
  const box = at("lens");
  hovered = pointer ? pictureAt(pointer) : -1;
  if (hovered < 0 || shownSide() > 0.8 * LENS) { box.style.display = "none"; return; }
  const place = places[hovered], inTile = ATLAS.tile / ATLAS.side;
  const column = place % ATLAS.columns, row = Math.floor(place / ATLAS.columns);
  enlarge(tile(layout, ATLAS.maxLevel, Math.floor(column / inTile), Math.floor(row / inTile)), column % inTile, row % inTile);
  box.lastElementChild.textContent = caption(hovered);
  box.style.display = "block";
  const left = pointer.x + 24 + LENS + 24 > innerWidth ? pointer.x - LENS - 36 : pointer.x + 24;
  box.style.left = `${left}px`;
  box.style.top = `${Math.max(8, Math.min(pointer.y - LENS / 2, innerHeight - LENS - 60))}px`;
}

function enlarge(url, column, row) {
  const pen = at("lens").firstElementChild.getContext("2d"), side = ATLAS.side;
  if (near.url === url) {
    if (near.bitmap) pen.drawImage(near.bitmap, column * side, row * side, side, side, 0, 0, LENS, LENS);
    return;
  }
  if (near.bitmap) near.bitmap.close();
  near = { url, bitmap: null };
  pen.clearRect(0, 0, LENS, LENS);
  const mine = near;
  decode(url, bitmap => {
    if (near !== mine) return bitmap.close();
    near.bitmap = bitmap;
    lens();
  }, () => {});
}

function caption(picture) {
  const words = [ATLAS.names ? ATLAS.names[picture] : `number ${picture}`];
  if (ATLAS.moods) words.push(ATLAS.moodNames[ATLAS.moods[picture]]);
  return words.join(", ");
}

// What is not selected is paled, and moods are laid over as colours.
function colour() {
  const moods = at("moods").checked && ATLAS.moods, order = ATLAS.layouts[layout];
  mask.hidden = !chosen && !moods;
  if (mask.hidden) return marks();
  mask.width = ATLAS.columns; mask.height = ATLAS.rows;
  const pen = mask.getContext("2d"), laid = pen.createImageData(mask.width, mask.height);
  const colours = ATLAS.moodNames.map(name => MOODS[name] && [...rgb(MOODS[name]), 0x66]), paled = [...rgb(PAPER), 0xd8];
  for (let place = 0; place < ATLAS.count; place++) {
    const picture = order ? order[place] : place;
    const one = chosen && !chosen[picture] ? paled : moods && colours[ATLAS.moods[picture]];
    if (one) laid.data.set(one, 4 * place);
  }
  pen.putImageData(laid, 0, 0);
  marks();
}

function rgb(colour) { return [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)); }

function marks() {
  const canvas = at("marks"), pen = canvas.getContext("2d");
  if (canvas.width !== innerWidth || canvas.height !== innerHeight) { canvas.width = innerWidth; canvas.height = innerHeight; }
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const item = viewer.world.getItemAt(0);
  if (mask.hidden || !item) return;
  const origin = viewer.viewport.pixelFromPoint(item.imageToViewportCoordinates(new OpenSeadragon.Point(0, 0)), true);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(mask, origin.x, origin.y, shownSide() * ATLAS.columns, shownSide() * ATLAS.rows);
}

function choose(test) {
  chosen = test && Uint8Array.from({ length: ATLAS.count }, (_, picture) => test(picture) ? 1 : 0);
  const count = chosen ? chosen.reduce((sum, one) => sum + one, 0) : ATLAS.count;
  at("found").textContent = chosen ? `${count} of ${ATLAS.count}` : `${ATLAS.count} pictures`;
  colour();
}

function goTo(picture) {
  const item = viewer.world.getItemAt(0), place = places[picture];
  const x = (place % ATLAS.columns) * ATLAS.side, y = Math.floor(place / ATLAS.columns) * ATLAS.side;
  const box = new OpenSeadragon.Rect(x - 3 * ATLAS.side, y - 3 * ATLAS.side, 7 * ATLAS.side, 7 * ATLAS.side);
  viewer.viewport.fitBounds(item.imageToViewportRectangle(box));
}

function save(picture) {
  if (picture < 0) return;
  const number = Math.floor(picture / ATLAS.chunk);
  if (!chunks.has(number)) {
    const script = document.createElement("script");
    script.src = `pictures/${number}.js`;
    script.onload = () => { script.remove(); save(picture); };
    document.head.append(script);
    return;
  }
  const link = document.createElement("a");
  link.href = chunks.get(number)[picture % ATLAS.chunk];
  const name = ATLAS.names ? ATLAS.names[picture].replace(/[^\p{L}\p{N} _-]/gu, "") : String(picture);
  link.download = `${name || picture}.png`;
  link.click();
}

// Called by the scripts in pictures/.
function atlasPictures(number, pictures) { chunks.set(number, pictures); }

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen(); else document.documentElement.requestFullscreen();
}

function letGo() { if (holding) { clearTimeout(holding.timer); cancelAnimationFrame(holding.frame); holding = null; } }

viewer.addHandler("canvas-press", event => {
  letGo();
  const start = event.position;
  holding = { frame: 0, timer: setTimeout(() => {
    const point = viewer.viewport.pointFromPixel(start);
    let before = performance.now();
    const zoom = now => {
      viewer.viewport.zoomBy(HOLD_SPEED ** ((now - before) / 1000 * 2), point, true);
      before = now;
      holding.frame = requestAnimationFrame(zoom);
    };
    if (holding) holding.frame = requestAnimationFrame(zoom);
  }, HOLD_MS) };
});
viewer.addHandler("canvas-release", letGo);
viewer.addHandler("canvas-drag", letGo);
viewer.addHandler("canvas-double-click", fullScreen);
viewer.addHandler("canvas-key", event => { event.preventDefaultAction = true; });
viewer.addHandler("update-viewport", () => { lens(); marks(); });
viewer.addHandler("open", () => { colour(); document.documentElement.dataset.open = layout; });
viewer.addHandler("tile-drawn", () => { document.documentElement.dataset.drawn = layout; });
addEventListener("resize", marks);
at("map").addEventListener("pointermove", event => { pointer = new OpenSeadragon.Point(event.clientX, event.clientY); lens(); });
at("map").addEventListener("pointerleave", () => { pointer = null; lens(); });
at("map").addEventListener("contextmenu", event => {
  event.preventDefault();
  save(pictureAt(new OpenSeadragon.Point(event.clientX, event.clientY)));
});
document.addEventListener("keydown", event => {
  if (event.target.matches("input[type=search], select, input[type=range]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in arrows) {
    const size = viewer.viewport.getBounds(), [x, y] = arrows[key];
    viewer.viewport.panBy(new OpenSeadragon.Point(x * PAN * size.width, y * PAN * size.height));
    event.preventDefault();
  } else if (key === "f") fullScreen();
  else if (key === "s") save(hovered);
});

document.title = at("title").textContent = ATLAS.title;
const labels = { order: ATLAS.epochs.length ? "by time" : "in order", likeness: "by likeness" };
for (const name of Object.keys(ATLAS.layouts)) at("layout").add(new Option(labels[name], name));
at("layout").addEventListener("change", event => show(event.target.value));
at("search-label").hidden = !ATLAS.names;
at("moods-label").hidden = !ATLAS.moods;
at("epoch-label").hidden = !ATLAS.epochs.length;
at("moods").addEventListener("change", colour);
at("search").addEventListener("input", event => {
  at("epoch").value = 0; at("epoch-name").textContent = "all";
  const wanted = event.target.value.trim().toLowerCase();
  choose(wanted ? picture => ATLAS.names[picture].toLowerCase().includes(wanted) : null);
});
at("search").addEventListener("keydown", event => {
  if (event.key === "Enter" && chosen && chosen.indexOf(1) >= 0) goTo(chosen.indexOf(1));
});
at("epoch").max = ATLAS.epochs.length;
at("epoch").addEventListener("input", event => {
  at("search").value = "";
  const number = Number(event.target.value);
  at("epoch-name").textContent = number ? String(number) : "all";
  if (!number) return choose(null);
  const first = ATLAS.epochs[number - 1], end = number < ATLAS.epochs.length ? ATLAS.epochs[number] : ATLAS.count;
  choose(picture => picture >= first && picture < end);
});
choose(null);
show(layout);
