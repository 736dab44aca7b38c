// The list of edits: adding, undoing, and saying what each one does.

import { update } from "./pictures.js";
import { redraw, state } from "./state.js";

/** Adds an edit; an edit that follows a move by a move is joined with it. */
export function add(edit) {
  const last = state.edits.at(-1);
  const edits = [...state.edits];
  if (edit.edit === "move" && last?.edit === "move") {
    edits.pop();
    edit = { edit: "move", dx: last.dx + edit.dx, dy: last.dy + edit.dy, dz: last.dz + edit.dz };
  }
  const nothing = edit.edit === "move" && !edit.dx && !edit.dy && !edit.dz;
  change(nothing ? edits : [...edits, edit], []);
}

export function undo() {
  if (state.edits.length) change(state.edits.slice(0, -1), [...state.undone, state.edits.at(-1)]);
}

export function redo() {
  if (state.undone.length) change([...state.edits, state.undone.at(-1)], state.undone.slice(0, -1));
}

export const reset = () => change([], []);

function change(edits, undone) {
  Object.assign(state, { edits, undone });
  redraw();
  update();
}

/** An edit in words. */
export function words(edit) {
  switch (edit.edit) {
    case "paint": {
      const voxels = edit.runs.split(";").reduce((sum, run) => sum + Number(run.split(" ").at(-1)), 0);
      const millilitres = (voxels * state.mask.spacing.reduce((a, b) => a * b)) / 1000;
      const done = edit.label === "normal" ? "Erased" : `Painted ${edit.label}`;
      return `${done}, up to ${millilitres.toFixed(2)} ml`;
    }
    case "scale": {
      const part = ["lesion", "edema", "cavity", "tumor"].find((name) => typeof edit[name] === "number");
      return `Resized ${part} to ${Math.round(100 * edit[part])} %`;
    }
    case "move":
      return `Moved ${[way(edit.dx, "right", "left"), way(edit.dy, "to the front", "to the back"), way(edit.dz, "down", "up")].filter(Boolean).join(", ")}`;
    case "rotate":
      return `Turned by ${edit.degrees}°`;
    case "mirror":
      return "Mirrored";
    case "deform":
      return "Deformed";
    case "remove":
      return "Removed the lesion";
    default:
      return `Lesion of ${edit.donor}`;
  }
}

function way(millimetres, negative, positive) {
  if (!millimetres) return "";
  return `${Math.abs(millimetres).toFixed(1)} mm ${millimetres < 0 ? negative : positive}`;
}
