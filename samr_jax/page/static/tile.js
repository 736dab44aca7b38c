// One picture: the image, the lesion over it, a small map in the corner, the brush.

import { covers } from "./brush.js";
import { drawBrush, drawLesion } from "./overlay.js";
import { size, state } from "./state.js";

const CORNER = 0.28; // height of the small picture, as a share of the tile
const COLOURS = [[0, 0, 0], [82, 82, 82], [50, 205, 50], [65, 105, 225], [255, 215, 0]];
const OUTSIDE = [0, 0, 0]; // transparent
const SPREAD = 0.1; // brightest spread over samples, as a share of the window

export class Tile {
  /** A picture of a sequence by its number, or of the mask without one. */
  constructor(number) {
    this.number = number;
    this.sequence = state.info.sequences[number];
    this.name = this.sequence?.name ?? "Lesion mask";
    this.figure = document.createElement("figure");
    this.figure.className = "tile";
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.dataset.name = this.name;
    this.canvas.setAttribute("role", "img");
    this.caption = document.createElement("figcaption");
    this.left = side("R", "left");
    this.right = side("L", "right");
    this.bar = new Bar();
    this.figure.append(this.canvas, this.caption, this.left, this.right, this.bar.element);
    this.large = document.createElement("canvas");
    this.small = document.createElement("canvas");
  }

  /** Where the image lies in the canvas, in its pixels. */
  layout() {
    const [, down, across] = state.mask.spacing;
    const [top, first, bottom, last] = state.mask.box;
    const margin = 4;
    const box = { top: top - margin, left: first - margin, rows: bottom - top + 1 + 2 * margin, columns: last - first + 1 + 2 * margin };
    const { width, height } = this.canvas;
    const scale = Math.min(width / (box.columns * across), height / (box.rows * down));
    const [wide, high] = [box.columns * across * scale, box.rows * down * scale];
    // The small picture at the right gets what room there is.
    const x = (width - wide) * (state.certainty === "off" || this.number === undefined ? 0.5 : 0);
    return { box, wide, high, x, y: (height - high) / 2, perRow: down * scale, perColumn: across * scale, scale };
  }

  /** The place in the slice under a point of the window, in voxels. */
  place({ clientX, clientY }) {
    const bounds = this.canvas.getBoundingClientRect();
    const { box, x, y, perRow, perColumn } = this.layout();
    const ratio = this.canvas.width / bounds.width;
    return {
      row: ((clientY - bounds.top) * ratio - y) / perRow + box.top - 0.5,
      column: ((clientX - bounds.left) * ratio - x) / perColumn + box.left - 0.5,
    };
  }

  draw() {
    const bounds = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(bounds.width * ratio), Math.round(bounds.height * ratio)];
    if (!width || !height) return;
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    const answer = state.view === "before" ? state.before : state.after;
    if (!answer) return;
    const place = this.layout();
    const labels = shownLabels(answer.labels);
    const certain = this.sequence && state.certainty !== "off" && certainty(answer, this.number);
    const full = certain && state.certainty === "full";
    const image = this.sequence ? this.pixels(answer) : maskPixels(labels);
    this.paint(this.large, place.box, full ? certain.pixels : image);
    context.imageSmoothingEnabled = Boolean(this.sequence);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.large, place.x, place.y, place.wide, place.high);
    if (this.sequence && state.overlay !== "off") drawLesion(context, place, labels);
    if (certain) this.drawCorner(context, place, full ? image : certain.pixels, full ? this.name : certain.name, ratio);
    drawBrush(context, place);
    this.describe(full ? certain : null, place, ratio);
  }

  drawCorner(context, place, pixels, name, ratio) {
    const high = CORNER * this.canvas.height;
    const wide = (high * place.wide) / place.high;
    const [x, y] = [this.canvas.width - wide - 4 * ratio, this.canvas.height - high - 4 * ratio];
    this.paint(this.small, place.box, pixels);
    context.drawImage(this.small, x, y, wide, high);
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.textAlign = "right";
    context.lineWidth = 4 * ratio;
    context.strokeStyle = "#000";
    context.strokeText(name, this.canvas.width - 6 * ratio, y - 3 * ratio);
    context.fillStyle = "#c9d1dc";
    context.fillText(name, this.canvas.width - 6 * ratio, y - 3 * ratio);
  }

  /** Puts pixels of the box of the brain into a canvas of their own size. */
  paint(canvas, box, colour) {
    const [height, width] = size();
    canvas.width = box.columns;
    canvas.height = box.rows;
    const picture = new ImageData(box.columns, box.rows);
    for (let r = 0; r < box.rows; r++) {
      for (let c = 0; c < box.columns; c++) {
        const [row, column] = [r + box.top, c + box.left];
        const inside = row >= 0 && column >= 0 && row < height && column < width;
        const rgb = inside ? colour(row * width + column) : OUTSIDE;
        const at = 4 * (r * box.columns + c);
        picture.data[at] = rgb[0];
        picture.data[at + 1] = rgb[1];
        picture.data[at + 2] = rgb[2];
        picture.data[at + 3] = rgb === OUTSIDE ? 0 : 255;
      }
    }
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  /** A function from a pixel to its colour: of the image, or of the change. */
  pixels(answer) {
    const { low, high, colours } = this.sequence;
    const offset = this.number * answer.labels.length;
    if (state.view === "change") {
      if (!state.before) return () => OUTSIDE;
      const [a, b] = [state.after, state.before];
      return (at) => (a.labels[at] ? changeColour((a.images[offset + at] - b.images[offset + at]) / 32767) : OUTSIDE);
    }
    const range = state.windows[this.name];
    const table = state.info.colours[colours];
    return (at) => {
      if (!answer.labels[at]) return OUTSIDE;
      const value = ((answer.images[offset + at] / 32767 + 1) / 2) * (high - low) + low;
      return table[level((value - range.low) / (range.high - range.low))];
    };
  }

  /** The value of a pixel in the sequence's unit. */
  value(answer, at) {
    const { low, high } = this.sequence;
    return ((answer.images[this.number * answer.labels.length + at] / 32767 + 1) / 2) * (high - low) + low;
  }

  /** Caption, marks of the sides, colour bar, and a sentence for screen readers. */
  describe(certain, place, ratio) {
    const unit = this.sequence && !certain && (this.sequence.anatomic && state.view !== "change" ? "" : this.sequence.unit);
    const view = this.sequence && state.view !== "after" ? state.view : "";
    const what = certain ? certain.name : view;
    this.caption.replaceChildren(this.name, " ");
    const small = document.createElement("small");
    small.textContent = [what, unit && `(${unit})`].filter(Boolean).join(" ");
    this.caption.append(small);
    this.left.style.left = `${Math.max(place.x / ratio, 0) + 4}px`;
    this.right.style.right = "auto";
    this.right.style.left = `${(place.x + place.wide) / ratio - 12}px`;
    const shown = { before: "before the edits", after: "after the edits", change: "after minus before" }[state.view];
    this.canvas.setAttribute("aria-label", `${this.name}, ${shown}, slice ${state.index + 1}. Arrows move the brush, Space paints.`);
    this.describeBar(certain);
  }

  describeBar(certain) {
    const sequence = this.sequence;
    if (!sequence) return this.bar.hide();
    if (certain) return this.bar.show((share) => state.info.colours.magma[level(share)], certain.low, certain.high);
    if (state.view === "change") {
      const half = (sequence.high - sequence.low) / 2;
      return this.bar.show((share) => changeColour(2 * share - 1), `−${text(half)}`, `+${text(half)}`);
    }
    if (sequence.anatomic) return this.bar.hide();
    const range = state.windows[this.name];
    return this.bar.show((share) => state.info.colours[sequence.colours][level(share)], `${text(range.low)} ${sequence.unit}`, `${text(range.high)} ${sequence.unit}`);
  }
}

/** A colour bar with its lowest and highest value. */
class Bar {
  constructor() {
    this.element = document.createElement("div");
    this.element.className = "bar";
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { width: 1, height: 64 });
    this.numbers = document.createElement("div");
    this.numbers.append(document.createElement("span"), document.createElement("span"));
    this.element.append(this.canvas, this.numbers);
  }

  hide() {
    this.element.style.display = "none";
  }

  show(colour, low, high) {
    this.element.style.display = "";
    const context = this.canvas.getContext("2d");
    for (let row = 0; row < 64; row++) {
      context.fillStyle = `rgb(${colour(1 - row / 63).join(",")})`;
      context.fillRect(0, row, 1, 1);
    }
    const [top, bottom] = this.numbers.children;
    top.textContent = high;
    bottom.textContent = low;
  }
}

export const text = (value) => (Math.abs(value) < 20 ? value.toFixed(1) : value.toFixed(0)).replace("-", "−");

/** The labels with the stroke or the shift that the user is about to make. */
export function shownLabels(labels) {
  if (state.view === "before" || (!state.stroke && !state.shift)) return labels;
  const shown = labels.slice();
  const cells = state.stroke?.get(state.index) ?? [];
  const code = state.info.labels.indexOf(state.tool);
  for (const cell of cells) if (covers(labels[cell])) shown[cell] = code;
  if (!state.shift) return shown;
  const [height, width] = size();
  for (let at = 0; at < shown.length; at++) if (shown[at] > 1) shown[at] = 1;
  labels.forEach((label, at) => {
    const [row, column] = [Math.floor(at / width) + state.shift.rows, (at % width) + state.shift.columns];
    if (label < 2 || row < 0 || column < 0 || row >= height || column >= width) return;
    if (shown[row * width + column]) shown[row * width + column] = label;
  });
  return shown;
}

function maskPixels(labels) {
  return (at) => (labels[at] ? COLOURS[labels[at]] : OUTSIDE);
}

/** 1 - confidence, or the spread over several samples. */
function certainty(answer, number) {
  const offset = number * answer.labels.length;
  const table = state.info.colours.magma;
  const pixel = (value) => (at) => (answer.labels[at] ? table[level(value(at))] : OUTSIDE);
  if (answer.spread) {
    const { low, high } = state.info.sequences[number];
    const most = text(SPREAD * (high - low));
    return { name: "spread", low: "0", high: most, pixels: pixel((at) => answer.spread[offset + at] / 65535 / SPREAD) };
  }
  if (!answer.confidence) return null;
  return { name: "1 − confidence", low: "0", high: "1", pixels: pixel((at) => 1 - answer.confidence[offset + at] / 255) };
}

const level = (share) => Math.max(0, Math.min(255, Math.round(255 * share)));

/** Black without a change, orange where brighter, blue where darker. */
function changeColour(change) {
  const strong = Math.min(1, Math.abs(change));
  const [r, g, b] = change > 0 ? [255, 150, 40] : [60, 150, 255];
  return [r * strong, g * strong, b * strong].map(Math.round);
}

function side(letter, where) {
  const mark = document.createElement("span");
  mark.className = `side ${where}`;
  mark.textContent = letter;
  mark.title = letter === "R" ? "The patient's right" : "The patient's left";
  return mark;
}
