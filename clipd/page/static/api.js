// Requests to the page's own process; every refusal comes as an Error with its sentence.

export class Refusal extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
    this.span = error.span;
  }
}

async function answered(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Refusal({
      code: "ended",
      message: "This page has ended, as it does after a quarter of an hour. Run clipctl browse again.",
    });
  }
  const value = await response.json();
  if (!response.ok) throw new Refusal(value.error);
  return value;
}

export function ask(path, values = {}, signal = undefined) {
  const query = new URLSearchParams(values).toString();
  return answered(fetch(query ? `${path}?${query}` : path, { signal, credentials: "same-origin" }));
}

export function act(path, value) {
  return answered(fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
  }));
}

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export function quoted(value) {
  return /^[^\s"|^]+$/.test(value) ? value : `"${value.replace(/(["\\])/g, "\\$1")}"`;
}
