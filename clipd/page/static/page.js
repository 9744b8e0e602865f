// The page: one query, its hits, and what a person does with them.

import { act, ask, element } from "./api.js";
import { showErrors, showStatus, working } from "./daemon.js";
import { Grid } from "./grid.js";
import { Large } from "./large.js";

const TYPING_MS = 150;
const SETTLED_MS = 1500; // without a key: what is typed is what was meant
const LOOK_MS = 3000;
const EVERYTHING = "sort:date"; // no words: the newest first
const STACKS = "unique:burst"; // unless the query says what is one hit
const FILTER = /(^|\s)(-?(?:in|name|on|after|before|camera|lens|place|near|tag|rating|type|kind|mp|size|width|height|has|is|score|raw|sort|unique|not):(?:"(?:[^"\\]|\\.)*"|\S)+)/gi;

const find = (id) => document.getElementById(id);
const box = find("query");

const state = { liked: [], next: null, isLoading: false, isAnyway: false, asking: null, photos: null, isWorking: false };

const grid = new Grid(find("grid"), {
  onOpen: (index) => large.open(index),
  onSelect: showSelection,
});
const large = new Large({
  hits: () => grid.hits,
  onFilter: (filter) => setQuery(`${box.value.trim()} ${filter}`.trim()),
  onAct: (name, hit) => doWith(name, hit),
  onMove: (index) => grid.focus(index),
});

// --- asking

function wholeQuery() {
  const liked = state.liked.map(({ sign }, index) => `${sign < 0 ? "unlike" : "like"}:@${index + 1}`);
  const text = [box.value.trim(), ...liked].filter(Boolean).join(" ");
  const query = text || EVERYTHING;
  return /(^|\s)-?unique:/i.test(query) ? query : `${query} ${STACKS}`;
}

let settling = 0;

async function search(isTyping = false) {
  clearTimeout(settling);
  if (isTyping) settling = setTimeout(remember, SETTLED_MS);
  state.asking?.abort();
  const asking = new AbortController();
  state.asking = asking;
  history.replaceState(null, "", `/?q=${encodeURIComponent(box.value)}`);
  showChips();
  const slow = setTimeout(() => say("searching..."), 300);
  try {
    const answer = await ask("/api/search", asked("", isTyping), asking.signal);
    grid.clear();
    show(answer);
  } catch (error) {
    if (asking.signal.aborted) return;
    refuse(error);
  } finally {
    clearTimeout(slow);
  }
}

// The daemon keeps the words of a query, unless they are still being typed: a part of a word is
// nobody's query.
function remember() {
  ask("/api/search", asked()).catch(() => {}); // who wants to see it has been told
}

function asked(after = "", isTyping = false) {
  const values = { q: wholeQuery(), list: state.liked.map(({ hit }) => hit.photo).join(",") };
  if (after) values.after = after;
  if (state.isAnyway) values.anyway = "true";
  if (isTyping) values.typing = "true";
  return values;
}

async function more() {
  if (!state.next || state.isLoading) return;
  state.isLoading = true;
  const asking = state.asking;
  try {
    const answer = await ask("/api/search", asked(state.next), asking.signal);
    state.isLoading = false;
    if (asking === state.asking) show(answer, true);
  } catch (error) {
    if (!asking.signal.aborted) refuse(error);
  } finally {
    state.isLoading = false;
  }
}

function show(answer, isMore = false) {
  state.next = answer.next;
  box.removeAttribute("aria-invalid");
  grid.add(answer.hits);
  watchEnd();
  if (isMore) return;
  const shown = grid.hits.length;
  const reading = wholeQuery() === `${EVERYTHING} ${STACKS}` ? "the newest first" : answer.reading;
  say([reading, ...(answer.tips ?? []).map((tip) => `tip: ${tip}`), answer.note].filter(Boolean).join(" · "));
  const nothing = find("nothing");
  nothing.hidden = shown > 0;
  if (!shown) {
    nothing.replaceChildren(answer.nothing || "Nothing here is like that.");
    if (answer.left_out) {
      const button = element("button", { type: "button", textContent: "Show the nearest" });
      button.addEventListener("click", () => {
        state.isAnyway = true;
        search();
      });
      nothing.append(" ", button);
    }
  }
}

function say(text) {
  const line = find("reading");
  line.classList.remove("wrong");
  line.textContent = text;
}

function refuse(error) {
  box.setAttribute("aria-invalid", "true");
  const line = find("reading");
  line.classList.add("wrong");
  line.textContent = error.message;
  if (error.span) {
    const query = wholeQuery();
    const [from, to] = error.span;
    line.append(" — ", query.slice(0, from), element("mark", { textContent: query.slice(from, to) }), query.slice(to));
  }
}

function setQuery(text) {
  box.value = text;
  changed();
}

function changed(isTyping = false) {
  state.isAnyway = false;
  search(isTyping);
}

// --- chips

function showChips() {
  const chips = [];
  for (const match of box.value.matchAll(FILTER)) {
    const filter = match[2];
    chips.push(chip([filter], `Remove ${filter}`, () => setQuery(box.value.replace(filter, "").replace(/\s+/g, " ").trim())));
  }
  state.liked.forEach((one, index) => {
    const words = one.sign < 0 ? "less like this" : "more like this";
    const image = element("img", { src: `/thumbnails/${one.hit.photo}`, alt: "" });
    chips.push(chip([image, words], `Remove ${words}`, () => {
      state.liked.splice(index, 1);
      changed();
    }));
  });
  find("chips").replaceChildren(...chips);
}

function chip(content, label, remove) {
  const button = element("button", { type: "button", className: "chip", "aria-label": label }, ...content, "×");
  button.addEventListener("click", remove);
  return element("span", { role: "listitem" }, button);
}

function like(hit, sign) {
  state.liked.push({ hit, sign });
  if (large.isOpen) large.dialog.close();
  changed();
  scrollTo(0, 0);
}

function undo() {
  if (state.liked.length) {
    state.liked.pop();
    changed();
    return;
  }
  const filters = [...box.value.matchAll(FILTER)];
  const last = filters.at(-1)?.[2];
  setQuery(last ? box.value.replace(last, "").trim() : "");
}

// --- suggestions

let typing = 0;
let suggested = null;

box.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    changed(true);
    suggest();
  }, TYPING_MS);
});

async function suggest() {
  const at = box.selectionStart;
  if (!/:?\S$/.test(box.value.slice(0, at))) return hideSuggestions();
  let answer;
  try {
    answer = await ask("/api/complete", { q: box.value, at });
  } catch {
    return hideSuggestions();
  }
  if (!answer.options?.length || document.activeElement !== box) return hideSuggestions();
  suggested = { ...answer, chosen: -1 };
  const items = answer.options.map((option, index) => {
    const item = element("li", { role: "option", id: `option-${index}`, textContent: option, "aria-selected": "false" });
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      take(index);
    });
    return item;
  });
  find("suggestions").replaceChildren(...items);
  find("suggestions").hidden = false;
  box.setAttribute("aria-expanded", "true");
}

function hideSuggestions() {
  suggested = null;
  find("suggestions").hidden = true;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function take(index) {
  const { from, to, options } = suggested;
  const option = options[index];
  hideSuggestions();
  const rest = box.value.slice(to);
  box.value = box.value.slice(0, from) + option + (option.endsWith(":") || rest.startsWith(" ") ? "" : " ") + rest;
  box.focus();
  changed();
}

function choose(by) {
  const items = [...find("suggestions").children];
  suggested.chosen = (suggested.chosen + by + items.length) % items.length;
  items.forEach((item, index) => item.setAttribute("aria-selected", String(index === suggested.chosen)));
  box.setAttribute("aria-activedescendant", items[suggested.chosen].id);
}

box.addEventListener("keydown", (event) => {
  if (suggested && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    choose(event.key === "ArrowDown" ? 1 : -1);
  } else if (suggested && suggested.chosen >= 0 && (event.key === "Enter" || event.key === "Tab")) {
    event.preventDefault();
    take(suggested.chosen);
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    grid.focus(grid.at);
  } else if (event.key === "Escape" && suggested) {
    event.preventDefault(); // it would empty the box
    event.stopPropagation();
    hideSuggestions();
  }
});
box.addEventListener("blur", hideSuggestions);
find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  hideSuggestions();
  changed();
});

// --- selection

function showSelection() {
  const count = grid.selected.size;
  find("selection").hidden = count === 0;
  find("chosen").textContent = count === 1 ? "1 photo" : `${count} photos`;
}

function chosenHits(hit = null) {
  return hit ? [hit] : [...grid.selected.values()];
}

async function doWith(name, hit = null) {
  const hits = chosenHits(hit);
  const photos = hits.map((each) => each.photo);
  try {
    if (name === "more") hits.forEach((each) => state.liked.push({ hit: each, sign: 1 }));
    if (name === "less") hits.forEach((each) => state.liked.push({ hit: each, sign: -1 }));
    if (name === "more" || name === "less") {
      if (large.isOpen) large.dialog.close();
      changed();
    }
    if (name === "select") grid.toggle(grid.hits.indexOf(hit));
    if (name === "open" || name === "show") await act(`/api/${name}`, { photos });
    if (name === "path") await navigator.clipboard.writeText(hits.map((each) => each.path).join("\n"));
    if (name === "copy") find("folder-dialog").showModal();
  } catch (error) {
    news(error.message);
  }
}

find("more-selected").addEventListener("click", () => doWith("more"));
find("copy-selected").addEventListener("click", () => doWith("copy"));
find("list-selected").addEventListener("click", () => doWith("path"));
find("open-selected").addEventListener("click", () => doWith("open"));
find("clear-selected").addEventListener("click", () => grid.unselect());
find("folder-no").addEventListener("click", () => find("folder-dialog").close());
find("folder-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = find("folder-said");
  said.textContent = "copying...";
  try {
    const photos = chosenHits().map((hit) => hit.photo);
    const done = await act("/api/copy", { photos, folder: find("folder").value.trim() });
    find("folder-dialog").close();
    said.textContent = "";
    const passed = done.passed_over.length ? `; passed over: ${done.passed_over.join("; ")}` : "";
    const there = done.there_already ? `, ${done.there_already} there already` : "";
    news(`${done.copied} copied to ${done.folder}${there}${passed}`);
  } catch (error) {
    said.textContent = error.message;
  }
});

// --- what goes on in the daemon

function news(text) {
  find("news").textContent = text;
  find("news").hidden = !text;
}

async function look() {
  if (document.visibilityState !== "visible") return;
  let status;
  try {
    status = await ask("/api/status");
  } catch (error) {
    news(error.message);
    return;
  }
  const isNew = state.photos !== null && status.photos !== state.photos;
  state.photos = status.photos;
  const sentence = working(status);
  if (sentence) news(sentence);
  else if (state.isWorking) news("");
  state.isWorking = Boolean(sentence);
  if (isNew && scrollY < 200 && !large.isOpen && !grid.selected.size && !grid.opened.size && !find("photos").hidden) search();
  if (!find("status").hidden) showStatus(status);
}

function view(name) {
  for (const each of ["photos", "status", "errors"]) {
    find(each).hidden = each !== name;
    find(`view-${each}`).setAttribute("aria-pressed", String(each === name));
  }
  find("chips").hidden = name !== "photos";
  find("reading").hidden = name !== "photos";
  if (name === "status") look();
  if (name === "errors") showErrors();
}

for (const name of ["photos", "status", "errors"]) {
  find(`view-${name}`).addEventListener("click", () => view(name));
}

// --- keys

const STEPS = {
  ArrowLeft: () => -1, h: () => -1, ArrowRight: () => 1, l: () => 1,
  ArrowUp: () => -grid.columns(), k: () => -grid.columns(),
  ArrowDown: () => grid.columns(), j: () => grid.columns(),
};
const ACTS = { m: "more", x: "less", o: "open", s: "show" };

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]:not(#large)")) return;
  const hit = large.isOpen ? large.hit : grid.hits[grid.at];
  if (event.key in STEPS) {
    if (large.isOpen) large.step(Math.sign(STEPS[event.key]()));
    else grid.move(STEPS[event.key]());
  } else if (event.key === "/") box.focus();
  else if (event.key === "?") find("keys").showModal();
  else if (event.key === " " && hit) grid.toggle(large.isOpen ? large.index : grid.at);
  else if (event.key in ACTS && hit) doWith(ACTS[event.key], hit);
  else if (event.key === "c" && grid.selected.size) doWith("copy");
  else if (event.key === "u") undo();
  else if (event.key === "b" && !large.isOpen) grid.toggleStack(grid.at);
  else if (event.key === "Escape" && grid.selected.size && !large.isOpen) grid.unselect();
  else return;
  event.preventDefault();
});
find("help").addEventListener("click", () => find("keys").showModal());
find("keys-close").addEventListener("click", () => find("keys").close());

// --- the start

const ending = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) more();
}, { rootMargin: "1200px" });

// It tells only of changes: asked anew, it also tells of an end that is still in sight.
function watchEnd() {
  ending.unobserve(find("end"));
  ending.observe(find("end"));
}

setInterval(look, LOOK_MS);
box.value = new URLSearchParams(location.search).get("q") ?? "";
box.focus();
search();
look();
