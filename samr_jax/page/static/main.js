// Starts the page: asks the server what there is, makes the pictures, connects all.

import * as api from "./api.js";
import { show } from "./display.js";
import { connect, showMask } from "./panel.js";
import { attach } from "./pointer.js";
import { onRedraw, redraw, state, tell } from "./state.js";
import { Tile } from "./tile.js";

async function begin() {
  tell("starting");
  state.info = await api.start();
  state.anatomy = state.info.anatomy;
  for (const { name, low, high } of state.info.sequences) state.windows[name] = { low, high };
  const tiles = [new Tile(), ...state.info.sequences.map((_, number) => new Tile(number))];
  const grid = document.getElementById("tiles");
  grid.append(...tiles.map((tile) => tile.figure));
  tiles.forEach(attach);
  connect();
  onRedraw(() => {
    arrange(grid, tiles.length);
    for (const tile of tiles) tile.draw();
    show(tiles);
  });
  new ResizeObserver(redraw).observe(grid);
  showMask(state.info.masks[0]);
}

/** Chooses the number of columns with which the pictures are the largest. */
function arrange(grid, count) {
  const [top, left, bottom, right] = state.mask.box;
  const [, down, across] = state.mask.spacing;
  const [wide, high] = [(right - left) * across, (bottom - top) * down];
  let best = [0, 1];
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const scale = Math.min(grid.clientWidth / columns / wide, grid.clientHeight / rows / high);
    if (scale > best[0]) best = [scale, columns];
  }
  grid.style.setProperty("--columns", best[1]);
}

begin().catch((error) => tell(error.message, { error: true }));
