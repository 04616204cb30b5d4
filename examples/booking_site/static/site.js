// What a script adds: the browser's time zone, one click per form, and a countdown. Everything works without it.
"use strict";

const cookie = (name) => document.cookie.split("; ").find((each) => each.startsWith(`${name}=`));

// The first time, tell the site which zone this browser is in, and see its times in it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !cookie("zone")) {
  document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  const shown = document.querySelector("main").dataset.zone;
  if (shown && shown !== zone && cookie("zone")) location.reload();
}

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    (event.submitter ?? form.querySelector("button")).setAttribute("aria-busy", "true");
  });
}
// A page that comes back by the back button may be sent again: the site knows what it did already.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

for (const place of document.querySelectorAll("[data-countdown]")) {
  const until = Date.now() + 1000 * Number(place.dataset.countdown);
  place.hidden = false;
  const show = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    place.textContent = left > 0 ? `${left} s` : "Now is a good moment.";
    if (left <= 0) clearInterval(ticking);
  };
  const ticking = setInterval(show, 500);
  show();
}
