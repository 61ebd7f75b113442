// Questions to the server and what it answers: JSON with arrays behind it.

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };

// A name of this window, by which the server knows who has which scan open.
const random = crypto.getRandomValues(new Uint8Array(12));
export const page = Array.from(random, byte => byte.toString(16).padStart(2, "0")).join("");

// A refusal of the server in its own words; `status` 409: the scan is open elsewhere; 0: no answer at all.
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), arrays = {};
  let at = 4 + length;
  for (const { name, type, count } of about.arrays) {
    arrays[name] = new TYPES[type](buffer, at, count);
    at += arrays[name].byteLength;
    at += (4 - at % 4) % 4;
  }
  return { about, arrays };
}

async function answered(path, options) {
  let response, body;
  try {
    response = await fetch(path, { ...options, cache: "no-store", redirect: "error" });
    body = response.ok ? await response.arrayBuffer() : await response.text();
  } catch {
    throw new Refusal(0, "the server does not answer; is tools/annotate.py still running?");
  }
  if (!response.ok) throw new Refusal(response.status, body || "refused (" + response.status + ")");
  return unpack(body);
}

// Ask a question that changes nothing.
export function ask(path, query = {}) {
  return answered(path + "?" + new URLSearchParams({ page, ...query }), {});
}

// Have something done; a server that is busy is asked again.
export async function send(path, request = {}) {
  const body = JSON.stringify({ page, ...request });
  for (let again = 0; ; again++) {
    try {
      return await answered(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 503 || again >= 5) throw error;
      await new Promise(done => setTimeout(done, 400));
    }
  }
}

// Say that this window goes; nobody waits for an answer.
export function goodbye() {
  fetch("leave", { method: "POST", keepalive: true, headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ page }) }).catch(() => {});
}
