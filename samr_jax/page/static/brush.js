// The brush: which voxels it covers, and how they stand in a recipe.

import { size, state } from "./state.js";

/** Covers the voxels under the brush at a place, in one slice or a ball of several. */
export function stamp(stroke, { row, column }) {
  const [along, down, across] = state.mask.spacing;
  const reach = state.depth === "ball" ? Math.floor(state.radius / along) : 0;
  for (let offset = -reach; offset <= reach; offset++) {
    const slice = state.index + offset;
    if (slice < 0 || slice >= state.mask.shape[0]) continue;
    const radius = Math.sqrt(state.radius ** 2 - (offset * along) ** 2);
    if (!stroke.has(slice)) stroke.set(slice, new Set());
    disc(stroke.get(slice), row, column, radius / down, radius / across);
  }
}

/** Stamps along a line, so close that no gap is left. */
export function drag(stroke, from, to) {
  const [, down, across] = state.mask.spacing;
  const rows = to.row - from.row;
  const columns = to.column - from.column;
  const steps = Math.max(1, Math.ceil(Math.hypot(rows * down, columns * across) / Math.max(state.radius / 3, down / 2)));
  for (let step = 1; step <= steps; step++) {
    stamp(stroke, { row: from.row + (rows * step) / steps, column: from.column + (columns * step) / steps });
  }
}

/** Adds the voxels of an ellipse to a set; the voxel under its middle always. */
function disc(cells, row, column, rows, columns) {
  const [height, width] = size();
  const inside = (r, c) => r >= 0 && c >= 0 && r < height && c < width;
  if (inside(Math.round(row), Math.round(column))) cells.add(Math.round(row) * width + Math.round(column));
  for (let r = Math.ceil(row - rows); r <= row + rows; r++) {
    const half = columns * Math.sqrt(Math.max(0, 1 - ((r - row) / rows) ** 2));
    for (let c = Math.ceil(column - half); c <= column + half; c++) {
      if (inside(r, c)) cells.add(r * width + c);
    }
  }
}

/** Whether the brush may paint over a label. */
export function covers(label) {
  if (state.over === "normal") return label === 1;
  if (state.over === "lesion") return label > 1;
  return label > 0;
}

/** The edit that paints a stroke; null if nothing of the slice's brain is covered. */
export function edit(stroke, labels) {
  const runs = [];
  const [, width] = size();
  for (const [slice, cells] of [...stroke].sort((a, b) => a[0] - b[0])) {
    const kept = [...cells].filter((cell) => slice !== state.index || covers(labels[cell]));
    kept.sort((a, b) => a - b);
    for (let at = 0; at < kept.length; ) {
      let end = at + 1;
      while (end < kept.length && kept[end] === kept[end - 1] + 1 && kept[end] % width) end++;
      runs.push([slice, Math.floor(kept[at] / width), kept[at] % width, end - at].join(" "));
      at = end;
    }
  }
  if (!runs.length) return null;
  const grid = state.mask.shape.join("x");
  return { edit: "paint", label: state.tool, grid, runs: runs.join(";"), over: state.over };
}
