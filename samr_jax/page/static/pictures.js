// Keeps the images up to date with the choice: one question at a time, always about the
// newest choice.

import * as api from "./api.js";
import { choice, redraw, state, tell } from "./state.js";

const KEPT = 48; // answers of about a megabyte each
const answers = new Map();
let busy = false;
let again = false;
let accepted = null; // the last choice that the server has answered

/** Asks for the images of the choice, unless they are known. */
export async function update() {
  again = true;
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    await once();
  }
  busy = false;
}

async function once() {
  const before = snapshot();
  const started = performance.now();
  try {
    const known = answers.size;
    const after = await answer(state.edits);
    if (again) return;
    Object.assign(state, { after, before: null });
    if (!state.edits.length) {
      state.before = after;
      state.sizes[state.mask.name] = after.about.millilitres;
    }
    accepted = before;
    if (state.view !== "after" && !state.before) {
      redraw();
      state.before = await answer([]);
      state.sizes[state.mask.name] ??= state.before.about.millilitres;
    }
    if (again) return;
    const seconds = (performance.now() - started) / 1000;
    const outside = after.about.covered ? "" : "This slice lies outside the images' field of view.";
    tell(outside || (answers.size > known ? `images in ${seconds.toFixed(1)} s` : ""));
    document.body.dataset.state = "ready";
  } catch (error) {
    if (again) return;
    tell(error.message, { error: true });
    document.body.dataset.state = "ready";
    if (error instanceof api.Refused && accepted) Object.assign(state, accepted);
  }
  redraw();
}

/** What a refusal takes back. */
function snapshot() {
  const { mask, index, anatomy, seed, samples, edits } = state;
  return { mask, index, anatomy, seed, samples, edits };
}

async function answer(edits) {
  const question = { ...choice(edits), slice: state.index };
  const key = JSON.stringify(question);
  if (!answers.has(key)) {
    document.body.dataset.state = document.body.dataset.state === "starting" ? "starting" : "working";
    if (document.body.dataset.state === "working") tell("synthesizing");
    answers.set(key, await api.slice(question));
    if (answers.size > KEPT) answers.delete(answers.keys().next().value);
  }
  return answers.get(key);
}
