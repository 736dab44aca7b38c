// Questions to the server. The token of the page's address goes with each.

const token = new URLSearchParams(location.search).get("token") ?? "";

/** The server's refusal of what the user has asked for, in one line. */
export class Refused extends Error {}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "X-Samr-Token": token } });
  } catch {
    throw new Error("samr-jax page does not answer. Is it still running in the terminal?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let message = `the server failed (${response.status})`;
  try {
    message = JSON.parse(text).error;
  } catch {
    if (response.status === 413) message = "this file is too large";
  }
  if (response.status < 500) throw new Refused(message);
  throw new Error(message);
}

const post = (path, content) => ask(path, { method: "POST", body: JSON.stringify(content) });

/** Sequences, masks and colours, as `Studio.description` gives them. */
export const start = async () => (await ask("start")).json();

/** Labels and images of a slice: `{about, labels, images, confidence, spread}`. */
export const slice = async (choice) => unpacked(await (await post("slice", choice)).arrayBuffer());

/** The recipe as a file's content. */
export const recipe = async (choice) => (await post("recipe", choice)).blob();

/** Loads a mask file; returns what the page needs to know about the mask. */
export async function load(file, labels) {
  const query = new URLSearchParams({ name: file.name, labels });
  return (await ask(`masks?${query}`, { method: "POST", body: file })).json();
}

/** Starts to make the files of all slices; returns the number of the download. */
export const build = async (choice) => (await (await post("volumes", choice)).json()).number;

/** How far a download is. */
export const progress = async (number) => (await ask(`volumes/${number}`)).json();

/** The address of a finished download. */
export const zip = (number) => `volumes/${number}/zip?${new URLSearchParams({ token })}`;

const TYPES = { uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array };

/** Reads what `samr_jax.page.site.packed` writes. */
function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const answer = { about };
  let at = 4 + length;
  for (const { name, type, shape } of about.arrays) {
    const count = shape.reduce((a, b) => a * b);
    answer[name] = new TYPES[type](buffer, at, count);
    at += Math.ceil(answer[name].byteLength / 8) * 8;
  }
  return answer;
}
