// A race day's page: what is shown stands in the address, and everything follows the address.
"use strict";
(async () => {
  const { element, counted } = mirror;
  const page = document.querySelector("main");
  const part = (name) => document.querySelector(`[data-part="${name}"]`);
  const { key, outline } = page.dataset;
  let day;
  try {
    day = new mirror.Day(key, await mirror.load(key, outline));
  } catch {
    document.documentElement.classList.remove("js");
    return;
  }
  document.querySelector(".first-pages").remove();
  const bibs = day.bibs && new mirror.Bibs(key, day.bibs);
  let selection = new Uint32Array(0);
  let shown = null; // the address that the grid shows
  let lastPhoto = null; // the one that gets the keyboard when the viewer closes

  // -- the address

  const NONE = { bib: "", album: null, untagged: false, from: null, to: null, photo: null };

  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const time = (name) => secondsOf(given.get(name) || "");
    const photo = Number(given.get("photo"));
    return {
      bib: bibs ? given.get("bib") || "" : "",
      album: given.has("album") ? given.get("album") : null,
      untagged: given.has("untagged"),
      from: time("from"),
      to: time("to"),
      photo: photo || null,
    };
  }

  function write(state) {
    const words = new URLSearchParams();
    if (state.bib) words.set("bib", state.bib);
    if (state.album !== null) words.set("album", state.album);
    if (state.untagged) words.set("untagged", "yes");
    if (state.from !== null) words.set("from", minute(state.from));
    if (state.to !== null) words.set("to", minute(state.to));
    if (state.photo) words.set("photo", state.photo);
    return `#${words}`;
  }

  // 2026-05-17T08:30, as the address and the fields of a form write it; null for anything else.
  function secondsOf(text) {
    const seconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) ? Date.parse(`${text}:00Z`) / 1000 : NaN;
    return Number.isFinite(seconds) ? seconds : null;
  }

  const minute = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16);

  // Go to another state: as a new step of the browser's history, or in place of this one.
  function go(changes, { isNew = true, opened = false } = {}) {
    const hash = write({ ...read(), ...changes });
    if (hash === write(read())) return follow();
    if (isNew) history.pushState({ opened }, "", hash);
    else history.replaceState({ ...history.state, missed: undefined }, "", hash);
    return follow();
  }

  async function follow() {
    const state = read();
    const wanted = write({ ...state, photo: null });
    if (wanted !== shown) {
      shown = wanted;
      const ids = state.bib ? mirror.summed(await bibs.find(state.bib).catch(() => [])) : null;
      if (shown !== wanted) return; // meanwhile somebody typed on
      selection = day.select({ ...state, ids: ids && [...ids] });
      redraw(state);
    }
    const place = state.photo ? selection.indexOf(day.ids.indexOf(state.photo)) : -1;
    if (place >= 0) {
      await viewer.show(selection, place);
      grid.reveal(place);
    } else if (viewer.isOpen) {
      viewer.hide();
      grid.focus(selection.indexOf(day.ids.indexOf(lastPhoto)));
    }
    lastPhoto = state.photo || lastPhoto;
  }

  // -- the parts

  const open = (at) => go({ photo: day.ids[at] }, { opened: true });
  const grid = new mirror.Grid(part("grid"), day, open);
  const timeline = new mirror.Timeline(part("timeline"), day, {
    jump: (seconds) => jump(seconds),
    keep: (from, to) => go({ from, to }),
  });
  const viewer = new mirror.Viewer(part("viewer"), day, {
    step(by) {
      const place = selection.indexOf(day.ids.indexOf(read().photo)) + by;
      if (place >= 0 && place < selection.length) go({ photo: day.ids[selection[place]] }, { isNew: false });
    },
    close() {
      if (history.state?.opened) history.back();
      else go({ photo: null }, { isNew: false });
    },
  });

  function jump(seconds) {
    const place = selection.findIndex((at) => at >= day.times.length || day.times[at] >= seconds);
    if (selection.length) grid.reveal(place < 0 ? selection.length - 1 : place, "start");
  }

  grid.onDraw = () => {
    const at = selection[grid.firstInSight()];
    if (at < day.times.length) timeline.mark(day.times[at]);
    history.state?.top !== day.ids[at] && remember(day.ids[at]);
  };

  // Where the page was scrolled to survives a reload: a refreshed gallery shows the same photos.
  let remembering;
  function remember(id) {
    clearTimeout(remembering);
    remembering = setTimeout(() => history.replaceState({ ...history.state, top: id }, ""), 300);
  }

  function redraw(state) {
    grid.show(selection);
    timeline.show(selection);
    timeline.shade(state.from, state.to);
    for (const button of part("albums").children) {
      const isOn = button.dataset.untagged ? state.untagged
        : !state.untagged && state.album === (button.dataset.album ?? null);
      button.setAttribute("aria-pressed", isOn);
    }
    if (state.from !== null || state.to !== null) part("times").open = true;
    part("from").value = state.from === null ? "" : field(state.from);
    part("to").value = state.to === null ? "" : field(state.to);
    if (bibs && part("bib") !== document.activeElement) part("bib").value = state.bib;
    answer(state);
  }

  // -- filters

  const onlyDay = day.times.length && mirror.date(day.times[0]) === mirror.date(day.times.at(-1)) ? day.times[0] : null;
  const field = (seconds) => (onlyDay === null ? minute(seconds) : mirror.clock(seconds));

  function typedTime(input) {
    return secondsOf(onlyDay === null ? input.value : `${minute(onlyDay).slice(0, 11)}${input.value}`);
  }

  function filters() {
    const button = (text, count, data, changes) => {
      const made = element("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: () => go(changes) }, text);
      made.append(element("small", { text: count.toLocaleString("en-US") }));
      Object.assign(made.dataset, data);
      return made;
    };
    const every = { album: null, untagged: false };
    const counts = new Uint32Array(day.albums.length);
    for (const at of day.albumOf) counts[at]++;
    const chips = [button("All", day.count, {}, every)];
    if (day.albums.length > 1) {
      day.albums.forEach(([id, name], at) => chips.push(button(name, counts[at], { album: id }, { album: id, untagged: false })));
    }
    const untagged = day.isUntagged.reduce((sum, each) => sum + each, 0);
    if (bibs && untagged && untagged < day.count) {
      chips.push(button("No bib", untagged, { untagged: "yes" }, { album: null, untagged: true }));
    }
    part("albums").replaceChildren(...(chips.length > 1 ? chips : []));
    part("times").hidden = day.times.length < 2;
    for (const name of ["from", "to"]) {
      part(name).type = onlyDay === null ? "datetime-local" : "time";
      part(name).addEventListener("change", () => go({ [name]: typedTime(part(name)) }));
    }
  }

  // -- search

  async function answer(state) {
    const isFiltered = state.bib || state.album !== null || state.untagged || state.from !== null || state.to !== null;
    part("reset").hidden = !isFiltered;
    const place = [
      state.album !== null ? (day.albums.find(([id]) => id === state.album) || [0, "that album"])[1] : "",
      state.untagged ? "without a bib" : "",
      state.from !== null ? `from ${mirror.clock(state.from)}` : "",
      state.to !== null ? `to ${mirror.clock(state.to)}` : "",
    ].filter(Boolean).join(", ");
    const count = selection.length ? counted(selection.length, "photo") : "No photo";
    const what = state.bib ? `${count} ${selection.length > 1 ? "show" : "shows"} bib ${state.bib}` : count;
    part("answer").textContent = isFiltered ? [what, place].filter(Boolean).join(" · ") : "";
    const near = state.bib && !selection.length ? await bibs.suggest(state.bib).catch(() => []) : [];
    if (read().bib !== state.bib) return;
    part("nothing").hidden = !near.length;
    part("near").replaceChildren(
      ...near.map((bib) => element("a", { class: "bib", href: `#${new URLSearchParams({ bib })}`, text: bib })),
    );
  }

  function search() {
    const input = part("bib");
    let isFirst = true;
    input.addEventListener("focus", () => (isFirst = true));
    input.addEventListener("input", () => {
      // One search is one step of the history, however many keys it took.
      go({ bib: input.value.trim() }, { isNew: isFirst });
      isFirst = false;
      scrollTo({ top: Math.min(scrollY, grid.top - grid.covered), behavior: "instant" });
    });
    input.form.addEventListener("submit", (event) => {
      event.preventDefault();
      input.blur();
      grid.focus(0);
    });
  }

  filters();
  if (bibs) search();
  part("reset").addEventListener("click", () => go({ ...NONE }));
  part("print").addEventListener("click", () => mirror.sheet.print(part("sheet"), day, selection));
  addEventListener("popstate", () => follow());
  addEventListener("hashchange", () => follow());
  mirror.watch(key, outline, () => location.reload());
  const { top } = history.state || {};
  await follow();
  const place = top ? selection.indexOf(day.ids.indexOf(top)) : -1;
  if (place > 0) grid.reveal(place, "start");
  document.documentElement.classList.add("is-ready");
})();
