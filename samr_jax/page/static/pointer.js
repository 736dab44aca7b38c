// Painting, dragging, windowing and scrolling in a picture, by mouse, pen or keys.

import { drag, edit, stamp } from "./brush.js";
import { add } from "./edits.js";
import { update } from "./pictures.js";
import { redraw, size, state, tell } from "./state.js";

/** Makes a picture paintable. */
export function attach(tile) {
  const { canvas } = tile;
  let last = null; // place, while a button is pressed
  let turned = 0; // of the wheel

  canvas.addEventListener("pointerdown", (event) => {
    if (!state.after) return;
    canvas.setPointerCapture(event.pointerId);
    last = { ...tile.place(event), x: event.clientX, y: event.clientY, button: event.button };
    if (event.button === 0 && state.view === "before") {
      state.view = "after";
    }
    if (event.button === 0 && state.tool === "move") state.shift = { rows: 0, columns: 0 };
    else if (event.button === 0) stamp((state.stroke = new Map()), last);
    redraw();
  });

  canvas.addEventListener("pointermove", (event) => {
    const place = tile.place(event);
    state.cursor = place;
    if (last?.button === 2) windowed(tile, event.clientX - last.x, event.clientY - last.y);
    else if (state.shift && last) {
      state.shift = { rows: Math.round(place.row - last.row), columns: Math.round(place.column - last.column) };
    } else if (state.stroke && last) {
      drag(state.stroke, last, place);
      Object.assign(last, place);
    }
    if (last?.button === 2) Object.assign(last, { x: event.clientX, y: event.clientY });
    redraw();
  });

  canvas.addEventListener("pointerup", () => {
    last = null;
    finish();
  });
  canvas.addEventListener("pointercancel", () => {
    last = null;
    cancel();
  });
  canvas.addEventListener("pointerleave", () => {
    state.cursor = null;
    redraw();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    turned += event.deltaY;
    if (Math.abs(turned) < 40) return;
    go(turned < 0 ? 1 : -1);
    turned = 0;
  }, { passive: false });
  canvas.addEventListener("focus", () => {
    if (!canvas.matches(":focus-visible") || state.cursor) return;
    const [top, left, bottom, right] = state.mask.box;
    state.cursor = { row: (top + bottom) / 2, column: (left + right) / 2 };
    redraw();
  });
  canvas.addEventListener("keydown", (event) => key(event));
}

function key(event) {
  const ways = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const way = ways[event.key];
  if (event.ctrlKey || event.metaKey || (!way && event.key !== " ")) return;
  event.preventDefault();
  state.cursor ??= { row: size()[0] / 2, column: size()[1] / 2 };
  if (way) {
    const step = event.shiftKey ? 10 : 2;
    state.cursor = { row: state.cursor.row + way[0] * step, column: state.cursor.column + way[1] * step };
    redraw();
  } else if (state.after && state.tool !== "move") {
    if (state.view === "before") state.view = "after";
    stamp((state.stroke = new Map()), state.cursor);
    finish();
  }
}

/** Turns what was painted or dragged into an edit. */
function finish() {
  const { stroke, shift } = state;
  Object.assign(state, { stroke: null, shift: null });
  if (stroke) {
    const painted = edit(stroke, state.after.labels);
    if (painted) {
      preview(stroke);
      add(painted);
    } else tell("Nothing was painted: the brush did not touch what it may paint over.");
  } else if (shift) {
    const [, down, across] = state.mask.spacing;
    const [dx, dy] = [shift.columns * across, shift.rows * down];
    add({ edit: "move", dx: rounded(dx), dy: rounded(dy), dz: 0 });
  }
  redraw();
}

/** Leaves the paint on the picture until the server's answer is here. */
function preview(stroke) {
  const labels = state.after.labels.slice();
  const code = state.info.labels.indexOf(state.tool);
  const over = { brain: (l) => l > 0, normal: (l) => l === 1, lesion: (l) => l > 1 }[state.over];
  for (const cell of stroke.get(state.index) ?? []) if (over(labels[cell])) labels[cell] = code;
  state.after = { ...state.after, labels };
}

const rounded = (value) => Math.round(value * 1e4) / 1e4;

export function cancel() {
  Object.assign(state, { stroke: null, shift: null });
  redraw();
}

/** Shows a slice above (1) or below (-1). */
export function go(step) {
  const index = Math.max(0, Math.min(state.mask.shape[0] - 1, state.index + step));
  if (index === state.index) return;
  state.index = index;
  redraw();
  update();
}

/** Changes window and level of a sequence by a movement of the mouse. */
function windowed(tile, right, down) {
  if (!tile.sequence || state.certainty === "full") return;
  const { name, low, high } = tile.sequence;
  const range = state.windows[name];
  const unit = (high - low) / 300;
  const width = Math.max(0.02 * (high - low), range.high - range.low + right * unit);
  const middle = (range.low + range.high) / 2 + down * unit;
  state.windows[name] = { low: middle - width / 2, high: middle + width / 2 };
}

export function resetWindow({ name, low, high }) {
  state.windows[name] = { low, high };
  redraw();
}
