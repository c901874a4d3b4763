// Justified rows: every picture keeps its own shape, every row but the last is as wide as the page. No page is touched.
"use strict";
mirror.layout = (() => {
  const GAP = 6;
  const SLACK = 1.35; // how much higher than wanted the last row may become

  // How high rows should be: two or three pictures wide on a phone, never huge on a large screen.
  function wantedHeight(width) {
    return Math.round(Math.min(300, Math.max(118, 80 + width * 0.11)));
  }

  // Lay out pictures.
  //   ratios: width by height in hundredths, by position; selection: the positions to show
  //   Returns where each row starts in the selection, its top and its height, in pixels.
  function justify(ratios, selection, width) {
    const wanted = wantedHeight(width);
    const starts = [];
    const tops = [];
    const heights = [];
    let top = 0;
    let start = 0;
    let sum = 0;
    const close = (end, height) => {
      starts.push(start);
      tops.push(top);
      heights.push(height);
      top += height + GAP;
      start = end;
      sum = 0;
    };
    for (let at = 0; at < selection.length; at++) {
      sum += ratios[selection[at]] / 100;
      const height = (width - GAP * (at - start)) / sum;
      if (height <= wanted) close(at + 1, Math.max(40, height));
    }
    if (start < selection.length) {
      const full = (width - GAP * (selection.length - start - 1)) / sum;
      close(selection.length, full <= wanted * SLACK ? full : wanted);
    }
    return {
      width,
      starts: Uint32Array.from([...starts, selection.length]),
      tops: Float64Array.from(tops),
      heights: Float64Array.from(heights),
      height: Math.max(0, top - GAP),
    };
  }

  return { GAP, justify };
})();
