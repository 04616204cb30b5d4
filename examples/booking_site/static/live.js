// The live page: server-sent events, shown as they come.
"use strict";

let state = null;
let skew = 0; // seconds by which this clock is ahead of the server's

const show = (place, text) => {
  if (place.textContent !== String(text)) place.textContent = text;
};
const serverNow = () => Date.now() / 1000 - skew;

const list = (id, lines) => {
  const place = document.getElementById(id);
  place.replaceChildren(
    ...(lines.length ? lines : [place.dataset.empty]).map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      if (!lines.length) item.className = "quiet";
      return item;
    }),
  );
};

const paint = () => {
  if (!state) return;
  const now = serverNow();
  for (const [name, quota] of Object.entries(state.quotas)) {
    const place = document.querySelector(`[data-quota=${name}]`);
    for (const what of ["limit", "remaining", "interactive", "background"]) {
      show(place.querySelector(`[data-show=${what}]`), quota[what]);
    }
    const left = quota.resets_at === null ? 0 : quota.resets_at - now;
    show(place.querySelector("[data-show=resets]"), left > 0 ? `${Math.ceil(left)} s` : "–");
    const meter = place.querySelector("meter");
    meter.max = quota.limit;
    meter.value = quota.remaining;
  }
  for (const [name, count] of Object.entries(state.counts)) {
    const place = document.querySelector(`[data-count=${name}]`);
    if (place) show(place, count);
  }
  list("waiting", state.waiting.map(({ label, lane, since, until, worker }) => {
    const goes = until === null ? "" : `, goes in about ${Math.max(0, Math.ceil(until - now))} s`;
    return `${label} · ${lane} · for ${Math.max(0, Math.round(now - since))} s${goes} · worker ${worker}`;
  }));
  list("latest", state.latest.map(({ at, text }) => `${new Date(1000 * at).toLocaleTimeString("en-GB")} ${text}`));
  show(document.getElementById("workers"), state.workers.length);
};

const pulse = document.getElementById("pulse");
const source = new EventSource("/admin/live");
source.onopen = () => show(pulse, "live");
source.onerror = () => show(pulse, "not connected, trying again");
source.onmessage = (event) => {
  state = JSON.parse(event.data);
  skew = Date.now() / 1000 - state.now;
  paint();
};
setInterval(paint, 1000);
addEventListener("pagehide", () => source.close());
