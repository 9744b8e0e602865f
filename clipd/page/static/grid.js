// The grid of hits. Only the tiles near the part in sight exist: ten thousand take long to lay
// out, and their pictures would fill the memory.

import { element } from "./api.js";

const SCREENS_AROUND = 1; // above and below the part in sight
const AHEAD_AT_ONCE = 2; // pictures out of sight: more would stand in the way of those that come

export class Grid {
  // list: the <ul>; onOpen(index), onSelect() are told what a person does.
  constructor(list, { onOpen, onSelect }) {
    this.list = list;
    this.onOpen = onOpen;
    this.onSelect = onSelect;
    this.hits = []; // as they are shown: behind one whose stack is open, its members
    this.opened = new Set(); // hits whose stacks are open
    this.selected = new Map();
    this.at = 0; // where the keyboard is
    this.items = new Map(); // the tiles that exist, by their hits
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("focusin", (event) => this.#focused(event));
    for (const name of ["load", "error"]) list.addEventListener(name, () => this.#load(), true);
    addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(list);
  }

  clear() {
    this.hits = [];
    this.opened.clear();
    this.at = 0;
    this.#draw();
  }

  add(hits) {
    this.hits.push(...hits);
    this.#draw();
  }

  // --- which tiles exist

  columns() {
    return getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
  }

  #shape() {
    const style = getComputedStyle(this.list);
    const widths = style.gridTemplateColumns.split(" ");
    const gap = parseFloat(style.rowGap);
    return { columns: widths.length, rowHeight: (parseFloat(widths[0]) * 3) / 4 + gap, gap };
  }

  #draw() {
    if (!this.list.clientWidth) return; // another view is shown
    const { columns, rowHeight, gap } = this.#shape();
    const rows = Math.ceil(this.hits.length / columns);
    const above = -this.list.getBoundingClientRect().top;
    const around = SCREENS_AROUND * innerHeight;
    const first = Math.min(rows, Math.max(0, Math.floor((above - around) / rowHeight)));
    const end = Math.min(rows, Math.max(first, Math.ceil((above + innerHeight + around) / rowHeight)));
    this.list.style.paddingTop = `${gap + first * rowHeight}px`;
    this.list.style.paddingBottom = `${gap + (rows - end) * rowHeight}px`;
    this.#keep(first * columns, Math.min(end * columns, this.hits.length));
    const seen = Math.max(0, Math.floor(above / rowHeight)) - first;
    const unseen = Math.ceil((above + innerHeight) / rowHeight) - first;
    this.sight = [Math.max(0, seen) * columns, Math.max(0, unseen) * columns];
    this.#load();
    if (!this.items.has(this.hits[this.at])) {
      this.at = Math.min(this.hits.length - 1, columns * Math.max(0, Math.ceil(above / rowHeight)));
    }
    this.#rove(Math.max(0, this.at));
  }

  // Have exactly the tiles of these hits exist. Those that stay are not touched: they may have the
  // focus, and pictures under way.
  #keep(from, to) {
    const wanted = this.hits.slice(from, to);
    const kept = new Set(wanted);
    for (const [hit, item] of this.items) {
      if (kept.has(hit)) continue;
      item.querySelector("img").removeAttribute("src"); // it need not come any more
      item.remove();
      this.items.delete(hit);
    }
    let next = this.list.firstElementChild;
    wanted.forEach((hit, offset) => {
      let item = this.items.get(hit);
      if (item && item === next) {
        next = next.nextElementSibling;
      } else {
        item = this.#tile(hit);
        this.items.set(hit, item);
        this.list.insertBefore(item, next);
      }
      item.setAttribute("aria-posinset", from + offset + 1);
      item.setAttribute("aria-setsize", this.hits.length);
    });
  }

  // Ask for the pictures in sight, row by row; when these are there, for those around.
  #load() {
    const images = [...this.list.querySelectorAll(".tile img")];
    const inSight = images.slice(...this.sight);
    for (const image of inSight) if (!image.hasAttribute("src")) this.#ask(image, "high");
    let coming = images.filter((image) => !image.complete).length;
    if (inSight.some((image) => !image.complete)) return;
    for (const image of images) {
      if (coming >= AHEAD_AT_ONCE) return;
      if (image.hasAttribute("src")) continue;
      this.#ask(image, "low");
      coming += image.complete ? 0 : 1;
    }
  }

  #ask(image, priority) {
    image.fetchPriority = priority;
    image.src = `/thumbnails/${image.dataset.photo}`;
  }

  #tile(hit) {
    const name = hit.path.slice(hit.path.lastIndexOf("/") + 1);
    const said = [
      name, hit.taken?.slice(0, 10), hit.place, hit.offline ? "its drive is not there" : "",
      hit.members ? `the best of ${hit.stands_for}` : "",
    ];
    const label = said.filter(Boolean).join(", ");
    const image = element("img", { alt: "", decoding: "async", draggable: false });
    image.dataset.photo = hit.photo;
    const tile = element("button", {
      type: "button", className: "tile", tabIndex: -1, title: label, "aria-label": label,
    }, image);
    const isSelected = this.selected.has(hit.photo);
    const pick = element("button", {
      type: "button", className: "pick", tabIndex: -1, textContent: "✓",
      "aria-label": `Select ${name}`, "aria-pressed": String(isSelected),
    });
    const item = element("li", {}, tile, pick);
    item.classList.toggle("offline", Boolean(hit.offline));
    item.classList.toggle("selected", isSelected);
    item.classList.toggle("member", Boolean(hit.of));
    if (hit.members) {
      item.append(element("button", {
        type: "button", className: "badge", tabIndex: -1,
        "aria-label": `${hit.members.length} more of the moment of ${name}`,
      }));
      this.#mark(item, hit);
    }
    return item;
  }

  // --- stacks: the best of a burst lies on the others

  toggleStack(index) {
    const hit = this.hits[index]?.of ?? this.hits[index];
    if (!hit?.members) return;
    const lead = this.hits.indexOf(hit);
    const isOpen = !this.opened.delete(hit);
    if (isOpen) {
      this.opened.add(hit);
      for (const member of hit.members) member.of = hit;
      this.hits.splice(lead + 1, 0, ...hit.members);
    } else {
      this.hits.splice(lead + 1, hit.members.length);
    }
    this.at = lead;
    this.#draw();
    const item = this.items.get(hit);
    if (item) this.#mark(item, hit);
    this.focus(lead);
  }

  #mark(item, hit) {
    const isOpen = this.opened.has(hit);
    item.classList.toggle("stack", !isOpen);
    item.classList.toggle("opened", isOpen);
    const badge = item.querySelector(".badge");
    badge.textContent = isOpen ? "−" : `+${hit.members.length}`;
    badge.setAttribute("aria-expanded", String(isOpen));
  }

  // --- hands

  #indexOf(item) {
    for (const [hit, each] of this.items) if (each === item) return this.hits.indexOf(hit);
    return -1;
  }

  #clicked(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const index = this.#indexOf(item);
    if (event.target.closest(".pick") || event.ctrlKey || event.metaKey) this.toggle(index);
    else if (event.shiftKey) this.selectTo(index);
    else if (event.target.closest(".badge")) this.toggleStack(index);
    else this.onOpen(index);
  }

  #focused(event) {
    const item = event.target.closest("li");
    if (item) this.#rove(this.#indexOf(item));
  }

  #rove(index) {
    const before = this.list.querySelector('.tile[tabindex="0"]');
    const now = this.items.get(this.hits[index])?.querySelector(".tile");
    this.at = index;
    if (before === now) return;
    if (before) before.tabIndex = -1;
    if (now) now.tabIndex = 0;
  }

  move(by) {
    this.focus(Math.min(this.hits.length - 1, Math.max(0, this.at + by)));
  }

  focus(index) {
    if (!this.hits[index]) return;
    if (!this.items.has(this.hits[index])) this.#scrollTo(index);
    this.#rove(index);
    this.items.get(this.hits[index])?.querySelector(".tile").focus();
  }

  #scrollTo(index) {
    const { columns, rowHeight } = this.#shape();
    const top = this.list.getBoundingClientRect().top + scrollY;
    scrollTo(0, top + Math.floor(index / columns) * rowHeight - innerHeight / 2);
    this.#draw();
  }

  toggle(index, wanted = undefined) {
    const hit = this.hits[index];
    if (!hit) return;
    const isSelected = wanted ?? !this.selected.has(hit.photo);
    if (isSelected) this.selected.set(hit.photo, hit);
    else this.selected.delete(hit.photo);
    this.#markSelected(hit);
    this.last = index;
    this.onSelect();
  }

  selectTo(index) {
    const from = this.last ?? this.at;
    for (let each = Math.min(from, index); each <= Math.max(from, index); each++) {
      this.toggle(each, true);
    }
  }

  unselect() {
    this.selected.clear();
    for (const hit of this.items.keys()) this.#markSelected(hit);
    this.onSelect();
  }

  #markSelected(hit) {
    const item = this.items.get(hit);
    if (!item) return;
    const isSelected = this.selected.has(hit.photo);
    item.classList.toggle("selected", isSelected);
    item.querySelector(".pick").setAttribute("aria-pressed", String(isSelected));
  }
}
