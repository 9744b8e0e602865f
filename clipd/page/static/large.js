// One photo, large, with what is known of it: each fact is a filter to click.

import { ask, element, quoted } from "./api.js";

const find = (id) => document.getElementById(id);

export class Large {
  // onFilter(text), onAct(name, hit) are told what a person does; hits() are those of the grid.
  constructor({ hits, onFilter, onAct, onMove }) {
    this.dialog = find("large");
    this.picture = find("picture");
    this.hits = hits;
    this.onFilter = onFilter;
    this.onAct = onAct;
    this.onMove = onMove;
    this.index = 0;
    find("close").addEventListener("click", () => this.dialog.close());
    find("previous").addEventListener("click", () => this.step(-1));
    find("next").addEventListener("click", () => this.step(1));
    this.picture.addEventListener("click", () => this.#zoom());
  }

  get isOpen() {
    return this.dialog.open;
  }

  get hit() {
    return this.hits()[this.index];
  }

  open(index) {
    if (!this.hits()[index]) return;
    this.index = index;
    if (!this.dialog.open) this.dialog.showModal();
    this.#show();
  }

  step(by) {
    const index = this.index + by;
    if (!this.hits()[index]) return;
    this.open(index);
    this.onMove(index);
  }

  async #show() {
    const hit = this.hit;
    this.picture.classList.remove("whole");
    this.picture.src = `/thumbnails/${hit.photo}?side=1024`;
    this.picture.alt = hit.path.slice(hit.path.lastIndexOf("/") + 1);
    const about = find("about");
    about.replaceChildren(...this.#acts(hit));
    try {
      const info = await ask(`/api/photos/${hit.photo}`);
      if (this.hit === hit) about.replaceChildren(this.#facts(info), ...this.#acts(hit));
    } catch (error) {
      if (this.hit === hit) about.prepend(element("p", { textContent: error.message }));
    }
  }

  #zoom() {
    const isWhole = this.picture.classList.toggle("whole");
    const side = isWhole ? `/originals/${this.hit.photo}` : `/thumbnails/${this.hit.photo}?side=1024`;
    this.picture.src = side;
  }

  #acts(hit) {
    const acts = [
      ["more", "More like this"], ["less", "Less like this"], ["select", "Select"],
      ["open", "Open"], ["show", "Show in folder"], ["path", "Copy path"],
    ];
    const buttons = acts.map(([name, words]) => {
      const button = element("button", { type: "button", textContent: words });
      button.addEventListener("click", () => this.onAct(name, hit));
      return button;
    });
    return [element("div", { className: "acts" }, ...buttons)];
  }

  #facts(info) {
    const list = element("dl");
    const add = (word, text, filter = "") => {
      if (!text) return;
      let shown = String(text);
      if (filter) {
        shown = element("button", { type: "button", textContent: shown });
        shown.addEventListener("click", () => {
          this.dialog.close();
          this.onFilter(filter);
        });
      }
      list.append(element("dt", { textContent: word }), element("dd", {}, shown));
    };
    const path = info.paths?.find((each) => !each.offline)?.path ?? info.paths?.[0]?.path ?? "";
    const cut = path.lastIndexOf("/");
    add("name", path.slice(cut + 1));
    add("folder", path.slice(0, cut), `in:${quoted(path.slice(0, cut) || "/")}`);
    const date = (info.taken ?? "").slice(0, 10);
    add("taken", (info.taken ?? "").replace("T", " "), date && `on:${date}`);
    add("camera", info.camera, info.camera && `camera:${quoted(info.camera)}`);
    add("lens", info.lens, info.lens && `lens:${quoted(info.lens)}`);
    add("place", info.city, info.city && `place:${quoted(info.city)}`);
    add("country", info.country, info.country && `place:${quoted(info.country)}`);
    for (const tag of info.tags ?? []) add("tag", tag, `tag:${quoted(tag)}`);
    add("stars", info.rating, info.rating && `rating:>=${info.rating}`);
    add("caption", info.caption);
    if (info.width) add("size", `${info.width} × ${info.height}`);
    const others = (info.paths ?? []).map((each) => each.path).filter((each) => each !== path);
    for (const other of others) add("also", other);
    return list;
  }
}
