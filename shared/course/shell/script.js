// The book works without this. With it, a page remembers what its reader has said, read and ticked,
// in this browser alone, and the drawings can be stepped through.
"use strict";
(() => {
const $$ = (select, from = document) => [...from.querySelectorAll(select)];
const make = (tag, members = {}, ...children) => {
  const e = Object.assign(document.createElement(tag), members);
  e.append(...children);
  return e;
};
const page = location.pathname.split("/").pop() || "index.html";
const store = { // of a browser that keeps nothing, nothing is kept
  get(key) { try { return localStorage.getItem("course " + key) || ""; } catch { return ""; } },
  set(key, value) { try { localStorage.setItem("course " + key, value); } catch {} },
};

// Contents, and what has been read.
const narrow = matchMedia("(max-width: 62rem)");
const fold = () => $$(".contents details").forEach((d) => { d.open = !narrow.matches; });
narrow.addEventListener("change", fold);
fold();
const here = document.querySelector(".contents [aria-current]"); // in a list that is longer than some windows
if (here && !narrow.matches) here.offsetParent.scrollTop = here.offsetTop - here.offsetParent.clientHeight / 2;
const mark = () => $$("[data-chapter]").forEach((a) => {
  const read = store.get("read " + a.getAttribute("href")) !== "";
  a.classList.toggle("read", read);
  a.setAttribute("aria-label", a.textContent.trim() + (read ? ", read" : ""));
});
mark();
if (document.body.classList.contains("chapter")) {
  store.set("at", page);
  const button = make("button", { className: "done", type: "button" });
  const label = () => { button.textContent = store.get("read " + page) ? "✓ Read. Not yet?" : "I have read this chapter"; mark(); };
  button.onclick = () => { store.set("read " + page, store.get("read " + page) ? "" : "yes"); label(); };
  document.querySelector(".turn")?.before(button);
  label();
}
const on = document.querySelector("[data-continue]");
const at = on && store.get("at"), link = at && $$("main [data-chapter]").find((a) => a.getAttribute("href") === at);
if (link) {
  on.hidden = false;
  Object.assign(on.firstChild, { href: at, textContent: "Go on with " + link.textContent.trim() });
}

// Commands and listings can be copied: of a console, what is typed.
for (const figure of $$("figure.code, figure.console")) {
  const pre = figure.querySelector("pre"), button = make("button", { className: "copy", type: "button", textContent: "Copy" });
  button.setAttribute("aria-label", figure.classList.contains("console") ? "Copy the commands" : "Copy the code");
  button.onclick = async () => {
    const text = figure.classList.contains("console") ? pre.textContent.replace(/^\$ /gm, "") : pre.textContent;
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { getSelection().selectAllChildren(pre); button.textContent = "Selected"; }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  figure.append(button);
}

// What a command prints is shown after a prediction. An empty one is a wish to see it at once.
$$("details.output").forEach((details, i) => {
  const key = page + " output " + i, said = make("p", { className: "said" });
  const input = make("input", { placeholder: "What will it print?" });
  input.setAttribute("aria-label", "What will it print?");
  const form = make("form", {}, input, make("button", { textContent: "Show" }));
  const reveal = () => {
    const mine = store.get(key);
    said.replaceChildren(...(mine ? ["You said: ", make("q", { textContent: mine })] : []));
    said.hidden = !mine;
    form.hidden = true;
    details.hidden = false;
    details.open = true;
  };
  form.onsubmit = (e) => { e.preventDefault(); store.set(key, input.value.trim()); reveal(); details.querySelector("summary").focus(); };
  details.before(form);
  form.className = "ask";
  details.classList.add("asked");
  details.querySelector("summary").after(said);
  if (store.get(key)) reveal(); else details.hidden = true;
});

// Predictions are written down, and stand beside what was measured.
$$(".predict > li").forEach((li, i) => {
  const input = make("input", { value: store.get(page + " predict " + i), placeholder: "Your prediction" });
  input.setAttribute("aria-label", "Your prediction " + (i + 1));
  input.onchange = () => { store.set(page + " predict " + i, input.value.trim()); recall(); };
  li.append(input);
});
const recall = () => $$(".measured > li").forEach((li, i) => {
  li.querySelector(".mine")?.remove();
  const said = store.get(page + " predict " + i);
  if (said) li.prepend(make("p", { className: "mine" }, "You said: ", make("q", { textContent: said })));
});
recall();
$$(".check > li").forEach((li, i) => {
  const key = page + " check " + i, label = make("label", {}, ...li.childNodes);
  const box = make("input", { type: "checkbox", checked: store.get(key) !== "" });
  box.onchange = () => store.set(key, box.checked ? "yes" : "");
  label.prepend(box);
  li.classList.add("has");
  li.replaceChildren(label);
});

// What is wider than the page can be scrolled without a pointer.
const sideways = new ResizeObserver((list) => list.forEach(({ target: e }) => {
  if (e.scrollWidth > e.clientWidth) e.tabIndex = 0; else e.removeAttribute("tabindex");
}));
$$("pre, .table, .scroll, .call").forEach((e) => sideways.observe(e));

// The explanation of a word goes away by Escape, until the word is left.
addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const t of $$(".term:is(:hover, :focus-visible)")) {
    t.classList.add("quiet");
    for (const left of ["mouseleave", "blur"]) t.addEventListener(left, () => t.classList.remove("quiet"), { once: true });
  }
});

// Search: every word must be there. The text of each section is in the page.
const index = document.getElementById("index");
if (index) {
  const q = document.getElementById("q"), found = document.getElementById("found"), all = $$("li", index);
  const texts = all.map((li) => [li.firstChild.textContent.toLowerCase(), li.querySelector("p").textContent]);
  const find = () => {
    const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = [];
    all.forEach((li, i) => {
      const [heading, text] = texts[i], low = text.toLowerCase();
      li.hidden = !words.every((w) => heading.includes(w) || low.includes(w));
      const p = li.querySelector("p"), from = words.length ? low.indexOf(words[0]) : -1;
      p.hidden = li.hidden || !words.length || from < 0;
      if (li.hidden) return;
      hits.push([words.filter((w) => heading.includes(w)).length * 100 + (words.length ? low.split(words[0]).length : 0), i]);
      if (p.hidden) return;
      const start = Math.max(0, text.lastIndexOf(" ", from - 60)), end = text.indexOf(" ", from + 160);
      const piece = end < 0 ? text.slice(start) : text.slice(start, end), at = from - start;
      p.replaceChildren((start ? "… " : "") + piece.slice(0, at), make("mark", { textContent: piece.slice(at, at + words[0].length) }), piece.slice(at + words[0].length) + (end < 0 ? "" : " …"));
    });
    hits.sort((a, b) => words.length ? b[0] - a[0] || a[1] - b[1] : a[1] - b[1]);
    index.append(...hits.map(([, i]) => all[i]));
    found.textContent = !words.length ? "These are all headings of all chapters." : hits.length ? `${hits.length} places, the best first.` : "Nothing. Try fewer words, or shorter ones.";
  };
  q.value = new URLSearchParams(location.search).get("q") || "";
  q.oninput = find;
  q.form.onsubmit = (e) => { e.preventDefault(); find(); };
  find();
}

// Steppers: all frames are in the page; one at a time is shown.
for (const s of $$(".stepper")) {
  const frames = $$(".frame", s), says = make("output"), say = (n) => `Step ${n + 1} of ${frames.length}`;
  s.querySelector("ol").setAttribute("aria-live", "polite"); // the step itself is told, and says is its number
  let n = 0;
  const back = make("button", { type: "button", textContent: "← Back" }), next = make("button", { type: "button", textContent: "Next →" });
  const show = (to) => {
    n = Math.max(0, Math.min(frames.length - 1, to));
    frames.forEach((f, i) => { f.hidden = i !== n; });
    back.setAttribute("aria-disabled", n === 0);
    next.setAttribute("aria-disabled", n === frames.length - 1);
    says.textContent = say(n);
  };
  back.onclick = () => show(n - 1);
  next.onclick = () => show(n + 1);
  s.onkeydown = (e) => {
    if (e.target.matches(".call")) return; // it scrolls by the same keys
    if (e.key === "ArrowRight") show(n + 1);
    else if (e.key === "ArrowLeft") show(n - 1);
    else if (e.key === "Home") show(0);
    else if (e.key === "End") show(frames.length - 1);
    else return;
    e.preventDefault();
  };
  s.querySelector("h3").after(make("div", { className: "steps" }, back, next, says));
  show(0);
}
})();
