// The controls: at the left, above and below the pictures.

import * as api from "./api.js";
import { add, redo, reset, undo } from "./edits.js";
import { update } from "./pictures.js";
import { cancel, go, resetWindow } from "./pointer.js";
import { all, byId, choice, redraw, state, tell } from "./state.js";

const on = (id, event, action) => byId(id).addEventListener(event, action);

function fill(select, names) {
  select.replaceChildren(...names.map((name) => new Option(name, name)));
}

/** Shows another mask, without edits. */
export function showMask(mask) {
  Object.assign(state, { mask, edits: [], undone: [], index: mask.first, after: null, before: null });
  listMasks();
  redraw();
  update();
}

function listMasks() {
  const names = state.info.masks.map((mask) => mask.name);
  fill(byId("mask"), names);
  byId("mask").value = state.mask.name;
  fill(byId("donor"), names.filter((name) => name !== state.mask.name));
  if (!byId("donor").options.length) byId("donor").add(new Option("load another mask", ""));
}

/** Connects all controls; called once. */
export function connect() {
  const { info } = state;
  byId("notice").textContent = `Research software, not for clinical use.${info.simulated ? " Simulated data: trained on simulated brains." : ""}`;
  byId("space").textContent = `A NIfTI file in the space of the atlas, whose slices lie at z = ${info.reach.join(" to ")} mm.`;
  fill(byId("preset"), info.presets);
  fill(byId("windowed"), info.sequences.map(({ name }) => name));
  byId("brain-row").style.display = info.anatomy === null ? "none" : "";
  byId("noise-row").style.display = info.noise ? "" : "none";
  connectModel();
  connectBrush();
  connectLesion();
  connectView();
  connectSaving();
  document.addEventListener("keydown", shortcut);
}

function connectModel() {
  on("mask", "change", () => showMask(state.info.masks.find(({ name }) => name === byId("mask").value)));
  on("load", "click", () => byId("loading").showModal());
  on("load-cancel", "click", () => byId("loading").close());
  on("load-file", "click", loadFile);
  const brain = () => {
    const number = Number(byId("brain-number").value);
    state.anatomy = byId("brain").value === "average" ? "average" : number;
    if (state.anatomy !== "average") tell("drawing the brain, which takes some seconds");
    update();
    redraw();
  };
  on("brain", "change", brain);
  on("brain-number", "change", () => {
    byId("brain").value = "simulated";
    brain();
  });
  for (const id of ["seed", "samples"]) {
    on(id, "change", () => {
      state[id] = Math.max(Number(byId(id).min), Math.round(Number(byId(id).value) || 0));
      byId(id).value = state[id];
      update();
    });
  }
}

async function loadFile() {
  const [file] = byId("file").files;
  if (!file) return;
  byId("file").value = "";
  byId("loading").close();
  const most = state.info.most_bytes;
  if (file.size > most) {
    tell(`${file.name}: ${Math.round(file.size / 2 ** 20)} MiB, expected at most ${most / 2 ** 20} MiB`, { error: true });
    return;
  }
  tell(`loading ${file.name}`);
  try {
    const mask = await api.load(file, byId("preset").value);
    state.info.masks = [...state.info.masks.filter(({ name }) => name !== mask.name), mask];
    showMask(mask);
  } catch (error) {
    tell(error.message, { error: true });
  }
}

function connectBrush() {
  for (const button of all("[data-tool]")) {
    button.addEventListener("click", () => {
      state.tool = button.dataset.tool;
      redraw();
    });
  }
  on("radius", "input", () => {
    state.radius = Number(byId("radius").value);
    redraw();
  });
  for (const id of ["depth", "over"]) on(id, "change", () => (state[id] = byId(id).value));
}

function connectLesion() {
  on("scale", "click", () => {
    const part = byId("part").value;
    const edit = { edit: "scale", [part]: Number(byId("factor").value) / 100 };
    if (part === "tumor" && byId("carried").checked) edit.edema = "carried";
    add(edit);
  });
  for (const button of all("[data-move]")) {
    button.addEventListener("click", () => {
      const [dx, dy, dz] = button.dataset.move.split(",").map(Number);
      const [along, down, across] = state.mask.spacing;
      const step = (way, spacing) => (way ? way * Math.max(spacing, Math.round(3 / spacing) * spacing) : 0);
      add({ edit: "move", dx: step(dx, across), dy: step(dy, down), dz: dz * along });
    });
  }
  for (const button of all("[data-turn]")) {
    button.addEventListener("click", () => add({ edit: "rotate", degrees: Number(button.dataset.turn) }));
  }
  on("mirror", "click", () => add({ edit: "mirror" }));
  on("deform", "click", () => add({ edit: "deform" }));
  on("remove", "click", () => add({ edit: "remove" }));
  on("replace", "click", () => {
    const empty = !state.after.about.lesion.length;
    add({ edit: empty ? "insert" : "replace", donor: byId("donor").value });
  });
  on("undo", "click", undo);
  on("redo", "click", redo);
  on("reset", "click", reset);
}

function connectView() {
  for (const button of all("[data-view]")) button.addEventListener("click", () => view(button.dataset.view));
  for (const id of ["overlay", "certainty"]) {
    on(id, "change", () => {
      state[id] = byId(id).value;
      redraw();
    });
  }
  on("slice", "input", () => go(Number(byId("slice").value) - state.index));
  on("up", "click", () => go(1));
  on("down", "click", () => go(-1));
  on("help-button", "click", () => byId("help").showModal());
  const sequence = () => state.info.sequences[byId("windowed").selectedIndex];
  on("windowed", "change", redraw);
  on("window-reset", "click", () => resetWindow(sequence()));
  for (const id of ["level", "width"]) {
    on(id, "input", () => {
      const { name, low, high } = sequence();
      const middle = low + Number(byId("level").value) * (high - low);
      const half = (Number(byId("width").value) * (high - low)) / 2;
      state.windows[name] = { low: middle - half, high: middle + half };
      redraw();
    });
  }
}

function view(name) {
  state.view = name;
  redraw();
  update();
}

function connectSaving() {
  on("save-recipe", "click", async () => {
    try {
      save(URL.createObjectURL(await api.recipe(choice())), "edit.json");
    } catch (error) {
      tell(error.message, { error: true });
    }
  });
  on("save-volumes", "click", saveVolumes);
}

async function saveVolumes() {
  byId("save-volumes").disabled = true;
  try {
    const number = await api.build(choice());
    byId("building").hidden = false;
    let now = { state: "working" };
    while (now.state === "working") {
      await new Promise((done) => setTimeout(done, 700));
      now = await api.progress(number);
      Object.assign(byId("progress"), { max: now.total, value: now.done });
      byId("progress-text").textContent = `${now.done} of ${now.total} ${now.label}`;
    }
    if (now.state === "failed") throw new Error(now.error);
    save(api.zip(number), "samr-jax.zip");
    tell("saved: samr-jax.zip");
  } catch (error) {
    tell(error.message, { error: true });
  }
  byId("building").hidden = true;
  byId("save-volumes").disabled = false;
}

function save(address, name) {
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
}

function shortcut(event) {
  const { target } = event;
  if (document.querySelector("dialog[open]") || target.matches("select, input[type=number]")) return;
  const pressed = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (pressed === "z") (event.shiftKey ? redo : undo)();
    else if (pressed === "y") redo();
    else return;
    event.preventDefault();
    return;
  }
  const tools = { 1: "edema", 2: "cavity", 3: "tumor", 4: "normal", 5: "move" };
  const next = (id) => {
    const select = byId(id);
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    select.dispatchEvent(new Event("change"));
  };
  const actions = {
    "[": () => (state.radius = Math.max(0.5, state.radius - 1)),
    "]": () => (state.radius = Math.min(25, state.radius + 1)),
    pageup: () => go(1),
    pagedown: () => go(-1),
    a: () => view("after"),
    b: () => view("before"),
    d: () => view("change"),
    o: () => next("overlay"),
    c: () => next("certainty"),
    "?": () => byId("help").showModal(),
    escape: cancel,
  };
  if (tools[pressed]) state.tool = tools[pressed];
  else if (actions[pressed]) actions[pressed]();
  else return;
  event.preventDefault();
  redraw();
}
