// What is drawn over the images: the lesion and the brush.

import { size, state } from "./state.js";

const LINES = [null, null, "limegreen", "#7f9dff", "gold"];

/** Outlines or areas of the lesion over an image. */
export function drawLesion(context, { box, x, y, perRow, perColumn, scale }, labels) {
  const [, width] = size();
  const at = (row, column) => labels[row * width + column] ?? 0;
  context.lineWidth = Math.max(1.2, 0.35 * scale);
  for (let label = 2; label < 5; label++) {
    context.beginPath();
    for (let row = Math.max(box.top, 0); row < box.top + box.rows; row++) {
      for (let column = Math.max(box.left, 0); column < box.left + box.columns; column++) {
        if (at(row, column) !== label) continue;
        const [left, top] = [x + (column - box.left) * perColumn, y + (row - box.top) * perRow];
        if (state.overlay === "fill") {
          context.rect(left, top, perColumn, perRow);
          continue;
        }
        edge(context, at(row - 1, column) !== label, left, top, left + perColumn, top);
        edge(context, at(row + 1, column) !== label, left, top + perRow, left + perColumn, top + perRow);
        edge(context, at(row, column - 1) !== label, left, top, left, top + perRow);
        edge(context, at(row, column + 1) !== label, left + perColumn, top, left + perColumn, top + perRow);
      }
    }
    context.strokeStyle = context.fillStyle = LINES[label];
    if (state.overlay === "fill") {
      context.globalAlpha = 0.4;
      context.fill();
      context.globalAlpha = 1;
    } else context.stroke();
  }
}

function edge(context, wanted, fromX, fromY, toX, toY) {
  if (!wanted) return;
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
}

/** The brush as a circle of its size. */
export function drawBrush(context, { box, x, y, perRow, perColumn, scale }) {
  if (!state.cursor) return;
  const across = x + (state.cursor.column - box.left + 0.5) * perColumn;
  const down = y + (state.cursor.row - box.top + 0.5) * perRow;
  const radius = state.tool === "move" ? 4 * scale : state.radius * scale;
  context.beginPath();
  context.arc(across, down, radius, 0, 2 * Math.PI);
  context.lineWidth = 1.5;
  context.strokeStyle = "#fff";
  if (state.tool === "move") context.setLineDash([4, 4]);
  context.stroke();
  context.setLineDash([]);
}
