// One photo over the grid: large, with what is known of it. The browser's own dialog keeps the keyboard inside.
"use strict";
mirror.Viewer = class {
  static SWIPE_PX = 48;

  // dialog: the <dialog> of the page; step(by), close(): what the reader asked for
  constructor(dialog, day, { step, close }) {
    Object.assign(this, { dialog, day, step, close, at: -1, touch: null });
    const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
    for (const name of ["stage", "picture", "place", "title", "facts", "bibs", "original", "before", "after", "close"]) {
      this[`${name}Part`] = part(name);
    }
    this.ahead = [new Image(), new Image()];
    this.beforePart.addEventListener("click", () => step(-1));
    this.afterPart.addEventListener("click", () => step(1));
    this.closePart.addEventListener("click", () => close());
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close();
    });
    dialog.addEventListener("keydown", (event) => this.key(event));
    this.stagePart.addEventListener("click", (event) => event.target === this.stagePart && close());
    this.stagePart.addEventListener("pointerdown", (event) => this.press(event));
    this.stagePart.addEventListener("pointerup", (event) => this.release(event));
    this.stagePart.addEventListener("pointercancel", () => (this.touch = null));
    new ResizeObserver(() => this.fit()).observe(this.stagePart);
  }

  get isOpen() {
    return this.dialog.open;
  }

  // Show the photo that stands at a place of a selection.
  async show(selection, place) {
    const at = selection[place];
    this.at = at;
    if (!this.dialog.open) this.dialog.showModal();
    document.documentElement.classList.add("is-viewing");
    this.placePart.textContent = `${(place + 1).toLocaleString("en-US")} of ${selection.length.toLocaleString("en-US")}`;
    this.beforePart.disabled = place === 0;
    this.afterPart.disabled = place === selection.length - 1;
    const detail = await this.day.detail(at).catch(() => null);
    if (this.at !== at || !detail) return;
    this.describe(detail);
    this.draw(detail);
    for (const [number, other] of [place + 1, place - 1].entries()) this.prepare(this.ahead[number], selection[other]);
  }

  hide() {
    this.at = -1;
    if (this.dialog.open) this.dialog.close();
    document.documentElement.classList.remove("is-viewing");
    this.picturePart.removeAttribute("src");
    this.picturePart.style.backgroundImage = "";
    for (const image of this.ahead) image.removeAttribute("src");
  }

  prepare(image, at) {
    if (at === undefined) return;
    this.day.detail(at).then((detail) => this.isOpen && (image.src = detail.big.src), () => {});
  }

  draw(detail) {
    const image = this.picturePart;
    this.shape = detail.big.width && detail.big.height ? [detail.big.width, detail.big.height] : [900 * detail.ratio, 900];
    image.removeAttribute("src");
    image.alt = detail.title;
    // The thumbnail, which is here already, stands in until the large picture has come.
    image.style.backgroundImage = `url("${detail.small.src}")`;
    this.fit();
    image.src = detail.big.src;
  }

  // As large as the stage allows, and never much larger than the picture itself.
  fit() {
    if (!this.shape || !this.isOpen) return;
    const [width, height] = this.shape;
    const scale = Math.min(this.stagePart.clientWidth / width, this.stagePart.clientHeight / height, 1.6);
    this.picturePart.style.width = `${Math.round(width * scale)}px`;
    this.picturePart.style.height = `${Math.round(height * scale)}px`;
  }

  describe(detail) {
    const { element, clock, date } = mirror;
    this.titlePart.textContent = detail.name;
    const facts = [];
    const fact = (name, text) => facts.push(element("div", {}, element("dt", { text: name }), element("dd", { text })));
    const moment = (seconds) => `${date(seconds)}, ${clock(seconds)}`;
    if (detail.isTaken) fact("Taken", moment(detail.time));
    if (detail.uploaded) fact("Uploaded", moment(detail.uploaded));
    fact("Album", detail.album);
    fact("Photo", String(detail.id));
    this.factsPart.replaceChildren(...facts);
    this.bibsPart.replaceChildren(
      ...detail.bibs.map((bib) =>
        this.day.bibs
          ? element("a", { class: "bib", href: `#${new URLSearchParams({ bib })}`, "aria-label": `Photos of bib ${bib}`, text: bib })
          : element("span", { class: "bib", text: bib })),
    );
    const { original } = detail;
    this.originalPart.hidden = !original;
    if (!original) return;
    this.originalPart.href = original.src;
    const size = original.width && original.height ? `${original.width} × ${original.height}` : "";
    const bytes = original.bytes >= 1e6 ? `${(original.bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(original.bytes / 1e3)} kB`;
    this.originalPart.querySelector("small").textContent = [size, bytes].filter(Boolean).join(", ");
  }

  // -- keys and fingers

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.step(by);
  }

  press(event) {
    this.touch = event.pointerType === "touch" ? [event.clientX, event.clientY] : null;
  }

  release(event) {
    if (!this.touch) return;
    const [right, down] = [event.clientX - this.touch[0], event.clientY - this.touch[1]];
    this.touch = null;
    if (Math.abs(right) > mirror.Viewer.SWIPE_PX && Math.abs(right) > Math.abs(down) * 1.5) this.step(right < 0 ? 1 : -1);
    else if (down > mirror.Viewer.SWIPE_PX * 1.6 && down > Math.abs(right) * 1.5) this.close();
  }
};
