// When photos were taken: a small chart. A click or an arrow key jumps there, a drag keeps only that time.
"use strict";
mirror.Timeline = class {
  static BAR_PX = 6;
  static HEIGHT = 34;

  // box: the empty element; jump(seconds), keep(from, to): what the reader asked for
  constructor(box, day, { jump, keep }) {
    Object.assign(this, { box, day, jump, keep, shown: null, at: 0 });
    [this.start, this.end] = this.range();
    box.hidden = this.end <= this.start;
    if (box.hidden) return;
    const svg = (kind, name) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
      made.setAttribute("class", name);
      return made;
    };
    this.chart = svg("svg", "chart");
    this.chart.setAttribute("aria-hidden", "true");
    this.all = svg("path", "all");
    this.some = svg("path", "some");
    this.chart.append(this.all, this.some);
    this.cursor = mirror.element("span", { class: "cursor" });
    this.kept = mirror.element("span", { class: "kept", hidden: true });
    this.bubble = mirror.element("span", { class: "bubble", hidden: true });
    this.ticks = mirror.element("span", { class: "ticks", "aria-hidden": "true" });
    box.append(this.chart, this.kept, this.cursor, this.bubble, this.ticks);
    box.addEventListener("pointerdown", (event) => this.press(event));
    box.addEventListener("pointermove", (event) => this.hover(event));
    box.addEventListener("pointerup", (event) => this.release(event));
    box.addEventListener("pointercancel", () => (this.pressed = null));
    box.addEventListener("pointerleave", () => (this.bubble.hidden = true));
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // From when to when; a few photos far off on either side do not squeeze all others.
  range() {
    const { times } = this.day;
    if (times.length < 2) return [0, 0];
    const low = times[Math.floor(times.length * 0.005)];
    const high = times[Math.ceil(times.length * 0.995) - 1];
    const margin = Math.max(60, (high - low) * 0.02);
    return [Math.max(times[0], low - margin), Math.min(times.at(-1), high + margin) + 1];
  }

  get bars() {
    return Math.max(20, Math.floor(this.box.clientWidth / mirror.Timeline.BAR_PX));
  }

  counts(selection) {
    const found = new Uint32Array(this.bars);
    for (const at of selection) if (at < this.day.times.length) found[this.barOf(this.day.times[at])]++;
    return found;
  }

  barOf(seconds) {
    const share = (seconds - this.start) / (this.end - this.start);
    return Math.min(this.bars - 1, Math.max(0, Math.floor(share * this.bars)));
  }

  timeOf(bar) {
    return this.start + ((this.end - this.start) * bar) / this.bars;
  }

  // Show which of all photos are selected.
  show(selection) {
    this.shown = selection;
    if (!this.box.hidden) this.draw();
  }

  draw() {
    const width = this.box.clientWidth;
    if (!width || !this.shown) return;
    const { HEIGHT } = mirror.Timeline;
    const all = this.counts(this.day.times.keys());
    this.found = this.counts(this.shown);
    const highest = Math.sqrt(Math.max(1, ...all));
    const step = width / this.bars;
    const path = (counts) =>
      [...counts].map((count, bar) => {
        // Square roots, so that quiet minutes can be seen beside the finish of the field.
        const height = count ? Math.max(2, (Math.sqrt(count) / highest) * HEIGHT) : 0;
        return height ? `M${(bar * step + 1).toFixed(1)} ${HEIGHT}v-${height.toFixed(1)}h${(step - 2).toFixed(1)}v${height.toFixed(1)}z` : "";
      }).join("");
    this.chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.all.setAttribute("d", path(all));
    this.some.setAttribute("d", path(this.found));
    this.drawTicks(width);
    this.mark(this.at);
  }

  drawTicks(width) {
    const most = Math.max(2, Math.floor(width / 84));
    const steps = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000];
    const step = steps.find((each) => (this.end - this.start) / each <= most) || steps.at(-1);
    const ticks = [];
    for (let time = Math.ceil(this.start / step) * step; time < this.end; time += step) {
      const left = ((time - this.start) / (this.end - this.start)) * width;
      if (left < 18 || left > width - 18) continue;
      const text = step >= 86400 ? mirror.date(time).replace(/ \d+$/, "") : mirror.clock(time);
      const tick = mirror.element("span", { text });
      tick.style.left = `${left}px`;
      ticks.push(tick);
    }
    this.ticks.replaceChildren(...ticks);
  }

  // Say which time the page shows now.
  mark(seconds) {
    this.at = seconds;
    if (this.box.hidden) return;
    const share = Math.min(1, Math.max(0, (seconds - this.start) / (this.end - this.start)));
    this.cursor.style.left = `${share * 100}%`;
    const bar = this.barOf(seconds);
    this.box.setAttribute("aria-valuemax", this.bars - 1);
    this.box.setAttribute("aria-valuenow", bar);
    this.box.setAttribute("aria-valuetext", this.words(bar));
  }

  words(bar) {
    const days = this.end - this.start > 86400 ? `${mirror.date(this.timeOf(bar))}, ` : "";
    return `${days}${mirror.clock(this.timeOf(bar))}, ${mirror.counted(this.found?.[bar] || 0, "photo")}`;
  }

  // Shade what a time filter keeps.
  shade(from, to) {
    if (this.box.hidden) return;
    this.kept.hidden = from === null && to === null;
    const share = (time) => Math.min(1, Math.max(0, (time - this.start) / (this.end - this.start)));
    const left = from === null ? 0 : share(from);
    const right = to === null ? 1 : share(to + 60);
    this.kept.style.left = `${left * 100}%`;
    this.kept.style.width = `${(right - left) * 100}%`;
  }

  // -- pointer and keyboard

  barAt(event) {
    const { left, width } = this.box.getBoundingClientRect();
    return Math.min(this.bars - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * this.bars)));
  }

  press(event) {
    this.pressed = this.barAt(event);
    this.box.setPointerCapture(event.pointerId);
  }

  hover(event) {
    const bar = this.barAt(event);
    this.bubble.hidden = false;
    this.bubble.textContent = this.words(bar);
    const width = this.box.clientWidth;
    const half = this.bubble.offsetWidth / 2;
    this.bubble.style.left = `${Math.min(width - half, Math.max(half, ((bar + 0.5) / this.bars) * width))}px`;
    if (this.pressed != null && bar !== this.pressed) {
      const [first, last] = [Math.min(bar, this.pressed), Math.max(bar, this.pressed)];
      this.shade(this.timeOf(first), this.timeOf(last + 1) - 60);
    }
  }

  release(event) {
    if (this.pressed == null) return;
    const bar = this.barAt(event);
    const [first, last] = [Math.min(bar, this.pressed), Math.max(bar, this.pressed)];
    this.pressed = null;
    if (last - first < 2) this.jump(this.timeOf(first));
    else this.keep(Math.floor(this.timeOf(first) / 60) * 60, Math.ceil(this.timeOf(last + 1) / 60) * 60 - 60);
  }

  key(event) {
    const now = this.barOf(this.at);
    const moves = {
      ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1,
      PageDown: now - 10, PageUp: now + 10, Home: 0, End: this.bars - 1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const bar = Math.min(this.bars - 1, Math.max(0, moves[event.key]));
    this.jump(this.timeOf(bar));
    this.mark(this.timeOf(bar));
  }
};
