// What a page must have for everybody to use it; each thing that is missing is told in a line.
() => {
  const wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isShown = (each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest("[aria-hidden=true]");

  if (document.documentElement.lang !== "en") wrong.push("no language");
  if (!document.title.trim()) wrong.push("no title");
  for (const landmark of ["header", "nav", "main", "footer"]) if (!all(landmark).length) wrong.push(`no ${landmark}`);
  if (all("main").length !== 1) wrong.push("not one main");
  if (all("h1").length !== 1) wrong.push(`${all("h1").length} h1`);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) wrong.push(`h${own} after h${level}: ${heading.textContent.trim()}`);
    level = own;
  }
  const first = document.querySelector("a[href]");
  if (first.getAttribute("href") !== "#content" || !document.getElementById("content")) wrong.push("no skip link first");

  const ids = all("[id]").map((each) => each.id);
  for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`two of #${id}`);
  for (const name of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const each of all(`[${name}]`)) {
      for (const id of each.getAttribute(name).split(" ")) if (!ids.includes(id)) wrong.push(`${name} leads nowhere: ${id}`);
    }
  }
  for (const field of all("input:not([type=hidden]):not([hidden]), select, textarea")) {
    if (!field.labels.length) wrong.push(`no label: ${field.name}`);
    if (field.type !== "hidden" && !field.name) wrong.push("a field without a name");
  }
  for (const each of all("a[href], button")) {
    const name = each.getAttribute("aria-label") ?? each.innerText ?? "";
    if (!name.trim() && isShown(each)) wrong.push(`no name: ${each.outerHTML.slice(0, 80)}`);
    // Who speaks to a computer says what they read.
    if (each.ariaLabel && !each.ariaLabel.startsWith(each.innerText.trim())) wrong.push(`other name: ${each.ariaLabel}`);
  }
  for (const each of all("img:not([alt])")) wrong.push(`no alt: ${each.src}`);
  for (const each of all("svg:not([aria-hidden])")) wrong.push("a drawing that is read out");
  for (const each of all("nav")) if (!each.ariaLabel) wrong.push("a nav without a name");
  for (const each of all("dl dd")) if (!each.previousElementSibling) wrong.push(`a dd before its dt: ${each.innerText}`);
  for (const each of all("th")) if (!each.scope) wrong.push("a th without a scope");
  for (const each of all("[tabindex]")) if (each.tabIndex > 0) wrong.push("a tabindex over 0");

  // Contrast, as WCAG counts it.
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    return paint.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba("white");
  };
  const seen = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const each = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || seen.has(each) || !isShown(each) || each.closest("option, script, noscript")) continue;
    seen.add(each);
    const [one, other] = [light(rgba(getComputedStyle(each).color)), light(ground(each))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${texts.currentNode.data.trim()}`);
  }

  // A finger needs room: 44 pixels for what is more than a word in a text.
  for (const each of all("button, select, input:not([type=hidden]):not([hidden]), .main, .second, .slot, nav a")) {
    if (isShown(each) && each.getBoundingClientRect().height < 44) wrong.push(`too small: ${each.innerText || each.name}`);
  }
  const beyond = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (beyond > 0) wrong.push(`${beyond} pixels beyond the edge`);
  return wrong;
}
