/* What the pages gain with a script: fresh ages, copying, keys, the raw stack. They work without. */
"use strict";

const each = (selector, run) => document.querySelectorAll(selector).forEach(run);

/* ---- ages ---- */

function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 172800) return Math.floor(s / 3600) + " h";
  return Math.floor(s / 86400) + " d";
}

function refresh() {
  each("time[datetime]", (time) => {
    const at = Date.parse(time.dateTime);
    if (!Number.isNaN(at)) time.textContent = age(Date.now() - at) + time.dataset.suffix;
  });
}
setInterval(refresh, 10000);

/* ---- copy a twin ---- */

function say(text) {
  each("[data-said]", (place) => { place.textContent = text; });
}

each("button[data-copy]", (button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      const reply = await fetch(button.dataset.copy);
      if (!reply.ok) throw new Error(String(reply.status));
      await navigator.clipboard.writeText(await reply.text());
      say("Copied");
    } catch {
      say("Could not copy: the links beside it show the same");
    }
  });
});

/* ---- the stack: in-app, all, raw; raw is remembered ---- */

function remember(value) {
  try { localStorage.setItem("frames", value); } catch { /* private windows refuse */ }
}

function remembered() {
  try { return localStorage.getItem("frames"); } catch { return null; }
}

function showFrames(panel, how) {
  panel.querySelector("[data-framed]").hidden = how === "raw";
  panel.querySelector("pre.raw").hidden = how !== "raw";
  panel.querySelectorAll("[data-frames]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.frames === how));
  });
  if (how === "raw") return;
  panel.querySelectorAll("details").forEach((frame) => {
    if (frame.dataset.was === undefined) frame.dataset.was = frame.open ? "1" : "";
    frame.open = how === "all" || frame.dataset.was === "1";
  });
}

each("[data-stack]", (panel) => {
  panel.querySelectorAll("[data-frames]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      each("[data-stack]", (other) => {
        if (other.querySelector("[data-frames]")) showFrames(other, button.dataset.frames);
      });
      remember(button.dataset.frames === "raw" ? "raw" : "");
    });
  });
  if (remembered() === "raw" && panel.querySelector("[data-frames]")) showFrames(panel, "raw");
});

/* ---- keys ---- */

const rows = [...document.querySelectorAll("[data-row]")];
let at = -1;

function moveTo(next) {
  if (rows.length === 0) return;
  if (at >= 0) rows[at].classList.remove("at");
  at = Math.min(rows.length - 1, Math.max(0, next));
  rows[at].classList.add("at");
  rows[at].querySelector("a").focus();
  rows[at].scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  const search = document.querySelector("input[type=search]");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "j") moveTo(at + 1);
  else if (event.key === "k") moveTo(at - 1);
  else if (event.key === "/" && search) search.focus();
  else return;
  event.preventDefault();
});
each(".keys", (line) => { line.hidden = false; });

/* ---- forms and waiting ---- */

each(".bar select", (select) => {
  select.addEventListener("change", () => select.form.requestSubmit());
});

if (document.querySelector("[data-wait]")) setTimeout(() => location.reload(), 3000);
