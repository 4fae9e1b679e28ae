// The page's part of fernb.widgets.webcam: camera, pacing of frames, drawing. See webcam.py for the kernel's part.
// The engine belongs to the widget (camera, frames on their way); views only show it.

const VERSION = 2; // of the messages; webcam.py has the same
const MIN_GAP = 25; // ms between two frames: no more than a camera's 30 a second
const QUICK = 30; // ms of reading below which a second frame may be on its way: a slow kernel would only delay it
const NUDGE = 14; // ms after a frame: see nudge()
const SLOW = 3000; // ms without an answer until it is said
const GIVE_UP = 30000; // ms without an answer until the camera goes off
const OLD = 1500; // ms after which an answer is drawn no more
const MISSED = 400; // ms for which a face that the detector misses keeps its box
const STRIP = 30000; // ms in the strip chart
const MAX_STRIPS = 3; // people in it
const SPEAK = 3000; // ms between two texts for screen readers while the camera runs
const SNAPSHOT_SIDE = 1920;
const BAR = 17; // pixels of a probability bar with its name
const NARROW = 400; // pixels of the page's column

const TEXT = {
  idle: "The camera is off.",
  asking: "Asking for the camera: answer the browser's question near the address bar.",
  running: "The camera is on.",
  hidden: "This tab is hidden: the camera is on, but no pictures are sent.",
  slow: "The kernel is busy: waiting for its answer. Pictures in between are dropped.",
  noanswer: "The kernel did not answer for 30 seconds, so the camera is off. Start it again when the kernel is free.",
  lost: "The kernel was restarted or has stopped, so the camera is off. Run this cell again.",
  denied: "The browser refused the camera. Allow it for this page (the sign near the address), then start again.",
  nocamera: "No camera was found. Plug one in and start again, or use fernb.widgets.photo.PhotoUpload() with a photograph.",
  inuse: "Another program uses the camera. Close it, then start again.",
  insecure: "Browsers give the camera to secure pages only: open JupyterLab by https, or on localhost (SSH tunnel).",
  ended: "The camera was unplugged or taken away. Start again.",
  error: "The camera could not be started.",
};
const ERRORS = {
  NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "nocamera", OverconstrainedError: "nocamera",
  NotReadableError: "inuse", AbortError: "inuse",
};
const LIVE = new Set(["running", "hidden", "slow"]);

// --- the engine -------------------------------------------------------------------------------------

class Engine {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.settings = { ...model.get("start_settings") };
    this.mirror = true;
    this.state = "idle";
    this.detail = "";
    this.last = null; // the last answer, for its counts
    this.cameras = [];
    this.camera = "";
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.sheet = document.createElement("canvas");
    this.page = Math.random().toString(36).slice(2); // two pages may show one widget
    this.count = 0;
    this.seq = 0;
    this.forget();
  }

  forget() {
    this.run = `${this.page}-${++this.count}`;
    this.sent = new Map(); // the frames on their way: seq -> time
    this.depth = 1; // how many there may be
    this.sentAt = -Infinity; // when the last one went
    this.result = null;
    this.drawn = []; // boxes on the picture
    this.history = []; // {at, boxes} of the last 30 s
    this.answers = []; // {at, delay} of the last 2 s
  }

  set(state, detail = "") {
    this.state = state;
    this.detail = detail;
    for (const view of this.views) view.update();
  }

  async start() {
    this.release();
    this.forget();
    const run = this.run;
    if (!window.isSecureContext || !navigator.mediaDevices) return this.set("insecure");
    this.set("asking");
    const size = { width: { ideal: 640 }, height: { ideal: 480 } };
    const wanted = this.camera ? { ...size, deviceId: { exact: this.camera } } : { ...size, facingMode: "user" };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      const known = ERRORS[error.name];
      if (run === this.run) this.set(known ?? "error", known ? "" : error.message);
      return;
    }
    if (run !== this.run) return stop(stream); // stopped while the browser asked
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => run === this.run && this.off("ended"));
    this.camera = track.getSettings().deviceId ?? this.camera;
    this.video.srcObject = stream;
    this.watch = setInterval(() => this.look(), 250);
    this.set("running");
    this.list(run);
    try {
      await this.video.play();
    } catch {
      return; // stopped at once
    }
    this.listen(run);
  }

  async list(run) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (run !== this.run) return;
    this.cameras = devices.filter((device) => device.kind === "videoinput");
    for (const view of this.views) view.update();
  }

  release() {
    clearInterval(this.watch);
    if (this.stream) stop(this.stream);
    this.stream = this.video.srcObject = null;
    this.sent.clear();
    this.result = null;
  }

  off(state = "idle", detail = "") {
    this.run = `${this.page}-${++this.count}`; // answers on their way count no more
    this.release();
    this.set(state, detail);
  }

  // Offer each new picture of the camera.
  listen(run) {
    nextPicture(this.video, () => {
      if (run !== this.run) return;
      this.send(run);
      this.listen(run);
    });
  }

  // Two frames on their way at most, each the newest there was: nothing can queue.
  send(run) {
    const at = performance.now();
    if (this.sent.size >= this.depth || document.hidden || !this.video.videoWidth || at - this.sentAt < MIN_GAP) return;
    const seq = ++this.seq;
    this.sent.set(seq, at);
    this.sentAt = at;
    const snapshot = this.settings.snapshot;
    const { videoWidth: w, videoHeight: h } = this.video;
    const width = Math.min(w, snapshot ? SNAPSHOT_SIDE : this.model.get("width"));
    Object.assign(this.sheet, { width, height: Math.max(1, Math.round((h * width) / w)) });
    this.sheet.getContext("2d", { willReadFrequently: true }).drawImage(this.video, 0, 0, this.sheet.width, this.sheet.height);
    // toBlob would wait until the page is idle: 8 ms more in JupyterLab
    const [, jpeg] = this.sheet.toDataURL("image/jpeg", snapshot ? 0.92 : 0.8).split("base64,");
    if (!jpeg) return this.off("error", "The browser made no picture.");
    const bytes = Uint8Array.from(atob(jpeg), (letter) => letter.charCodeAt(0));
    this.settings.snapshot = false;
    this.model.send({ type: "frame", v: VERSION, page: this.page, run, seq, ...this.settings, snapshot }, undefined, [bytes.buffer]);
    if (this.depth > 1) setTimeout(() => this.nudge(run, seq), NUDGE);
  }

  // Jupyter's server holds the answer back until the browser has acknowledged the kernel's "busy" before it (Nagle's
  // algorithm), and the browser lets 40 ms pass before it does, unless it has something to send: so it gets something.
  nudge(run, seq) {
    if (run === this.run && this.sent.has(seq)) this.model.send({ type: "nudge", v: VERSION });
  }

  receive(message) {
    if (message.type === "stop") return this.off();
    const at = this.sent.get(message.seq);
    if (message.run !== this.run || at === undefined) return;
    const now = performance.now();
    for (const seq of [...this.sent.keys()]) if (seq <= message.seq) this.sent.delete(seq); // an older answer was lost
    this.depth = message.ms < QUICK ? 2 : 1;
    if (message.v !== VERSION || message.type !== "result") {
      this.result = null;
      if (message.message !== this.detail) this.set("running", message.message ?? "The kernel's answer is of another version.");
      return;
    }
    this.answers = [...this.answers.filter((one) => now - one.at < 2000), { at: now, delay: now - at }];
    this.history = [...this.history.filter((one) => now - one.at < STRIP + 1000), { at: now, boxes: message.boxes }];
    this.last = message;
    this.result = { ...message, at: now, delay: now - at };
    this.drawn = this.kept(message.boxes, now);
    const state = document.hidden ? "hidden" : "running";
    if (this.state !== state || this.detail) this.set(state);
    for (const view of this.views) view.show(this.result);
  }

  // The boxes to draw: the new ones, and those of people who were missed for a moment only.
  kept(boxes, now) {
    const here = new Set(boxes.map((box) => box.person));
    const missed = this.drawn.filter((box) => !here.has(box.person) && now - box.at < MISSED);
    return [...boxes.map((box) => ({ ...box, at: now })), ...missed];
  }

  // Four times a second: is the kernel there, is the tab in sight?
  look() {
    const [oldest] = this.sent.values();
    const waited = oldest === undefined ? 0 : performance.now() - oldest;
    if (waited > GIVE_UP) return this.off("noanswer");
    const state = document.hidden ? "hidden" : waited > SLOW ? "slow" : "running";
    if (state !== this.state) this.set(state, state === "running" ? this.detail : "");
    for (const view of this.views) view.tick();
  }

  rate() {
    const { answers } = this;
    const span = answers.length > 1 ? answers.at(-1).at - answers[0].at : 0;
    const delays = answers.map((one) => one.delay).sort((a, b) => a - b);
    return span ? { rate: (1000 * (answers.length - 1)) / span, delay: delays[delays.length >> 1] } : null;
  }

  // Who was seen most in the strip's time, and more than for a moment.
  people() {
    const seen = new Map();
    for (const { boxes } of this.history) for (const { person } of boxes) seen.set(person, (seen.get(person) ?? 0) + 1);
    const most = [...seen].filter(([, times]) => times > 2).sort((a, b) => b[1] - a[1]);
    return most.slice(0, MAX_STRIPS).map(([person]) => person).sort((a, b) => a - b);
  }
}

// Calls back once when the camera has a new picture; older browsers cannot tell.
function nextPicture(video, act) {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(act);
  else setTimeout(act, 1000 / 30);
}

const stop = (stream) => stream.getTracks().forEach((track) => track.stop());

// --- a view -----------------------------------------------------------------------------------------

const MARKUP = `
  <div class="stage off"><video muted playsinline aria-label="Live picture of the camera"></video><canvas aria-hidden="true"></canvas></div>
  <p class="alarm" role="alert" hidden></p>
  <p class="state" role="status" aria-live="polite"></p>
  <p class="seen" role="status" aria-live="polite"></p>
  <div class="controls">
    <button type="button" class="start">Start camera</button>
    <button type="button" class="record" aria-pressed="false">Record readings</button>
    <button type="button" class="snapshot">Snapshot</button>
    <label class="camera" hidden>Camera <select></select></label>
  </div>
  <div class="controls">
    <label><input type="checkbox" class="mirror" checked> Mirror</label>
    <label><input type="checkbox" class="eyes"> Watch for tired eyes</label>
    <span><label>Smoothing <select class="kind"></select></label>
    <label>over <input type="range" class="smoothing" min="0" max="3" step="0.1"><output></output></label></span>
    <label>Unsure below <input type="range" class="unsure" min="0" max="1" step="0.05"><output></output></label>
  </div>
  <p class="note numbers" aria-live="off"></p>
  <canvas class="strip" role="img" aria-label="Probabilities of the last 30 seconds for each person"></canvas>
  <div class="legend" aria-hidden="true"></div>
  <p class="note">Pictures go from this page to your kernel and nowhere else. Nothing is stored, unless you press
  Record (numbers only) or Snapshot: both stay in the kernel's memory, as the widget's
  <code>readings()</code> and <code>snapshots</code>.</p>`;

class View {
  constructor(engine, el) {
    this.engine = engine;
    this.root = Object.assign(document.createElement("section"), { className: "fernb-webcam", innerHTML: MARKUP });
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Webcam: emotions of the faces in view");
    el.append(this.root);
    this.find = (selector) => this.root.querySelector(selector);
    this.spoken = this.drawn = -Infinity;
    this.prepare();
    this.resize = new ResizeObserver(() => this.redraw());
    this.resize.observe(this.root);
    engine.views.add(this);
    this.update();
  }

  remove() {
    this.resize.disconnect();
    this.find("video").srcObject = null;
    this.engine.views.delete(this);
    if (!this.engine.views.size) this.engine.off(LIVE.has(this.engine.state) ? "idle" : this.engine.state);
    this.root.remove();
  }

  prepare() {
    const { engine, find } = this;
    const { model, settings } = engine;
    // JupyterLab's one-letter commands ("d d" deletes the cell) must not act while a control has the focus
    for (const control of this.root.querySelectorAll("button, select, input")) {
      control.dataset.lmSuppressShortcuts = "true";
    }
    find(".kind").append(...model.get("kinds").map((kind) => new Option(kind, kind)));
    for (const name of model.get("labels")) {
      const item = Object.assign(document.createElement("span"), { textContent: name });
      item.style.setProperty("--colour", this.colour(name));
      find(".legend").append(item);
    }
    const on = (selector, event, act) => {
      find(selector).addEventListener(event, ({ target }) => {
        act(target);
        for (const view of engine.views) view.update();
      });
    };
    on(".start", "click", () => (LIVE.has(engine.state) || engine.state === "asking" ? engine.off() : engine.start()));
    on(".record", "click", () => (settings.record = !settings.record));
    on(".snapshot", "click", () => (settings.snapshot = true));
    on(".camera select", "change", (target) => {
      engine.camera = target.value;
      engine.start();
    });
    on(".mirror", "change", (target) => (engine.mirror = target.checked));
    on(".eyes", "change", (target) => (settings.eyes = target.checked));
    on(".kind", "change", (target) => (settings.kind = target.value));
    on(".smoothing", "input", (target) => (settings.smoothing = target.valueAsNumber));
    on(".unsure", "input", (target) => (settings.unsure_below = target.valueAsNumber));
  }

  colour(name) {
    return this.engine.model.get("colours")[name] ?? "#bbbbbb";
  }

  // Bring the controls and texts to the engine's state.
  update() {
    const { engine, find } = this;
    const { settings, state } = engine;
    const live = LIVE.has(state);
    this.root.dataset.state = state;
    find(".start").textContent = live || state === "asking" ? "Stop camera" : "Start camera";
    find(".start").disabled = state === "lost";
    find(".record").textContent = settings.record ? "Stop recording" : "Record readings";
    find(".record").setAttribute("aria-pressed", settings.record);
    find(".record").disabled = state === "lost";
    find(".snapshot").disabled = !live;
    find(".mirror").checked = engine.mirror;
    find("video").classList.toggle("mirrored", engine.mirror);
    find(".eyes").checked = settings.eyes;
    find(".kind").value = settings.kind;
    slide(find(".smoothing"), settings.smoothing, `${settings.smoothing.toFixed(1)} s`);
    find(".smoothing").disabled = settings.kind === "none";
    slide(find(".unsure"), settings.unsure_below, `${Math.round(100 * settings.unsure_below)}%`);
    const options = engine.cameras.map((camera, i) => new Option(camera.label || `camera ${i + 1}`, camera.deviceId));
    find(".camera").hidden = options.length < 2;
    find(".camera select").replaceChildren(...options);
    find(".camera select").value = engine.camera;
    const video = find("video");
    if (video.srcObject !== (engine.stream ?? null)) {
      video.srcObject = engine.stream ?? null;
      if (engine.stream) video.play().catch(() => {});
    }
    find(".stage").classList.toggle("off", !live);
    const text = [TEXT[state], engine.detail].filter(Boolean).join(" ");
    write(find(".state"), text);
    if (!live) write(find(".seen"), "");
    this.redraw();
  }

  redraw() {
    this.drawn = -Infinity;
    this.tick();
  }

  show(result) {
    const { boxes } = result;
    if (performance.now() - this.spoken > SPEAK) {
      const words = boxes.map((box) => `person ${box.person} ${box.label}`).join(", ");
      write(this.find(".seen"), words || "no face in view");
      this.spoken = performance.now();
    }
    const tired = boxes.filter((box) => box.eyes?.alarm).map((box) => box.person);
    write(this.find(".alarm"), tired.length ? `Person ${tired.join(", ")}: eyes closed long or often. Tired?` : "");
    this.find(".alarm").hidden = !tired.length;
    this.tick();
    this.root.dispatchEvent(new CustomEvent("fernb-reading", { detail: result })); // drawn: benchmarks listen
  }

  tick() {
    const { engine } = this;
    const live = LIVE.has(engine.state);
    const current = live && engine.result && performance.now() - engine.result.at < OLD ? engine.result : null;
    drawBoxes(this.find(".stage canvas"), current ? engine.drawn : [], this);
    if (!current) this.find(".alarm").hidden = true;
    if (performance.now() - this.drawn < 200) return;
    this.drawn = performance.now();
    drawStrip(this.find(".strip"), engine, this);
    const numbers = live ? engine.rate() : null;
    const parts = numbers ? [`${numbers.rate.toFixed(1)} readings a second`, `${Math.round(numbers.delay)} ms from picture to box`] : [];
    const { recorded = 0, snapshots = 0 } = engine.last ?? {};
    if (recorded) parts.push(`recorded frames: ${recorded}`);
    if (snapshots) parts.push(`snapshots: ${snapshots}`);
    write(this.find(".numbers"), parts.join(" · "));
  }
}

function slide(input, value, words) {
  input.value = value;
  write(input.nextElementSibling, words);
  input.setAttribute("aria-valuetext", words);
}

// Writing the same text again would make a screen reader say it again.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- drawing ----------------------------------------------------------------------------------------

function fitted(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

function drawBoxes(canvas, boxes, view) {
  const [pen, width, height] = fitted(canvas, canvas.clientHeight);
  const placed = boxes.map((box) => ({
    box,
    x: Math.round((view.engine.mirror ? 1 - box.x - box.w : box.x) * width),
    y: Math.round(box.y * height),
    w: Math.round(box.w * width),
    h: Math.round(box.h * height),
  }));
  const names = placed.map((face) => drawFace(pen, face, width, height, view));
  const taken = [...placed, ...names];
  for (const face of placed) {
    const panel = placeBars(face, taken, width, height, view);
    if (!panel) continue;
    taken.push(panel);
    drawBars(pen, face.box, panel, view);
  }
}

// Draws the box and the name; returns where the name is.
function drawFace(pen, { box, x, y, w, h }, width, height, view) {
  for (const [line, colour] of [[6, "#000"], [3, view.colour(box.label)]]) {
    pen.lineWidth = line;
    pen.strokeStyle = colour;
    pen.strokeRect(x, y, w, h);
  }
  pen.font = width < NARROW ? "600 12px sans-serif" : "600 15px sans-serif";
  const text = `${box.person}: ${box.label} ${Math.round(100 * box.score)}%`;
  const long = pen.measureText(text).width + 12;
  const left = Math.max(0, Math.min(x - 3, width - long));
  const top = y >= 26 ? y - 26 : Math.min(y + h + 3, height - 23);
  pen.fillStyle = "rgba(0,0,0,0.8)";
  pen.fillRect(left, top, long, 23);
  pen.fillStyle = "#fff";
  pen.fillText(text, left + 6, top + 17);
  return { x: left, y: top, w: long, h: 23 };
}

// Where beside a face its bars cover nobody: right, left, below or above it; undefined where there is no room.
function placeBars({ x, y, w, h }, taken, width, height, view) {
  const size = { w: 150, h: BAR * view.engine.model.get("labels").length + 6 };
  const beside = Math.max(0, Math.min(y - 3, height - size.h));
  const under = Math.max(0, Math.min(x, width - size.w));
  const places = [
    [x + w + 6, beside], [x - size.w - 6, beside],
    [under, y + h + 6], [under, y + h + 30], [under, y - size.h - 6], [under, y - size.h - 30],
  ];
  const free = (a) => !taken.some((b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
  const inside = (a) => a.x >= 0 && a.y >= 0 && a.x + a.w <= width && a.y + a.h <= height;
  return places.map(([left, top]) => ({ x: left, y: top, ...size })).find((place) => inside(place) && free(place));
}

function drawBars(pen, box, { x, y, w, h }, view) {
  const name = 62;
  pen.fillStyle = "rgba(0,0,0,0.65)";
  pen.fillRect(x, y, w, h);
  pen.font = "12px sans-serif";
  view.engine.model.get("labels").forEach((label, i) => {
    pen.fillStyle = "#fff";
    pen.fillText(label, x + 5, y + 15 + i * BAR);
    pen.fillStyle = view.colour(label);
    pen.fillRect(x + name, y + 5 + i * BAR, Math.round((w - name - 6) * box.probs[i]), BAR - 5);
  });
}

// For each person the stacked probabilities of the last 30 s; a gap where the face was not seen.
function drawStrip(canvas, engine, view) {
  const people = engine.people();
  const row = 76;
  const [pen, width, height] = sized(canvas, Math.max(1, people.length) * row + 22);
  const style = getComputedStyle(view.root);
  const now = engine.history.at(-1)?.at ?? 0;
  const left = 74;
  const place = (at) => left + ((at - now + STRIP) / STRIP) * (width - left - 8);
  const labels = engine.model.get("labels");
  pen.font = "12px sans-serif";
  people.forEach((person, i) => {
    const base = (i + 1) * row - 4;
    pen.fillStyle = style.color;
    pen.fillText(`person ${person}`, 6, base - row / 2 + 8);
    let before = null;
    for (const { at, boxes } of engine.history) {
      const box = boxes.find((one) => one.person === person);
      if (box && before !== null && now - at < STRIP) {
        const from = Math.floor(place(before));
        let foot = base;
        labels.forEach((label, j) => {
          const high = box.probs[j] * (row - 8);
          pen.fillStyle = view.colour(label);
          pen.fillRect(from, foot - high, Math.ceil(place(at)) - from, high);
          foot -= high;
        });
      }
      before = box ? at : null;
    }
  });
  pen.fillStyle = style.color;
  if (!people.length) pen.fillText("The last 30 seconds appear here.", left, row / 2);
  for (const [seconds, align] of [[30, "left"], [20, "center"], [10, "center"], [0, "right"]]) {
    if (align === "center" && width < NARROW) continue;
    pen.textAlign = align;
    pen.fillText(seconds ? `${seconds} s ago` : "now", place(now - 1000 * seconds), height - 6);
  }
  pen.textAlign = "left";
}

function sized(canvas, height) {
  if (canvas.style.height !== `${height}px`) canvas.style.height = `${height}px`;
  return fitted(canvas, height);
}

// --- anywidget --------------------------------------------------------------------------------------

// A factory, because initialize and render get different proxies of one model.
export default () => {
  let engine;
  return {
    initialize({ model }) {
      engine = new Engine(model);
      const leave = () => engine.off();
      const lost = () => engine.off("lost");
      model.on("msg:custom", (message) => engine.receive(message));
      model.on("comm_live_update", lost);
      window.addEventListener("pagehide", leave);
      return () => {
        window.removeEventListener("pagehide", leave);
        engine.off("lost");
      };
    },
    render({ el }) {
      const view = new View(engine, el);
      return () => view.remove();
    },
  };
};
