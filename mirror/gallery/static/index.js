// The page of all races: which race days have photos of a bib.
"use strict";
(async () => {
  const { element, counted } = mirror;
  const part = (name) => document.querySelector(`[data-part="${name}"]`);
  const { outline } = document.querySelector("main").dataset;
  mirror.watch("", outline, () => location.reload());
  const content = await mirror.load("all", outline).catch(() => null);
  document.documentElement.classList.add("is-ready");
  if (!content?.bibs) return;
  const bibs = new mirror.Bibs("all", content.bibs);
  const days = new Map(content.days.map(([id, ...rest]) => [id, rest]));
  const input = part("bib");

  const typed = () => new URLSearchParams(location.hash.slice(1)).get("bib") || "";

  async function follow() {
    const bib = typed();
    if (document.activeElement !== input) input.value = bib;
    const found = await bibs.find(bib).catch(() => []);
    const near = bib && !found.length ? await bibs.suggest(bib).catch(() => []) : [];
    if (typed() !== bib) return; // meanwhile somebody typed on
    const links = [];
    let photos = 0;
    for (let at = 0; at < found.length; at += 2) {
      const [page, race, date] = days.get(found[at]);
      photos += found[at + 1];
      const words = [element("b", { text: race }), element("span", { text: date }), element("small", { text: counted(found[at + 1], "photo") })];
      links.push(element("li", {}, element("a", { href: `${page}#${new URLSearchParams({ bib })}` }, ...words)));
    }
    part("answer").textContent = !bib ? "" : photos
      ? `${counted(photos, "photo")} ${photos === 1 ? "shows" : "show"} bib ${bib}`
      : `No photo shows bib ${bib}${near.length ? "; bibs that begin so:" : ""}`;
    part("found").replaceChildren(...links);
    part("near").replaceChildren(
      ...near.map((each) => element("a", { class: "bib", href: `#${new URLSearchParams({ bib: each })}`, text: each })),
    );
  }

  let isFirst = true;
  input.addEventListener("focus", () => (isFirst = true));
  input.addEventListener("input", () => {
    const bib = input.value.trim();
    const hash = bib ? `#${new URLSearchParams({ bib })}` : location.pathname.split("/").at(-1);
    if (isFirst) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
    isFirst = false;
    follow();
  });
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const links = part("found").querySelectorAll("a");
    if (links.length === 1) links[0].click();
    else links[0]?.focus();
  });
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
  follow();
})();
