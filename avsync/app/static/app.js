"use strict";

// The server keeps the queue and the results. This page asks it what has changed, so a reload loses nothing but the
// uploads under way. Names and sentences are text: nothing here writes markup.

const STAGES = {
  opening: "opening the file",
  speech: "listening for speech",
  faces: "following faces",
  voice: "listening to the voice",
  drawing: "drawing the report",
};
const MARKS = { consistent: "✓", suspicious: "!", cannot_judge: "?", measured: "=" };
const BUSY_MS = 400, IDLE_MS = 3000; // between two questions
const AT_ONCE = 2; // uploads
const MB = 1e6;

const find = (selector, inside = document) => inside.querySelector(selector);
const queue = find("#queue"), results = find("#results"), drop = find("#drop");
const rows = new Map(); // by id, those in the queue
const cards = new Map(); // by id, those with a result
const turns = []; // uploads that wait, as functions
let uploading = 0, seen = "", largest = Infinity, timer = 0, ended = false;

// --- what the server says ---

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch(`items?seen=${seen}`);
    if (answer.status === 403) return end("This page is locked. Open the address that avsync printed when it started.");
    if (answer.status === 200) show(await answer.json());
  } catch {
    return end("avsync has ended. Start it again to go on.");
  }
  if (!ended) timer = setTimeout(refresh, rows.size + uploading ? BUSY_MS : IDLE_MS);
}

function show({ version, items, max_upload }) {
  seen = version;
  largest = max_upload;
  find("#limit").textContent = `A file may have up to ${megabytes(largest)}.`;
  const present = new Set(items.map((item) => item.id));
  for (const shown of [rows, cards]) {
    for (const [id, element] of shown) {
      if (present.has(id)) continue;
      shown.delete(id);
      discard(element);
    }
  }
  const isOver = (item) => item.state === "done" || item.state === "failed";
  items.filter((item) => !isOver(item)).forEach(showRow);
  items.filter(isOver).sort((a, b) => a.finished - b.finished).forEach(showCard);
  tidy();
}

function showRow(item) {
  if (!rows.has(item.id)) rows.set(item.id, newRow(item.name, () => remove(item.id)));
  const working = item.state === "working";
  const known = working && item.total > 0 && item.stage !== "opening";
  const done = known ? `, ${Math.round(item.seconds)} of ${Math.round(item.total)} s` : "";
  tell(rows.get(item.id), working ? STAGES[item.stage] + done : "waiting", known ? item.seconds / item.total : working ? null : 0);
}

function showCard(item) {
  if (cards.has(item.id)) return;
  const row = rows.get(item.id);
  const card = newCard(item);
  cards.set(item.id, card);
  find("ul", results).prepend(card);
  if (!row) return;
  results.hidden = false;
  if (row.contains(document.activeElement)) find(".name", card).focus();
  find("#live").textContent = `${item.name}: ${item.label || "failed"}. ${item.sentence || item.error}.`;
  row.remove();
  rows.delete(item.id);
}

// --- what is seen ---

function newRow(name, cancel) {
  const row = find("#row").content.cloneNode(true).firstElementChild;
  find(".name", row).textContent = name;
  find("progress", row).setAttribute("aria-label", `Progress of ${name}`);
  find(".remove", row).setAttribute("aria-label", `Cancel ${name}`);
  find(".remove", row).onclick = () => cancel();
  find("ul", queue).append(row);
  tidy();
  return row;
}

// Says how far a row is; `share` is from 0 to 1, or null while nobody knows.
function tell(row, words, share) {
  find(".status", row).textContent = words;
  const bar = find("progress", row);
  if (share === null) bar.removeAttribute("value");
  else bar.value = Math.min(1, share);
}

function newCard(item) {
  const card = find("#result").content.cloneNode(true).firstElementChild;
  card.classList.add(item.verdict || "failed");
  find(".verdict", card).textContent = `${MARKS[item.verdict] || "×"} ${item.label || "failed"}`;
  find(".name", card).textContent = item.name;
  find(".sentence", card).textContent = item.sentence && `${capital(item.sentence)}.`;
  find(".error", card).textContent = item.error && `${capital(item.error)}.`;
  find(".error", card).hidden = !item.error;
  find("time", card).textContent = new Date(item.finished * 1000).toLocaleString();
  find(".remove", card).setAttribute("aria-label", `Remove ${item.name}`);
  find(".remove", card).onclick = () => remove(item.id);
  for (const kind of ["HTML", "JSON", "CSV"]) {
    const link = find(`a.${kind.toLowerCase()}`, card);
    link.href = `items/${item.id}/report.${kind.toLowerCase()}`;
    link.setAttribute("aria-label", `${kind} report on ${item.name}`);
  }
  find(".save", card).hidden = find(".open", card).hidden = !item.verdict;
  find(".open", card).onclick = () => toggle(card, item);
  if (item.picture) {
    find(".picture", card).src = `items/${item.id}/picture`;
    find(".picture", card).hidden = false;
  }
  return card;
}

function toggle(card, item) {
  const report = find(".report", card), button = find(".open", card);
  report.hidden = !report.hidden;
  button.setAttribute("aria-expanded", String(!report.hidden));
  button.textContent = report.hidden ? "Show the report" : "Hide the report";
  if (report.firstChild) return;
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts"; // a world of its own: it reaches neither this page nor the server
  frame.title = `Report on ${item.name}`;
  frame.src = `items/${item.id}/report`;
  const alone = document.createElement("a");
  alone.href = frame.src;
  alone.target = "_blank";
  alone.textContent = "Open it in a tab of its own";
  const line = document.createElement("p");
  line.append(alone);
  report.append(frame, line);
}

function notice(words) {
  const shown = find("#notice").content.cloneNode(true).firstElementChild;
  find("span", shown).textContent = words;
  find("button", shown).onclick = () => {
    shown.remove();
    find("#choose").focus();
  };
  find("#notices").append(shown);
}

// Takes a row or card away. Who was in it with the keyboard goes to the title above.
function discard(element) {
  if (element.contains(document.activeElement)) find("h2", element.closest("section")).focus();
  element.remove();
  tidy();
}

function tidy() {
  for (const section of [queue, results]) {
    const empty = !find("li", section);
    if (empty && section.contains(document.activeElement)) find("#choose").focus();
    section.hidden = empty;
  }
}

function end(words) {
  ended = true;
  const line = document.createElement("p");
  line.className = "large ended";
  line.setAttribute("role", "status");
  line.textContent = words;
  find("main").replaceChildren(line);
  find("#quit").hidden = true;
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
const megabytes = (bytes) => `${Math.ceil(bytes / MB).toLocaleString("en")} MB`;

// --- what the user does ---

async function remove(id) {
  await fetch(`items/${id}`, { method: "DELETE" }).catch(() => {});
  refresh();
}

function upload(file) {
  if (file.size > largest) {
    return notice(
      `${file.name} was not taken: it has ${megabytes(file.size)}, and a file may have up to ${megabytes(largest)}. ` +
        "avsync app --max-upload allows more.",
    );
  }
  const request = new XMLHttpRequest();
  let givenUp = false;
  const row = newRow(file.name, () => {
    givenUp = true;
    request.abort();
    discard(row);
  });
  tell(row, "waiting to be copied", 0);
  turns.push(() => {
    if (givenUp) return next();
    uploading += 1;
    request.open("POST", `items?${new URLSearchParams({ name: file.name })}`);
    request.upload.onprogress = ({ loaded, total }) => tell(row, "copying", loaded / total);
    request.onload = () => taken(request, row, file);
    request.onerror = () => refused(row, `${file.name} was not taken: it could not be read or sent.`);
    request.onloadend = () => {
      uploading -= 1;
      next();
    };
    request.send(file);
  });
  next();
}

function next() {
  if (uploading < AT_ONCE && turns.length) turns.shift()();
}

function taken(request, row, file) {
  if (request.status !== 201) return refused(row, `${file.name} was not taken. ${reason(request)}`);
  const item = JSON.parse(request.responseText);
  if (rows.has(item.id) || cards.has(item.id)) return discard(row); // a question was faster than this answer
  find(".remove", row).onclick = () => remove(item.id);
  rows.set(item.id, row);
  showRow(item);
  refresh();
}

function refused(row, words) {
  discard(row);
  notice(words);
}

function reason(request) {
  try {
    return JSON.parse(request.responseText).error;
  } catch {
    return "The server refused it.";
  }
}

function uploadAll(files) {
  for (const file of files) upload(file);
}

find("#choose").onclick = () => find("#files").click();
find("#files").onchange = (event) => {
  uploadAll(event.target.files);
  event.target.value = ""; // so that the same file can be chosen again
};
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  for (const entry of event.dataTransfer.items) {
    if (entry.kind !== "file") continue;
    if (entry.webkitGetAsEntry()?.isDirectory) notice(`${entry.getAsFile().name} is a folder. Drop the files in it.`);
    else upload(entry.getAsFile());
  }
});
addEventListener("beforeunload", (event) => {
  if (uploading) event.preventDefault();
});
find("#quit").onclick = async () => {
  await fetch("quit", { method: "POST" }).catch(() => {});
  clearTimeout(timer);
  end("avsync has ended, and the copies are deleted. You can close this page.");
};

refresh();
