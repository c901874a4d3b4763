// A contact sheet of what is shown: pictures in rows with their numbers, made for paper.
"use strict";
mirror.sheet = (() => {
  const MOST = 240;

  // Fill a box with the first photos of a selection; returns when every picture is there, or failed.
  async function fill(box, day, selection) {
    const details = await Promise.all([...selection.subarray(0, MOST)].map((at) => day.detail(at).catch(() => null)));
    const figures = details.filter(Boolean).map((detail) => {
      const image = mirror.element("img", { alt: detail.title, src: detail.small.src });
      const words = [String(detail.id), ...detail.bibs].join(" · ");
      return mirror.element("figure", {}, image, mirror.element("figcaption", { text: words }));
    });
    box.replaceChildren(...figures);
    if (selection.length > MOST) {
      box.append(mirror.element("p", { text: `The first ${MOST} of ${selection.length.toLocaleString("en-US")} photos: choose an album or a time for the others.` }));
    }
    await Promise.all([...box.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
  }

  // Print what is shown now.
  async function print(box, day, selection) {
    await fill(box, day, selection);
    addEventListener("afterprint", () => box.replaceChildren(), { once: true });
    window.print();
  }

  return { fill, print };
})();
