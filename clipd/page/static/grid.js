// The grid of hits: tiles are added as they come near, and only those in sight are drawn.

import { element } from "./api.js";

export class Grid {
  // list: the <ul>; onOpen(index), onSelect() are told what a person does.
  constructor(list, { onOpen, onSelect, onStack }) {
    this.list = list;
    this.onOpen = onOpen;
    this.onSelect = onSelect;
    this.onStack = onStack;
    this.hits = [];
    this.selected = new Map();
    this.at = 0;
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("focusin", (event) => this.#focused(event));
  }

  clear() {
    this.hits = [];
    this.at = 0;
    this.list.replaceChildren();
  }

  add(hits) {
    const first = this.hits.length;
    this.hits.push(...hits);
    this.list.append(...hits.map((hit, index) => this.#tile(hit, first + index)));
    if (first === 0 && hits.length) this.#rove(0);
  }

  #tile(hit, index) {
    const name = hit.path.slice(hit.path.lastIndexOf("/") + 1);
    const said = [name, hit.taken?.slice(0, 10), hit.place, hit.offline ? "its drive is not there" : ""];
    const label = said.filter(Boolean).join(", ");
    const image = element("img", {
      src: `/thumbnails/${hit.photo}`, alt: "", loading: "lazy", decoding: "async", draggable: false,
    });
    const tile = element("button", {
      type: "button", className: "tile", tabIndex: -1, title: label, "aria-label": label,
    }, image);
    const pick = element("button", {
      type: "button", className: "pick", tabIndex: -1, textContent: "✓",
      "aria-label": `Select ${name}`, "aria-pressed": String(this.selected.has(hit.photo)),
    });
    const item = element("li", { className: hit.offline ? "offline" : "" }, tile, pick);
    item.dataset.index = index;
    item.classList.toggle("selected", this.selected.has(hit.photo));
    if (hit.stands_for > 1) {
      item.append(element("button", {
        type: "button", className: "badge", tabIndex: -1, textContent: `+${hit.stands_for - 1}`,
        "aria-label": `${hit.stands_for - 1} more like ${name}`,
      }));
    }
    return item;
  }

  #clicked(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const index = Number(item.dataset.index);
    if (event.target.closest(".pick") || event.ctrlKey || event.metaKey) this.toggle(index);
    else if (event.shiftKey) this.selectTo(index);
    else if (event.target.closest(".badge")) this.onStack(index);
    else this.onOpen(index);
  }

  #focused(event) {
    const item = event.target.closest("li");
    if (item) this.#rove(Number(item.dataset.index));
  }

  #rove(index) {
    const before = this.list.children[this.at]?.querySelector(".tile");
    if (before) before.tabIndex = -1;
    this.at = index;
    const now = this.list.children[index]?.querySelector(".tile");
    if (now) now.tabIndex = 0;
  }

  columns() {
    return getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
  }

  move(by) {
    const index = Math.min(this.hits.length - 1, Math.max(0, this.at + by));
    this.focus(index);
  }

  focus(index) {
    const tile = this.list.children[index]?.querySelector(".tile");
    if (!tile) return;
    this.#rove(index);
    tile.focus();
  }

  toggle(index, wanted = undefined) {
    const hit = this.hits[index];
    if (!hit) return;
    const isSelected = wanted ?? !this.selected.has(hit.photo);
    if (isSelected) this.selected.set(hit.photo, hit);
    else this.selected.delete(hit.photo);
    const item = this.list.children[index];
    item.classList.toggle("selected", isSelected);
    item.querySelector(".pick").setAttribute("aria-pressed", String(isSelected));
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
    for (const item of this.list.querySelectorAll("li.selected")) {
      item.classList.remove("selected");
      item.querySelector(".pick").setAttribute("aria-pressed", "false");
    }
    this.onSelect();
  }
}
