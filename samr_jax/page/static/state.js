// All that the user has chosen, in one place. Whoever changes it calls `redraw` or, if
// other images are needed, `update` (pictures.js).

export const state = {
  info: null, // of the server, at the start
  mask: null, // description of the mask
  index: 0, // slice
  anatomy: null,
  seed: 0,
  samples: 1,
  edits: [],
  undone: [],
  tool: "tumor",
  radius: 6, // millimetres
  depth: "slice",
  over: "brain",
  view: "after",
  overlay: "outline",
  certainty: "corner",
  windows: {}, // sequence -> {low, high} in its unit
  after: null, // the server's answer for the edited mask, and for the mask itself
  before: null,
  sizes: {}, // mask -> millilitres of its labels without edits
  cursor: null, // {row, column} in voxels
  stroke: null, // slice -> Set of painted voxels, while the user paints
  shift: null, // {rows, columns} in voxels, while the user drags the lesion
};

export const LESION = ["edema", "cavity", "tumor"];

export const byId = (id) => document.getElementById(id);
export const all = (selector) => [...document.querySelectorAll(selector)];

/** The choice as the server reads it. */
export function choice(edits = state.edits) {
  return {
    mask: state.mask.name,
    recipe: edits.length ? { seed: 0, edits } : null,
    anatomy: state.anatomy,
    seed: state.seed,
    samples: state.samples,
  };
}

/** Rows and columns of a slice. */
export const size = () => state.mask.shape.slice(1);

const listeners = [];

/** Calls a function whenever something that is shown has changed. */
export const onRedraw = (listener) => listeners.push(listener);

let planned = false;

/** Draws again at the next frame, once for all changes until then. */
export function redraw() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    for (const listener of listeners) listener();
  });
}

/** Says one line to the user. */
export function tell(text, { error = false } = {}) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("error", error);
}
