// The page: frames go to the server one at a time, what the networks see comes back as bars.

import { element, makeCard } from "./bars.js";
import { Camera } from "./camera.js";
import { Meter } from "./meter.js";

const AGREE_OVER = 100, SPEAK_MS = 3000, AGAIN_MS = 1000, WAIT_MS = 10000;
const find = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

let about, cards = [], shown = 0, paused = false, still = null, running = false;
let agreed = [], spokenAt = 0, spoken = "", serverGone = false, cameraFault = null;
const camera = new Camera(find("video")), meter = new Meter(find);

async function ask(path, body, type) {
  const answer = await fetch(path, { method: body ? "POST" : "GET", body, headers: body ? { "content-type": type } : {},
    signal: AbortSignal.timeout(WAIT_MS) });
  const told = await answer.json().catch(() => ({ error: `the server answers ${answer.status}` }));
  if (!answer.ok) throw Object.assign(new Error(told.error), { status: answer.status });
  return told;
}

async function start() {
  try { about = await ask("/about"); } catch { return gone(start); }
  message(null);
  cards = about.networks.map((each, number) => makeCard(each, number, about.top));
  find("cards").replaceChildren(...cards.map((each) => each.card));
  const names = about.networks.map((each) => each.name);
  if (names.length > 1) {
    names.push("Side by side");
    const options = names.map((name, number) => {
      const label = element("label", "", name), input = element("input");
      Object.assign(input, { type: "radio", name: "networks", value: number });
      input.addEventListener("change", () => choose(number));
      label.prepend(input);
      return label;
    });
    find("choice").append(...options);
    find("choice").hidden = false;
  } else document.querySelector(".both").hidden = true;
  find("invert-label").hidden = !about.networks.some((each) => each.channels === 1 && each.dark);
  find("invert").checked = !find("invert-label").hidden;
  choose(names.length - 1);
  await openCamera();
}

function choose(number) {
  const count = cards.length + (cards.length > 1 ? 1 : 0);
  shown = (number + count) % count;
  cards.forEach((each, place) => { each.card.hidden = !networks().includes(place); });
  document.body.classList.toggle("together", networks().length > 1);
  const inputs = find("choice").querySelectorAll("input");
  if (inputs.length) inputs[shown].checked = true;
  agreed = [];
  find("agree").hidden = networks().length < 2;
  find("agree").textContent = "";
  meter.clear();
  if (still) sendStill(); else if (paused) showPaused();
}

const networks = () => (shown < cards.length ? [shown] : cards.map((_, place) => place));

async function openCamera(device) {
  cameraFault = null;
  try {
    await camera.open(device);
    const list = await camera.list();
    const options = list.map((each, place) => new Option(each.label || `Camera ${place + 1}`, each.deviceId));
    find("cameras").replaceChildren(...options);
    find("cameras").value = camera.stream.getVideoTracks()[0].getSettings().deviceId;
    find("cameras-label").hidden = list.length < 2;
    camera.stream.getVideoTracks()[0].addEventListener("ended", () => fault({ title: "The camera is gone", text: "Connect it, then try again." }));
    message(null);
    run();
  } catch (error) { fault(error.title ? error : { title: "The camera cannot be opened", text: String(error.message) }); }
}

function fault(words) {
  cameraFault = words;
  if (!still) message(words, () => openCamera());
}

async function run() {
  if (running) return;
  running = true;
  while (camera.isLive || camera.stream?.active) {
    if (paused || still || serverGone || document.hidden || !camera.isLive) { await pause(50); continue; }
    await camera.next();
    const taken = performance.now(), of = networks();
    try {
      const told = await askFrame(of);
      if (!told) { await pause(50); continue; }
      if (paused || still || of.join() !== networks().join()) continue;
      const now = performance.now();
      draw(told, now);
      meter.add(now, now - taken, told.networks.reduce((sum, each) => sum + each.ms, 0));
    } catch (error) {
      if (error.status === 429 || error.status === 503) await pause(200);
      else if (error.status) { await pause(AGAIN_MS); }
      else gone(null);
    }
  }
  running = false;
}

async function askFrame(of) {
  const size = Math.max(...of.map((place) => about.networks[place].size));
  const body = await camera.grab(size, find("invert").checked);
  return body && ask(`/frame?of=${of.join(",")}`, body, "image/jpeg");
}

// What the frame that stands still shows, not smoothed over those before it.
async function showPaused() {
  try {
    const told = camera.isLive && await askFrame(networks());
    if (told && paused && !still) draw(told, 0);
  } catch (error) { if (!error.status) gone(null); }
}

function draw(told, now) {
  for (const each of told.networks) cards[each.network].show(each.top, now);
  if (told.networks.length > 1) {
    const [one, two] = told.networks.map((each) => each.top[0][0]);
    agreed.push(one === two);
    if (agreed.length > AGREE_OVER) agreed.shift();
    const share = Math.round(100 * agreed.filter(Boolean).length / agreed.length);
    find("agree").textContent = now ? `Both say the same in ${share} % of the last ${agreed.length} frames.`
      : one === two ? "Both say the same." : "They say different things.";
  }
  const best = cards[networks()[0]].best();
  if (best !== spoken && (!now || now - spokenAt > SPEAK_MS)) {
    spoken = best;
    spokenAt = now;
    find("spoken").textContent = best;
  }
}

async function showStill(file) {
  if (!about) return;
  if (!about.types.includes(file.type)) return refuse(`${file.name}: give a JPEG, PNG, WebP, GIF or BMP image.`);
  if (file.size > about.most) return refuse(`${file.name}: has more than ${Math.round(about.most / 2 ** 20)} MiB.`);
  if (still) URL.revokeObjectURL(still.url);
  still = { file, url: URL.createObjectURL(file) };
  Object.assign(find("still"), { src: still.url, alt: file.name, hidden: false });
  find("badge").textContent = file.name;
  find("badge").hidden = find("live").hidden = false;
  find("pause").disabled = true;
  message(null);
  meter.clear();
  await sendStill();
}

async function sendStill() {
  try {
    const told = await ask(`/image?of=${networks().join(",")}`, still.file, still.file.type);
    agreed = [];
    draw(told, 0);
  } catch (error) {
    if (error.status) refuse(`${still.file.name}: ${error.message}.`);
    else gone(null);
  }
}

function refuse(text) { message({ title: "This image cannot be read", text }, backToCamera, "Back"); }

function backToCamera() {
  if (still) URL.revokeObjectURL(still.url);
  still = null;
  find("still").hidden = find("badge").hidden = find("live").hidden = true;
  find("still").removeAttribute("src");
  find("pause").disabled = false;
  agreed = [];
  meter.clear();
  if (cameraFault) fault(cameraFault); else message(null);
}

// The server does not answer: say so, and ask again until it does.
function gone(then) {
  if (serverGone) return;
  serverGone = true;
  meter.clear();
  const again = async () => {
    try { await ask("/about"); } catch { return false; }
    serverGone = false;
    message(null);
    if (then) then(); else if (still) sendStill(); else if (cameraFault) fault(cameraFault);
    return true;
  };
  message({ title: "The server does not answer", text: "It may have been stopped. The page asks again every second." }, again);
  (async () => { while (serverGone && !(await again())) await pause(AGAIN_MS); })();
}

let onRetry = null;
function message(words, retry, label = "Try again") {
  find("message").hidden = !words;
  if (!words) return;
  find("message-title").textContent = words.title;
  find("message-text").textContent = words.text;
  find("retry").textContent = label;
  onRetry = retry;
}

function togglePause() {
  if (still) return;
  paused = !paused;
  find("pause").textContent = paused ? "Go on" : "Pause";
  meter.clear();
  if (paused) { camera.video.pause(); showPaused(); } else if (camera.stream) camera.video.play();
}

find("pause").addEventListener("click", togglePause);
find("open").addEventListener("click", () => find("file").click());
find("live").addEventListener("click", backToCamera);
find("retry").addEventListener("click", () => onRetry?.());
find("cameras").addEventListener("change", (event) => openCamera(event.target.value));
find("file").addEventListener("change", (event) => {
  if (event.target.files[0]) showStill(event.target.files[0]);
  event.target.value = "";
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !about) return;
  const on = event.target.closest("button, select, input:not([type=radio])");
  const last = cards.length > 1 ? cards.length : 0;
  const keys = {
    " ": () => !on && togglePause(), s: () => choose(shown + 1), d: () => find("file").click(), i: () => find("invert").click(),
    ArrowLeft: () => !on && choose(shown - 1), ArrowRight: () => !on && choose(shown + 1),
    1: () => choose(0), 2: () => last && choose(1), 3: () => last && choose(2), Escape: () => still && backToCamera(),
  };
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act && act() !== false) event.preventDefault();
});

let inside = 0;
const drag = (event, change) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  inside = change(inside);
  document.body.classList.toggle("dropping", inside > 0);
};
document.addEventListener("dragenter", (event) => drag(event, (n) => n + 1));
document.addEventListener("dragover", (event) => drag(event, (n) => n));
document.addEventListener("dragleave", (event) => drag(event, (n) => n - 1));
document.addEventListener("drop", (event) => {
  drag(event, () => 0);
  if (event.dataTransfer.files[0]) showStill(event.dataTransfer.files[0]);
});

start();
