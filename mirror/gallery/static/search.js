// Which photos show a bib: lists by a bib's first characters, loaded while somebody types.
"use strict";
mirror.Bibs = class {
  static LISTS_READ = 4; // for suggestions
  static SUGGESTED = 8;

  // lists: of every list what its bibs begin with, and its shard's name
  constructor(folder, lists) {
    Object.assign(this, { folder, lists, kept: new Map() });
  }

  // As shards.py folds them.
  static folded(text) {
    return text.trim().toLowerCase();
  }

  list(name) {
    if (!this.kept.has(name)) {
      if (this.kept.size > 12) this.kept.delete(this.kept.keys().next().value);
      const loaded = mirror.load(this.folder, name);
      loaded.catch(() => this.kept.delete(name));
      this.kept.set(name, loaded);
    }
    return this.kept.get(name);
  }

  // What stands under exactly this bib; an empty list if nothing does.
  async find(text) {
    const bib = mirror.Bibs.folded(text);
    if (!bib) return [];
    const home = this.lists.filter(([start]) => bib.startsWith(start)).sort((a, b) => b[0].length - a[0].length)[0];
    if (!home) return [];
    const found = (await this.list(home[1])).find(([each]) => each === bib);
    return found ? found[1] : [];
  }

  // Bibs that begin with what was typed, without that itself.
  async suggest(text) {
    const start = mirror.Bibs.folded(text);
    if (!start) return [];
    const near = this.lists.filter(([each]) => each.startsWith(start) || start.startsWith(each));
    const read = await Promise.all(near.slice(0, mirror.Bibs.LISTS_READ).map(([, name]) => this.list(name)));
    const found = read.flat().map(([bib]) => bib).filter((bib) => bib.startsWith(start) && bib !== start);
    return found.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).slice(0, mirror.Bibs.SUGGESTED);
  }
};
