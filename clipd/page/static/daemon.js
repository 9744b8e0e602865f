// What goes on in the daemon, and which files it could not read.

import { ask, element } from "./api.js";

const MOST_ERRORS = 2000; // rows that a page still shows at ease

const find = (id) => document.getElementById(id);
const counted = (number) => (number ?? 0).toLocaleString("en");

// One sentence for who looks at photos; "" when nothing is going on.
export function working({ state, photos, backlog, rate }) {
  if (!backlog) return "";
  const held = {
    paused: "new photos wait, since clipd is paused",
    resting: "new photos wait for mains power",
    waiting: "new photos wait for the weights of the model",
  }[state];
  const left = state === "indexing" && rate > 0 ? `, about ${duration(backlog / rate)} left` : "";
  return `${counted(photos)} photos; ${held ?? `${counted(backlog)} changes are still being looked at${left}`}`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

export function showStatus(status) {
  const { encoder, metadata } = status;
  const left = status.rate > 0 && status.state === "indexing" ? `, about ${duration(status.backlog / status.rate)} left` : "";
  const read = metadata && `of ${counted(metadata.read)} of ${counted(metadata.total)} photos are read`;
  const rows = [
    ["state", status.state],
    ["photos", `${counted(status.photos)} at ${counted(status.paths)} paths`],
    ["waiting", status.backlog ? `${counted(status.backlog)} changes${left}` : "nothing"],
    ["errors", `${counted(status.errors)} files could not be read`],
    ["model", [encoder?.model, encoder?.state, encoder?.doing, encoder?.device, encoder?.precision].filter(Boolean).join(", ")],
    ...(status.model?.next ? [["next model", nextModel(status.model.next)]] : []),
    ...(metadata ? [["details", `dates, cameras and tags ${read}`]] : []),
    ...(status.roots ?? []).map((root) => ["folder", `${root.path}: ${root.state}${root.reason ? ` (${root.reason})` : ""}`]),
    ...(status.problems ?? []).map((problem) => ["problem", problem]),
  ];
  find("status").replaceChildren(element("h1", { textContent: "Status" }), table(["what", "how it is"], rows));
}

function nextModel({ name, photos, of, seconds_left: left, reason }) {
  const end = left ? `, about ${duration(left)} left` : "";
  return `${name}: ${counted(photos)} of ${counted(of)} photos have its vectors${end}${reason ? ` (${reason})` : ""}`;
}

export async function showErrors() {
  const section = find("errors");
  const rows = [];
  let after = "";
  try {
    while (after !== null && rows.length < MOST_ERRORS) {
      const page = await ask("/api/errors", { after });
      rows.push(...page.errors.map((each) => [each.path, each.kind, each.reason]));
      after = page.next;
    }
  } catch (error) {
    section.replaceChildren(element("p", { textContent: error.message }));
    return;
  }
  const title = element("h1", { textContent: "Files that could not be read" });
  const content = rows.length ? table(["file", "kind", "reason"], rows) : element("p", { textContent: "None." });
  section.replaceChildren(title, content);
  if (after !== null) section.append(element("p", { textContent: "These are the first; all: clipctl errors" }));
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { textContent: text, scope: "col" })));
  const body = rows.map((row) => element("tr", {}, ...row.map((text) => element("td", { textContent: text }))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}
