// The form of filters beside a list, or of the audit: moments are entered in the reader's own zone and stand in the
// address in UTC; fields that are left empty are not in the address at all.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("filter-form");
  if (!form) return;

  const two = (number) => String(number).padStart(2, "0");
  const local = (at) =>
    `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}` +
    `T${two(at.getHours())}:${two(at.getMinutes())}`;
  const inUtc = (text) => (/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.replace(" ", "T")}Z`);

  for (const field of form.querySelectorAll("input[data-moment]")) {
    const given = field.value;
    const at = new Date(/^\d{4}-\d\d-\d\d$/.test(given) ? given : inUtc(given));
    field.type = "datetime-local";
    field.value = given && !Number.isNaN(at.valueOf()) ? local(at) : "";
    field.dataset.shown = field.value;
    field.dataset.given = given;
  }
  for (const zone of form.querySelectorAll("[data-zone]")) zone.textContent = "(your time)";

  form.addEventListener("formdata", (event) => {
    for (const field of form.querySelectorAll("input[data-moment]")) {
      if (!field.value) continue;
      const same = field.value === field.dataset.shown; // seconds are not shown, but meant
      event.formData.set(field.name, same ? field.dataset.given : new Date(field.value).toISOString());
    }
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
});
