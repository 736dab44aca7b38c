// What the controls show: brought in line with the state after every change.

import { words } from "./edits.js";
import { all, byId, LESION, size, state } from "./state.js";
import { shownLabels, text } from "./tile.js";

/** Brings all controls in line with the state. */
export function show(tiles) {
  for (const button of all("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === state.tool);
  for (const button of all("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === state.view);
  byId("radius").value = state.radius;
  byId("radius-text").textContent = `${state.radius.toFixed(1)} mm`;
  byId("slice").max = state.mask.shape[0] - 1;
  byId("slice").value = state.index;
  const height = state.mask.heights[state.index].toFixed(1).replace("-", "−");
  byId("place").textContent = `${state.index + 1} of ${state.mask.shape[0]}, z = ${height} mm`;
  byId("mask").value = state.mask.name;
  byId("brain").value = state.anatomy === "average" ? "average" : "simulated";
  if (typeof state.anatomy === "number") byId("brain-number").value = state.anatomy;
  byId("undo").disabled = byId("reset").disabled = byId("save-recipe").disabled = !state.edits.length;
  byId("redo").disabled = !state.undone.length;
  byId("replace").disabled = !byId("donor").value || !state.after;
  byId("carried").parentElement.style.display = byId("part").value === "tumor" ? "" : "none";
  showEdits();
  showSizes();
  showLesion();
  showWindow();
  showValues(tiles);
}

let listed = null;

function showEdits() {
  if (listed === state.edits) return;
  listed = state.edits;
  const items = state.edits.map((edit) => {
    const item = document.createElement("li");
    item.textContent = words(edit);
    return item;
  });
  byId("edits").replaceChildren(...items);
  byId("edits").scrollTop = byId("edits").scrollHeight;
}

function showSizes() {
  const before = state.sizes[state.mask.name];
  const now = state.after?.about.millilitres;
  const rows = [["ml", "before", "now"]];
  for (const name of LESION) {
    const code = state.info.labels.indexOf(name);
    rows.push([name, ...[before, now].map((sizes) => sizes?.[code].toFixed(1) ?? "")]);
  }
  byId("sizes").replaceChildren(...rows.map((cells, row) => {
    const line = document.createElement("tr");
    line.append(...cells.map((cell, column) => {
      const element = document.createElement(row && column ? "td" : "th");
      element.textContent = cell;
      return element;
    }));
    return line;
  }));
}

/** Green under the slider, at the slices that have lesion. */
function showLesion() {
  const count = state.mask.shape[0];
  const lesion = new Set(state.after?.about.lesion ?? []);
  const stops = Array.from({ length: count }, (_, index) => {
    const colour = lesion.has(index) ? "limegreen" : "transparent";
    return `${colour} ${(100 * index) / count}% ${(100 * (index + 1)) / count}%`;
  });
  byId("lesion-slices").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
}

function showWindow() {
  const { name, low, high, unit } = state.info.sequences[byId("windowed").selectedIndex];
  const range = state.windows[name];
  const [middle, width] = [(range.low + range.high) / 2, range.high - range.low];
  byId("level").value = (middle - low) / (high - low);
  byId("width").value = width / (high - low);
  byId("level-text").textContent = `${text(middle)} ${unit}`;
  byId("width-text").textContent = `${text(width)} ${unit}`;
}

/** Label and values under the cursor. */
function showValues(tiles) {
  const answer = state.view === "before" ? state.before : state.after;
  const { cursor } = state;
  const [height, width] = size();
  const [row, column] = cursor ? [Math.round(cursor.row), Math.round(cursor.column)] : [-1, -1];
  const at = row * width + column;
  const inside = answer && row >= 0 && column >= 0 && row < height && column < width && answer.labels[at];
  if (!inside) {
    byId("values").textContent = "";
    return;
  }
  const names = { normal: "normal brain" };
  const label = state.info.labels[shownLabels(answer.labels)[at]];
  const values = tiles.filter((tile) => tile.sequence).map((tile) => `${tile.name} ${text(tile.value(answer, at))}${tile.sequence.anatomic ? "" : ` ${tile.sequence.unit}`}`);
  byId("values").textContent = [names[label] ?? label, ...values].join(" · ");
}
