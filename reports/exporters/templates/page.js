/* What a reader may do with the page: leave variants out, sort, point at marks, take links, turn the lights off.
   Without it the page says the same. Nothing is stored and nothing is fetched; the address after # says what is
   left out, so that a copied link shows what its sender saw. */
"use strict";
{
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const made = (tag, facts) => Object.assign(document.createElement(tag), facts);
  const root = document.documentElement;

  for (const each of all(".needs-script")) each.hidden = false;

  /* Variants, left out everywhere at once. */
  const boxes = all("#variants input");
  const owned = all("[data-of]").map((element) => [element, element.dataset.of.split("\n")]);
  const places = all("[data-without]");
  const without = () => boxes.filter((box) => !box.checked).map((box) => box.value);
  const leaveOut = () => {
    const out = new Set(without());
    for (const [element, names] of owned) element.classList.toggle("out", names.some((name) => out.has(name)));
    for (const place of places) place.toggleAttribute("hidden", !out.has(place.dataset.without));
  };

  /* The address: what is pointed at, then who is left out. */
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return "";
    }
  };
  const read = () => {
    const said = location.hash.slice(1).split("&");
    const out = said.find((each) => each.startsWith("without="));
    return {
      target: decode(said.find((each) => !each.includes("=")) ?? ""),
      names: out ? out.slice(8).split(",").map(decode) : [],
    };
  };
  const address = (target) => {
    const names = without().map((name) => encodeURIComponent(name)).join(",");
    return `#${[encodeURIComponent(target), names && `without=${names}`].filter(Boolean).join("&")}`;
  };
  const go = () => {
    const { target, names } = read();
    for (const box of boxes) box.checked = !names.includes(box.value);
    leaveOut();
    for (const each of all(".target")) each.classList.remove("target");
    const found = target && document.getElementById(target);
    if (!found) return;
    for (let outer = found; outer; outer = outer.parentElement) if (outer.tagName === "DETAILS") outer.open = true;
    found.classList.add("target");
    found.scrollIntoView();
  };
  addEventListener("hashchange", go);
  go();
  const keep = () => {
    leaveOut();
    history.replaceState(null, "", address(read().target));
  };
  for (const box of boxes) box.addEventListener("change", keep);
  for (const button of all("#everyone")) {
    button.addEventListener("click", () => {
      for (const box of boxes) box.checked = true;
      keep();
    });
  }
  const copy = async (link) => {
    try {
      await navigator.clipboard.writeText(location.href);
    } catch {
      return; /* A browser may forbid it; the address bar has the link. */
    }
    link.classList.add("copied");
    setTimeout(() => link.classList.remove("copied"), 1500);
  };
  for (const link of all("a[href^='#']")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const hash = address(decode(link.hash.slice(1)));
      if (hash === location.hash) go();
      else location.hash = hash;
      if (link.classList.contains("anchor")) copy(link);
      else document.getElementById(read().target)?.focus({ preventScroll: true });
    });
  }

  /* Sorting: up, down, as it was. What has no value stays last. */
  const value = (cell) => {
    if (!cell) return null;
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    if (["", "–", "·", "?", "="].includes(text)) return null;
    const number = text.replace(/^[≥<≤ ]+/, "").replace(/−/g, "-").replace(/,/g, "");
    return /^[+-]?[\d.]+( ?%| .*)?$/.test(number) ? parseFloat(number) : text;
  };
  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number"
      ? one - other
      : String(one).localeCompare(String(other), "en", { numeric: true });
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = all("thead th[data-column]", table);
    const last = Math.max(...heads.map((head) => Number(head.dataset.column)));
    if (rows.length < 2) continue;
    for (const head of heads) {
      const button = made("button", { type: "button", className: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] ?? "ascending";
        for (const each of heads) each.removeAttribute("aria-sort");
        if (next !== "none") head.setAttribute("aria-sort", next);
        const column = Number(head.dataset.column);
        const keyed = rows.map((row) => [value(row.cells.length > last || !column ? row.cells[column] : null), row]);
        if (next !== "none") {
          const sign = next === "ascending" ? 1 : -1;
          keyed.sort(([one], [other]) =>
            one === null || other === null ? (one === null) - (other === null) : sign * compare(one, other));
        }
        body.append(...keyed.map(([, row]) => row));
      });
    }
  }

  /* Marks: the nearest one to the pointer is told, which a finger finds as well. */
  const reach = 14;
  const tip = document.body.appendChild(made("div", { id: "tip", role: "tooltip", hidden: true }));
  const away = () => {
    tip.hidden = true;
    for (const each of all(".pointed")) each.classList.remove("pointed");
  };
  for (const drawing of all("figure svg")) {
    const marks = all("g > title", drawing).map((title) => {
      const mark = title.parentElement;
      mark.dataset.told = title.textContent;
      title.remove();
      return mark;
    });
    const point = (event) => {
      let found = null;
      let least = reach;
      for (const mark of marks) {
        const box = mark.getBoundingClientRect();
        if (mark.classList.contains("out") || !(box.width || box.height)) continue;
        const across = Math.max(box.left - event.clientX, event.clientX - box.right, 0);
        const down = Math.max(box.top - event.clientY, event.clientY - box.bottom, 0);
        /* Of those that are as near, the smallest is meant. */
        const distance = Math.hypot(across, down) + Math.hypot(box.width, box.height) / 1e4;
        if (distance < least) [found, least] = [mark, distance];
      }
      away();
      if (!found) return;
      for (const mark of marks) mark.classList.toggle("pointed", mark.dataset.told === found.dataset.told);
      tip.textContent = found.dataset.told;
      tip.hidden = false;
      const room = root.clientWidth - tip.offsetWidth - 8;
      tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, room))}px`;
      tip.style.top = `${event.clientY + 16 + tip.offsetHeight < innerHeight ? event.clientY + 16 : event.clientY - tip.offsetHeight - 10}px`;
    };
    drawing.addEventListener("pointermove", point);
    drawing.addEventListener("pointerdown", point);
    drawing.addEventListener("pointerleave", away);
  }
  addEventListener("scroll", away, { passive: true });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") away();
  });

  /* Light and dark: the system's until somebody chooses. */
  const lights = document.getElementById("lights");
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const say = () => lights.setAttribute("aria-pressed", String(dark()));
  lights.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    say();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", say);
  say();
}
