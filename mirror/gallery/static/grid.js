// The grid: as long as all photos of the selection, but only the rows in sight are in the document, and their elements
// are used again and again.
"use strict";
mirror.Grid = class {
  static OVERSCAN = 0.6; // screens above and below that are filled in advance
  static SETTLE_MS = 80;

  // list: an empty <ul>; open(position): a photo was chosen
  constructor(list, day, open) {
    Object.assign(this, { list, day, open, selection: new Uint32Array(0), rows: null, focused: 0 });
    this.cells = new Map(); // by place in the selection
    this.spare = [];
    this.frame = 0;
    this.lastTop = 0;
    const redraw = () => (this.frame ||= requestAnimationFrame(() => this.draw()));
    addEventListener("scroll", redraw, { passive: true });
    new ResizeObserver(() => this.resize()).observe(list);
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("click", (event) => this.click(event));
    list.addEventListener("focusin", (event) => this.noteFocus(event));
  }

  // Show another selection of positions.
  show(selection) {
    this.selection = selection;
    this.focused = 0;
    this.clear();
    this.rows = null;
    this.resize();
  }

  resize() {
    const width = this.list.clientWidth;
    if (!width || this.rows?.width === width) return;
    const anchor = this.rows && this.firstInSight();
    this.rows = mirror.layout.justify(this.day.ratios, this.selection, width);
    this.list.style.height = `${this.rows.height}px`;
    this.clear();
    if (anchor) this.reveal(anchor, "start");
    this.draw();
  }

  clear() {
    for (const place of [...this.cells.keys()]) this.drop(place);
  }

  // -- what is in sight

  get top() {
    return this.list.getBoundingClientRect().top + scrollY;
  }

  // Height of what sticks to the top of the window.
  get covered() {
    return document.querySelector(".tools").offsetHeight;
  }

  // Place of the first photo that can be seen whole; 0 at the very top.
  firstInSight() {
    const y = scrollY - this.top + this.covered;
    if (y <= 0 || !this.rows.tops.length) return 0;
    return this.rows.starts[mirror.lastAtMost(this.rows.tops, y + mirror.layout.GAP)];
  }

  rowOf(place) {
    return mirror.lastAtMost(this.rows.starts.subarray(0, -1), place);
  }

  // Scroll so that a photo can be seen: at the start of the window, or as little as needed.
  reveal(place, how = "nearest") {
    const row = this.rowOf(place);
    const top = this.top + this.rows.tops[row] - this.covered - mirror.layout.GAP;
    const bottom = this.top + this.rows.tops[row] + this.rows.heights[row] + mirror.layout.GAP - innerHeight;
    const target = how === "start" ? top : scrollY > top ? top : scrollY < bottom ? bottom : scrollY;
    if (target !== scrollY) scrollTo({ top: target, behavior: "instant" });
    this.draw();
  }

  // -- drawing

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.rows) return;
    const { tops, starts } = this.rows;
    const extra = innerHeight * mirror.Grid.OVERSCAN;
    const y = scrollY - this.top;
    const isFlung = Math.abs(scrollY - this.lastTop) > innerHeight * 1.5;
    this.lastTop = scrollY;
    let first = 0;
    let end = 0;
    if (tops.length && y + innerHeight + extra > 0) {
      first = starts[mirror.lastAtMost(tops, y - extra)];
      end = starts[mirror.firstAtLeast(tops, y + innerHeight + extra)];
    }
    for (const place of [...this.cells.keys()]) {
      const isFocused = this.cells.get(place).contains(document.activeElement);
      if ((place < first || place >= end) && !isFocused) this.drop(place);
    }
    for (let row = this.rowOf(first); row < tops.length && starts[row] < end; row++) this.drawRow(row);
    // The keyboard must find a way in, wherever the page was scrolled to.
    if (!this.cells.has(this.focused)) this.focused = this.firstInSight();
    this.cells.get(this.focused)?.firstChild.setAttribute("tabindex", "0");
    clearTimeout(this.settling);
    // What only flies past is not loaded.
    if (isFlung) this.settling = setTimeout(() => this.fillAll(), mirror.Grid.SETTLE_MS);
    else this.fillAll();
    this.onDraw?.();
  }

  drawRow(row) {
    const { tops, heights, starts } = this.rows;
    let left = 0;
    for (let place = starts[row]; place < starts[row + 1]; place++) {
      const width = (this.day.ratios[this.selection[place]] / 100) * heights[row];
      if (!this.cells.has(place)) this.add(place, left, tops[row], width, heights[row]);
      left += width + mirror.layout.GAP;
    }
  }

  add(place, left, top, width, height) {
    const cell = this.spare.pop() || this.make();
    const link = cell.firstChild;
    const id = this.day.ids[this.selection[place]];
    cell.style.transform = `translate(${left}px, ${top}px)`;
    cell.style.width = `${width}px`;
    cell.style.height = `${height}px`;
    cell.dataset.place = place;
    cell.setAttribute("aria-posinset", place + 1);
    cell.setAttribute("aria-setsize", this.selection.length);
    link.href = `#photo=${id}`;
    link.tabIndex = place === this.focused ? 0 : -1;
    link.firstChild.alt = `Photo ${id}`;
    this.cells.set(place, cell);
    // Readers that go from element to element must meet the photos in their order.
    const after = this.cells.get(place - 1);
    if (after) after.after(cell);
    else this.cells.get(place + 1) ? this.cells.get(place + 1).before(cell) : this.list.append(cell);
  }

  make() {
    const image = mirror.element("img", { decoding: "async", draggable: "false" });
    image.addEventListener("load", () => image.classList.add("is-here"));
    return mirror.element("li", { class: "cell" }, mirror.element("a", {}, image));
  }

  drop(place) {
    const cell = this.cells.get(place);
    const image = cell.firstChild.firstChild;
    cell.remove();
    image.removeAttribute("src"); // lets go of the decoded picture
    image.classList.remove("is-here");
    this.cells.delete(place);
    if (this.spare.length < 100) this.spare.push(cell);
  }

  fillAll() {
    for (const [place, cell] of this.cells) {
      const image = cell.firstChild.firstChild;
      if (image.hasAttribute("src")) continue;
      const at = this.selection[place];
      const detail = this.day.known(at);
      if (detail) this.fill(image, detail);
      else {
        const still = () => this.cells.get(place) === cell && this.selection[place] === at;
        this.day.detail(at).then((late) => still() && this.fill(image, late), () => {});
      }
    }
  }

  fill(image, detail) {
    if (image.hasAttribute("src")) return;
    image.alt = detail.title;
    image.src = detail.small.src;
  }

  // -- choosing

  placeOf(event) {
    const cell = event.target.closest(".cell");
    return cell ? Number(cell.dataset.place) : -1;
  }

  click(event) {
    const place = this.placeOf(event);
    if (place < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.open(this.selection[place]);
  }

  noteFocus(event) {
    const place = this.placeOf(event);
    if (place < 0) return;
    const before = this.cells.get(this.focused);
    if (before) before.firstChild.tabIndex = -1;
    this.focused = place;
    this.cells.get(place).firstChild.tabIndex = 0;
  }

  // Give the keyboard to a photo, wherever it is.
  focus(place) {
    if (place < 0 || place >= this.selection.length) return;
    this.reveal(place);
    this.cells.get(place)?.firstChild.focus({ preventScroll: true });
  }

  key(event) {
    const row = this.rowOf(this.focused);
    const last = this.selection.length - 1;
    const page = Math.max(1, Math.floor(innerHeight / (this.rows.heights[row] + mirror.layout.GAP)) - 1);
    const moves = {
      ArrowLeft: () => this.focused - 1,
      ArrowRight: () => this.focused + 1,
      ArrowUp: () => this.inRow(row - 1),
      ArrowDown: () => this.inRow(row + 1),
      PageUp: () => this.inRow(Math.max(0, row - page)),
      PageDown: () => this.inRow(Math.min(this.rows.tops.length - 1, row + page)),
      Home: () => 0,
      End: () => last,
    };
    if (!moves[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.focus(Math.min(last, Math.max(0, moves[event.key]())));
  }

  // The photo of another row that stands most nearly below or above the one that has the keyboard.
  inRow(row) {
    if (row < 0 || row >= this.rows.tops.length) return this.focused;
    const { starts } = this.rows;
    const own = this.rowOf(this.focused);
    const share = (this.focused - starts[own] + 0.5) / (starts[own + 1] - starts[own]);
    return starts[row] + Math.floor(share * (starts[row + 1] - starts[row]));
  }
};
