// The report: the player, the timeline and the list follow each other. Everything to read is in the page without it.
"use strict";

const SECOND = (value) => (value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)}:${(value % 60).toFixed(1).padStart(4, "0")}`);

/** The index of the last of rising `times` that is not after `now`; -1 if all are. */
function lastBefore(times, now) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= now + 1e-6) low = middle + 1; else high = middle;
  }
  return low - 1;
}

/** A box at a time between two views of a face; null where the face is not seen. */
function boxAt(face, boxes, now) {
  const at = lastBefore(face.times, now);
  if (at < 0 || now - face.times[at] > face.step) return null;
  const next = Math.min(at + 1, boxes.length - 1);
  const span = face.times[next] - face.times[at];
  const part = span > 0 && span <= face.step ? (now - face.times[at]) / span : 0;
  return boxes[at].map((value, side) => value + part * (boxes[next][side] - value));
}

function show(recording) {
  if (recording.dataset.shown) return;
  recording.dataset.shown = "yes";
  const find = (selector) => recording.querySelector(selector);
  const data = JSON.parse(find("script.data").textContent);
  const media = find("video, audio"), slider = find(".seek input"), overlay = find(".overlay");
  const playhead = find(".playhead"), readout = find(".readout"), clock = find(".now"), boxes = find(".boxes");
  const sheets = new Map([...recording.querySelectorAll("img.sheet")].map((sheet) => [sheet.dataset.track, sheet]));
  let now = 0, playable = false;

  for (const face of data.faces) {
    // A face that is not looked at for longer than this is not seen.
    face.step = 1.5 * Math.max(0.2, ...face.times.slice(1, 4).map((time, index) => time - face.times[index]));
  }

  function drawBoxes() {
    if (!boxes) return;
    boxes.replaceChildren();
    for (const face of data.faces) {
      const box = boxAt(face, face.boxes, now);
      if (!box) continue;
      const shape = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const name = document.createElementNS("http://www.w3.org/2000/svg", "text");
      const [left, top, right, bottom] = box, size = data.height / 18;
      Object.entries({ x: left, y: top, width: right - left, height: bottom - top }).forEach(([key, value]) => shape.setAttribute(key, value));
      Object.entries({ x: left, y: top - size / 3, "font-size": size }).forEach(([key, value]) => name.setAttribute(key, value));
      name.textContent = `face ${face.track}`;
      boxes.append(shape, name);
    }
  }

  function drawMouths() {
    for (const face of data.faces) {
      const canvas = find(`canvas[data-track="${face.track}"]`), pen = canvas.getContext("2d");
      const box = boxAt(face, face.mouth_boxes, now), sheet = sheets.get(String(face.track));
      pen.clearRect(0, 0, canvas.width, canvas.height);
      if (!box) continue;
      if (playable && media.videoWidth) {
        const scale = media.videoWidth / data.width;
        pen.drawImage(media, box[0] * scale, box[1] * scale, (box[2] - box[0]) * scale, (box[3] - box[1]) * scale, 0, 0, canvas.width, canvas.height);
      } else if (sheet.complete && sheet.naturalWidth) {
        const at = lastBefore(face.times, now), side = sheet.naturalWidth / face.columns;
        pen.drawImage(sheet, (at % face.columns) * side, Math.floor(at / face.columns) * side, side, side, 0, 0, canvas.width, canvas.height);
      }
    }
  }

  function words(time) {
    const said = data.lanes.flatMap((lane) => {
      const window = lane.windows.find(([start, end]) => start <= time && time < end);
      if (!window) return [];
      const [start, end, score, p] = window;
      return [`${lane.name} ${SECOND(start)} to ${SECOND(end)}: score ${score.toFixed(2)}${p === null ? "" : `, p = ${p < 0.1 ? p.toFixed(3) : p.toFixed(2)}`}`];
    });
    return [SECOND(time), ...said].join("  ·  ");
  }

  function draw() {
    playhead.style.left = `${(100 * Math.min(now, data.length)) / data.length}%`;
    clock.textContent = SECOND(now);
    slider.value = now;
    slider.setAttribute("aria-valuetext", SECOND(now));
    drawBoxes();
    drawMouths();
  }

  function seek(time) {
    now = Math.max(0, Math.min(time, data.length));
    if (playable) media.currentTime = now;
    readout.textContent = words(now);
    draw();
  }

  function follow() {
    now = media.currentTime;
    draw();
    if (!media.paused && !media.ended) requestAnimationFrame(follow);
  }

  const timeAt = (event) => {
    const place = overlay.getBoundingClientRect();
    return (data.length * (event.clientX - place.left)) / place.width;
  };
  overlay.addEventListener("pointerdown", (event) => { seek(timeAt(event)); slider.focus({ preventScroll: true }); });
  overlay.addEventListener("pointermove", (event) => {
    if (event.buttons) seek(timeAt(event)); else readout.textContent = words(timeAt(event));
  });
  overlay.addEventListener("pointerleave", () => { readout.textContent = words(now); });
  slider.addEventListener("input", () => seek(Number(slider.value)));
  for (const button of recording.querySelectorAll("button[data-time]")) {
    button.addEventListener("click", () => { seek(Number(button.dataset.time)); slider.focus({ preventScroll: true }); });
  }
  const choice = find("select.whose");
  choice?.addEventListener("change", () => {
    for (const item of recording.querySelectorAll(".segments li")) item.hidden = choice.value !== "" && item.dataset.whose !== choice.value;
  });
  for (const sheet of sheets.values()) sheet.addEventListener("load", draw);

  if (media) {
    const without = () => {
      playable = false;
      media.hidden = true;
      find(".screen > img")?.removeAttribute("hidden");
      find(".unplayable").hidden = false;
    };
    media.addEventListener("loadedmetadata", () => { playable = true; seek(now); });
    media.addEventListener("error", without);
    for (const event of ["play", "seeked", "timeupdate"]) media.addEventListener(event, follow);
    const [head, body] = media.getAttribute("src").split(",");
    if (head.startsWith("data:")) {  // some browsers cannot seek in such an address
      const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
      media.src = URL.createObjectURL(new Blob([bytes], { type: head.slice(5, head.indexOf(";")) }));
    }
    media.preload = "metadata";
    media.load();
  }
  seek(Math.max(0, Math.min(...data.faces.map((face) => face.times[0]), data.length) % data.length));
}

/** Put what a recording of the list has to show in its place: hundreds of them would take long to draw. */
function unfold(recording) {
  const folded = recording.querySelector("template");
  if (folded) folded.replaceWith(folded.content);
  if (recording.querySelector("script.data")) show(recording);
}

for (const recording of document.querySelectorAll(".recording")) {
  if (recording.tagName === "DETAILS") recording.addEventListener("toggle", () => recording.open && unfold(recording));
  else unfold(recording);
}

// The list of several files.
const list = document.querySelector(".list"), controls = document.querySelector(".controls");
if (controls) {
  controls.hidden = false;
  const [words, verdict, order] = ["words", "verdict", "order"].map((name) => controls.querySelector(`[name="${name}"]`));
  const rows = [...list.children], count = document.querySelector(".count");
  const number = (row) => (row.dataset.p === "" ? Infinity : Number(row.dataset.p));
  const orders = {
    given: (one, other) => one.dataset.place - other.dataset.place,
    p: (one, other) => number(one) - number(other) || one.dataset.place - other.dataset.place,
    name: (one, other) => one.dataset.name.localeCompare(other.dataset.name),
    verdict: (one, other) => one.dataset.rank - other.dataset.rank || number(one) - number(other),
  };
  const sift = () => {
    const wanted = words.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.dataset.name.toLowerCase().includes(wanted) || (verdict.value !== "" && row.dataset.verdict !== verdict.value);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} shown`;
  };
  words.addEventListener("input", sift);
  verdict.addEventListener("change", sift);
  order.addEventListener("change", () => list.append(...rows.sort(orders[order.value])));
  sift();
}

// On paper everything is open.
const closed = [];
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.recording").forEach(unfold);
  for (const part of document.querySelectorAll("details:not([open])")) { closed.push(part); part.open = true; }
});
addEventListener("afterprint", () => { while (closed.length) closed.pop().open = false; });
