// The index of the gallery: loads its shards, which are plain scripts so that they work from a disk, and reads them.
"use strict";
window.mirror = (() => {
  const arrived = new Map(); // shards by name that nobody has asked for yet
  const asked = new Map(); // by name, who waits
  const BLOCKS_KEPT = 24;

  // Each shard calls this with its own name and content.
  function shard(name, content) {
    if (asked.has(name)) asked.get(name)(content);
    else arrived.set(name, content);
  }

  // Load a shard; it is kept by nobody but the caller.
  function load(folder, name) {
    if (arrived.has(name)) {
      const content = arrived.get(name);
      arrived.delete(name);
      return Promise.resolve(content);
    }
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const end = (settle, value) => {
        asked.delete(name);
        script.remove();
        settle(value);
      };
      asked.set(name, (content) => end(resolve, content));
      script.onload = () => asked.has(name) && end(reject, new Error(`${script.src} brought nothing`));
      script.onerror = () => {
        end(reject, new Error(`${script.src} is not there`));
        outdated(name);
      };
      script.src = `data/${folder}/${name}.js`;
      document.head.append(script);
    });
  }

  // A shard that is gone belongs to an earlier state of the gallery: read the page again, once.
  function outdated(name) {
    if (history.state?.missed === name) return;
    history.replaceState({ ...history.state, missed: name }, "");
    location.reload();
  }

  // Undo differences: every number is added to those before it.
  function summed(differences, Kind = Float64Array) {
    const values = new Kind(differences.length);
    let sum = 0;
    differences.forEach((each, at) => (values[at] = sum += each));
    return values;
  }

  // All photos of a race day, in columns; details come block by block and only the newest few are kept.
  class Day {
    constructor(key, outline) {
      this.key = key;
      this.bibs = outline.bibs;
      this.albums = outline.albums;
      this.ids = summed(outline.ids);
      this.times = summed(outline.times); // shorter than the others: photos without a time come last
      this.ratios = Uint16Array.from(outline.ratios);
      this.albumOf = Uint16Array.from(outline.album_of);
      this.isUntagged = new Uint8Array(this.ids.length);
      summed(outline.untagged).forEach((at) => (this.isUntagged[at] = 1));
      this.root = outline.root;
      this.folders = outline.folders.map(encoded);
      this.blocks = outline.blocks.map(([name]) => name);
      this.starts = summed([0, ...outline.blocks.map(([, count]) => count)], Uint32Array);
      this.details = new Map(); // by block, oldest use first: the records, or the promise of them
    }

    get count() {
      return this.ids.length;
    }

    blockOf(at) {
      return lastAtMost(this.starts, at);
    }

    // What is known of a photo beyond the outline, if it is here already.
    known(at) {
      const block = this.blockOf(at);
      const records = this.details.get(block);
      if (!Array.isArray(records)) return null;
      this.details.delete(block);
      this.details.set(block, records);
      return this.read(at, records[at - this.starts[block]]);
    }

    // The same, loaded where needed.
    async detail(at) {
      const block = this.blockOf(at);
      if (!this.details.has(block)) {
        this.details.set(block, load(this.key, this.blocks[block]));
        for (const oldest of [...this.details.keys()].slice(0, -BLOCKS_KEPT)) this.details.delete(oldest);
      }
      try {
        const records = await this.details.get(block);
        if (this.details.has(block)) this.details.set(block, records);
        return this.read(at, records[at - this.starts[block]]);
      } catch (error) {
        this.details.delete(block);
        throw error;
      }
    }

    read(at, [name, uploaded, isTaken, bibs, folder, file, big, original]) {
      const path = (number, own) => this.root + this.folders[number] + encoded(own || file);
      const other = (each) =>
        each && { src: path(each[0], each[1]), width: each[2], height: each[3], bytes: each[4] };
      const id = this.ids[at];
      const small = { src: path(folder, file) };
      const time = at < this.times.length ? this.times[at] : null;
      return {
        at, id, name, uploaded, isTaken, bibs, time, small, title: nameOf(id, bibs), ratio: this.ratios[at] / 100,
        album: this.albums[this.albumOf[at]][1], big: other(big) || small, original: other(original),
      };
    }

    // Positions of all photos that pass: the one place that knows what the filters mean.
    select({ album = null, untagged = false, from = null, to = null, ids = null }) {
      const albumAt = album === null ? -1 : this.albums.findIndex(([id]) => id === album);
      const first = from === null ? 0 : firstAtLeast(this.times, from);
      const end = to === null ? this.count : firstAtLeast(this.times, to + 60);
      const found = [];
      const take = (at) => {
        if (at < first || at >= end) return;
        if (album !== null && this.albumOf[at] !== albumAt) return;
        if (untagged && !this.isUntagged[at]) return;
        found.push(at);
      };
      if (ids) ids.map((id) => this.ids.indexOf(id)).filter((at) => at >= 0).sort((a, b) => a - b).forEach(take);
      else for (let at = first; at < end; at++) take(at);
      return Uint32Array.from(found);
    }
  }

  // -- small things that several parts need

  // The highest place whose value is at most this one; values rise.
  function lastAtMost(values, value) {
    let low = 0;
    let high = values.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (values[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // The lowest place whose value is at least this one, or the end.
  function firstAtLeast(values, value) {
    let low = 0;
    let high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");

  // The same words as in the page itself (pages.py).
  function nameOf(id, bibs) {
    if (!bibs.length) return `Photo ${id}`;
    if (bibs.length === 1) return `Photo ${id}, bib ${bibs[0]}`;
    return `Photo ${id}, bibs ${bibs.slice(0, -1).join(", ")} and ${bibs.at(-1)}`;
  }

  // Make an element; text is only ever text.
  function element(kind, attributes = {}, ...children) {
    const made = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") made.textContent = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  // Times are those of a clock at the race, so nothing here may look at the reader's own zone.
  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 16);
  const date = (seconds) =>
    new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  const counted = (count, thing) => `${count.toLocaleString("en-US")} ${thing}${count === 1 ? "" : "s"}`;

  // -- a gallery that is served while one works looks whether there is something new

  const isServedHere = location.protocol === "http:" && ["127.0.0.1", "localhost"].includes(location.hostname);
  const POLL_MS = 3000;

  function watch(key, outline, onNew) {
    if (!isServedHere) return;
    mirror.now = (outlines) => {
      const newest = outlines.find(([each]) => each === key);
      if (newest && newest[1] !== outline) onNew();
    };
    setInterval(() => {
      const script = element("script", { src: `now.js?${Date.now()}`, onload: () => script.remove(), onerror: () => script.remove() });
      if (!document.hidden) document.head.append(script);
    }, POLL_MS);
  }

  const mirror = {
    shard, load, summed, Day, lastAtMost, firstAtLeast, nameOf, element, clock, date, counted, watch, now: () => {},
  };
  return mirror;
})();
