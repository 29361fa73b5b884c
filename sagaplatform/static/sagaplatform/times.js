// Turns every <time datetime="..." data-show="moment|clock"> from UTC into the reader's own zone,
// also in what htmx puts into the page later. What says how long ago it was has it under the mouse.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const two = (number) => String(number).padStart(2, "0");
  const shows = {
    moment: (at) =>
      `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
      `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`,
    clock: (at) =>
      `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}` +
      `.${String(at.getMilliseconds()).padStart(3, "0")}`,
  };
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const show = () => {
    for (const each of document.querySelectorAll("time[data-show]")) {
      const at = new Date(each.dateTime);
      if (each.dataset.show === "ago") {
        each.title = `${shows.moment(at)} (${zone})`;
        continue;
      }
      each.title = `${each.dateTime} (shown in ${zone})`;
      each.textContent = shows[each.dataset.show](at);
    }
  };
  show();
  document.addEventListener("htmx:afterSwap", show);
});
