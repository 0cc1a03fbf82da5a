// Elements, controls and charts: plain HTML and SVG. Colours come from widgets.css; no meaning hangs on colour alone.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// JupyterLab loads this file once a widget: the count has to be the page's
export function unique(name) {
  globalThis.rnnrevCount = (globalThis.rnnrevCount ?? 0) + 1;
  return `rw-${name}-${globalThis.rnnrevCount}`;
}

// +1.23, −0.50: a true minus sign, and no sign on zero
export function signed(x, digits = 2) {
  const text = Math.abs(x).toFixed(digits);
  if (Number(text) === 0) return text;
  return (x < 0 ? "\u2212" : "+") + text;
}

export const plain = (x, digits = 2) => (x < 0 ? "\u2212" : "") + Math.abs(x).toFixed(digits);

export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// --- controls: each is bound to one trait both ways -----------------------------------------------

function bind(model, name, show, also = []) {
  const refresh = () => show(model.get(name));
  for (const each of [name, ...also]) model.on(`change:${each}`, refresh);
  refresh();
  return refresh;
}

export function send(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

export function textControl(model, name, label, { rows = 2, maxlength = 1500 } = {}) {
  const id = unique(name);
  const box = html("textarea", {
    id, rows, maxlength, spellcheck: "false", autocomplete: "off",
    oninput: () => send(model, name, box.value),
  });
  bind(model, name, (value) => {
    if (box.value !== value) box.value = value;
  });
  return html("div", { class: "rw-control rw-wide" }, html("label", { for: id }, label), box);
}

export function sliderControl(model, name, label, { min, max, step, wide = false, show = String, ticks = [], read = (v) => v, write = (v) => v, also = [] }) {
  const id = unique(name);
  const output = html("output", { for: id });
  const list = ticks.length ? unique(`${name}-ticks`) : null;
  const input = html("input", {
    id, type: "range", min, max, step, list,
    oninput: () => send(model, name, write(Number(input.value))),
  });
  const control = html(
    "div", { class: `rw-control ${wide ? "rw-wide" : ""}` },
    html("label", { for: id }, label, " ", output), input,
    list && html("datalist", { id: list }, ticks.map((t) => html("option", { value: t }))),
  );
  control.limit = (value, disabled = false) => {
    Object.assign(input, { max: value, disabled });
    refresh();
  };
  const refresh = bind(model, name, (value) => {
    input.value = read(value);
    output.textContent = show(read(value));
    input.setAttribute("aria-valuetext", show(read(value)));
  }, also);
  return control;
}

export function choiceControl(model, name, legend, options) {
  const group = unique(name);
  const inputs = Object.entries(options).map(([value, label]) => {
    const id = unique(name);
    const input = html("input", { type: "radio", id, name: group, value, onchange: () => send(model, name, value) });
    return { input, label: html("label", { for: id, class: "rw-choice" }, input, html("span", {}, label)) };
  });
  bind(model, name, (value) => inputs.forEach(({ input }) => (input.checked = input.value === value)));
  return html("fieldset", { class: "rw-control" }, html("legend", {}, legend), inputs.map((i) => i.label));
}

// What a widget has of the network that learned from the chosen texts: the first one's unless others are chosen
export function chosenProps(model) {
  const props = model.get("props");
  return props.of?.[model.get("texts")] ?? props;
}

// Which texts the network learned from, where there is a choice
export function textsControl(model) {
  const texts = ["films", ...Object.keys(model.get("props").of ?? {})];
  return texts.length > 1 && choiceControl(model, "texts", "The network learned from", Object.fromEntries(texts.map((t) => [t, t])));
}

export function checkControl(model, name, label) {
  const id = unique(name);
  const input = html("input", { type: "checkbox", id, onchange: () => send(model, name, input.checked) });
  bind(model, name, (value) => (input.checked = value));
  return html("label", { for: id, class: "rw-choice" }, input, html("span", {}, label));
}

export function menuControl(model, name, label, options) {
  const id = unique(name);
  const menu = html("select", { id, onchange: () => send(model, name, Number(menu.value)) },
    options.map((text, i) => html("option", { value: i }, text)));
  bind(model, name, (value) => (menu.value = String(value)));
  return html("div", { class: "rw-control" }, html("label", { for: id }, label), menu);
}

export const groupOf = (legend, ...members) =>
  html("fieldset", { class: "rw-control" }, html("legend", {}, legend), members);

export function buttonsControl(label, buttons) {
  return html(
    "div", { class: "rw-control rw-wide rw-buttons", role: "group", "aria-label": label },
    html("span", { class: "rw-caption" }, label),
    Object.entries(buttons).map(([text, onclick]) => html("button", { type: "button", onclick }, text)),
  );
}

// Examples that fill a text control with one press
export const examplesControl = (model, name, texts) =>
  buttonsControl("Try", Object.fromEntries(texts.map((t) => [t, () => send(model, name, t)])));

// --- the skeleton of a widget ---------------------------------------------------------------------

// spec.draw(frame, width) -> nodes; spec.summary(frame) -> one or two sentences, read out after a change
export function view(el, model, spec) {
  const { title, controls, hint = null } = spec;
  el.classList.add("rnnrev-widget");
  const heading = unique("title");
  const picture = html("div", { class: "rw-picture" });
  const spoken = html("p", { class: spec.quiet ? "rw-hidden" : "rw-summary", "aria-live": "polite", "aria-atomic": "true" });
  const status = html("p", { class: "rw-status", role: "status" });
  const root = html(
    "div", { class: "rw-body", role: "group", "aria-labelledby": heading },
    html("p", { class: "rw-title", id: heading }, title),
    hint && html("p", { class: "rw-hint" }, hint),
    html("div", { class: "rw-controls" }, controls),
    picture, spoken, status,
  );
  el.replaceChildren(root);

  let timer = null;
  let width = 0;
  const redraw = () => {
    const frame = model.get("frame");
    if (!width || !frame || !Object.keys(frame).length) return;
    picture.replaceChildren(...spec.draw(frame, width).filter(Boolean));
    clearTimeout(timer); // the sentence follows when the reader pauses
    timer = setTimeout(() => (spoken.textContent = spec.summary(frame)), spoken.textContent ? 300 : 0);
  };
  const observer = new ResizeObserver(() => {
    const now = Math.floor(picture.clientWidth);
    if (now && now !== width) {
      width = now;
      redraw();
    }
  });
  observer.observe(picture);
  const tell = () => (status.textContent = model.get("status") ?? "");
  for (const name of ["frame", ...(spec.looks ?? [])]) model.on(`change:${name}`, redraw);
  model.on("change:status", tell);
  const closed = new AbortController();
  if (spec.drag) dragging(picture, spec.drag, closed.signal);
  tell();
  return {
    redraw,
    stop() {
      observer.disconnect();
      clearTimeout(timer);
      closed.abort();
      spec.stop?.();
    },
  };
}

// Drag with mouse, pen or finger: start() when the pointer goes down on `on`, move(dx, dy, start's result) after
function dragging(picture, { on, start, move }, closed) {
  picture.addEventListener("pointerdown", (down) => {
    if (!down.target.closest?.(on)) return;
    down.preventDefault();
    const origin = start();
    const drag = new AbortController();
    const signal = AbortSignal.any([drag.signal, closed]);
    window.addEventListener("pointermove", (event) => move(event.clientX - down.clientX, event.clientY - down.clientY, origin), { signal });
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => drag.abort(), { signal });
  });
}

// --- scales and axes ------------------------------------------------------------------------------

export function niceTicks(low, high, count = 5) {
  const span = high - low || 1;
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) ticks.push(k * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

export function extent(values, { least = 1, zero = true, margin = 0.08 } = {}) {
  const finite = values.filter(Number.isFinite);
  let low = Math.min(...finite, ...(zero ? [0] : []));
  let high = Math.max(...finite, ...(zero ? [0] : []));
  if (high - low < least) {
    const middle = (high + low) / 2;
    [low, high] = [middle - least / 2, middle + least / 2];
  }
  const pad = (high - low) * margin;
  return [low - pad, high + pad];
}

export const linear = ([a, b], [p, q]) => (x) => p + ((x - a) / (b - a)) * (q - p);

function yAxis(domain, y, left, right, label, top) {
  const { ticks, digits } = niceTicks(...domain);
  return [
    ticks.map((t) => [
      svg("line", { class: Math.abs(t) < 1e-9 ? "rw-zero" : "rw-grid", x1: left, x2: right, y1: y(t), y2: y(t) }),
      svg("text", { class: "rw-tick", x: left - 6, y: y(t) + 4, "text-anchor": "end" }, plain(t, digits)),
    ]),
    svg("text", { class: "rw-axis", x: 0, y: top }, label),
  ];
}

const MARKS = {
  circle: (x, y) => svg("circle", { cx: x, cy: y, r: 3 }),
  square: (x, y) => svg("rect", { x: x - 3, y: y - 3, width: 6, height: 6 }),
  cross: (x, y) => svg("path", { d: `M${x - 3},${y - 3}l6,6m0,-6l-6,6`, class: "rw-stroke" }),
  diamond: (x, y) => svg("path", { d: `M${x},${y - 4}l4,4l-4,4l-4,-4z` }),
};

export function legend(series) {
  return html(
    "ul", { class: "rw-legend", "aria-hidden": "true" },
    series.map((s) =>
      html(
        "li", {},
        svg(
          "svg", { width: 34, height: 12, class: `rw-series rw-${s.style}`, focusable: "false" },
          svg("path", { class: "rw-line", d: "M1,6H33" }), MARKS[s.mark ?? "circle"](17, 6),
        ),
        s.name,
      ),
    ),
  );
}

// Lines over tokens. series: [{name, style, mark, values}]; values may hold null where nothing is known yet.
// xs: position of each value (default 0..n-1); labels: text under each position.
export function lineChart({ width, height = 260, series, xs = null, labels = null, xLabel, yLabel, description, mark = null, least = 4, domain = null }) {
  const count = Math.max(...series.map((s) => s.values.length));
  xs = xs ?? Array.from({ length: count }, (_, i) => i);
  const turned = labels !== null;
  const bottom = turned ? 62 : 40;
  const box = { left: 42, right: width - 50, top: 24, bottom: height - bottom };
  const y = linear(domain ?? extent(series.flatMap((s) => s.values.filter((v) => v !== null)), { least }), [box.bottom, box.top]);
  const yDomain = domain ?? extent(series.flatMap((s) => s.values.filter((v) => v !== null)), { least });
  const x = linear([xs[0], Math.max(xs[xs.length - 1], xs[0] + 1)], [box.left + 8, box.right - 8]);

  const every = Math.max(1, Math.ceil((turned ? 15 : 34) / Math.max((box.right - box.left) / xs.length, 1e-9)));
  const shown = xs.map((v, i) => [v, i]).filter(([, i]) => i % every === 0);
  const under = shown.map(([v, i]) =>
    turned
      ? svg("text", { class: "rw-tick", transform: `translate(${x(v) + 4},${box.bottom + 12}) rotate(-40)`, "text-anchor": "end" }, shorten(labels[i], 11))
      : svg("text", { class: "rw-tick", x: x(v), y: box.bottom + 16, "text-anchor": "middle" }, String(v)),
  );
  const ends = series
    .map((s) => ({ s, i: s.values.findLastIndex((v) => v !== null) }))
    .filter(({ i }) => i >= 0)
    .map(({ s, i }) => ({ s, value: s.values[i], at: y(s.values[i]) }))
    .sort((a, b) => a.at - b.at);
  for (let i = 1; i < ends.length; i++) ends[i].at = Math.max(ends[i].at, ends[i - 1].at + 13);

  return svg(
    "svg", { class: "rw-chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description },
    yAxis(yDomain, y, box.left, box.right, yLabel, 12),
    under,
    xLabel && svg("text", { class: "rw-axis", x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, xLabel),
    mark !== null && svg("line", { class: "rw-here", x1: x(mark), x2: x(mark), y1: box.top, y2: box.bottom }),
    series.map((s) => {
      const points = s.values.map((v, i) => (v === null ? null : [x(xs[i]), y(v)]));
      return svg(
        "g", { class: `rw-series rw-${s.style}` },
        svg("path", { class: "rw-line", d: pathOf(points.filter(Boolean)) }),
        points.length <= 80 && !s.bare &&
          points.map((p, i) => p && svg("g", {}, svg("title", {}, `${labels ? labels[i] : xs[i]}: ${s.name} ${signed(s.values[i])}`), MARKS[s.mark ?? "circle"](...p))),
      );
    }),
    ends.map(({ s, value, at }) => svg("text", { class: `rw-end rw-ink-${s.style}`, x: box.right + 4, y: at + 4 }, signed(value))),
  );
}

export const pathOf = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");

export const shorten = (word, n) => (word.length > n ? `${word.slice(0, n - 1)}\u2026` : word);

// Tokens in a row, each with what it added. rows: [{name, values (T)}], null where there is nothing to tell; `here` is
// marked, pick(i) hears which token is pressed
export function tokenStrip({ tokens, known, rows, label, least = 1, digits = 1, here = null, pick = null }) {
  const peak = Math.max(least, ...rows.flatMap((r) => r.values.map(Math.abs)));
  const cell = (value) =>
    value === null ? html("span", { class: "rw-step" }, "\u00a0") : html(
      "span", {
        class: `rw-step ${value > 0 ? "rw-up" : "rw-down"}`,
        style: `--share:${(50 * Math.min(1, Math.abs(value) / peak)).toFixed(0)}%`,
      },
      signed(value, digits),
    );
  const style = (i) => [known[i] ? "" : "rw-unknown", rows[0].values[i] === null ? "rw-off" : "", i === here ? "rw-followed" : ""].filter(Boolean).join(" ") || null;
  return html(
    "div", { class: "rw-strip" },
    html("p", { class: "rw-caption" }, label),
    html(
      "ol", { class: "rw-tokens" },
      tokens.map((token, i) =>
        html(
          "li", { class: style(i), title: known[i] ? null : "not among the network's words", onclick: pick ? () => pick(i) : null },
          html("span", { class: "rw-word" }, token),
          rows.map((r) => cell(r.values[i])),
        ),
      ),
    ),
  );
}

export const steps = (trace) => trace.slice(1).map((v, i) => v - trace[i]);

// A plane with axes; inner({x, y, box}) gives what stands in it. Scales are kept on the node for dragging.
export function plane({ width, height, domains: [dx, dy], xLabel, yLabel, description, className = "" }, inner) {
  const box = { left: 42, right: width - 10, top: 24, bottom: height - 40 };
  const [x, y] = [linear(dx, [box.left, box.right]), linear(dy, [box.bottom, box.top])];
  const horizontal = niceTicks(...dx, width < 420 ? 4 : 6);
  const node = svg(
    "svg", { class: `rw-chart ${className}`, width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description },
    yAxis(dy, y, box.left, box.right, yLabel, 12),
    horizontal.ticks.map((t) => [
      svg("line", { class: Math.abs(t) < 1e-9 ? "rw-zero" : "rw-grid", y1: box.top, y2: box.bottom, x1: x(t), x2: x(t) }),
      svg("text", { class: "rw-tick", x: x(t), y: box.bottom + 16, "text-anchor": "middle" }, plain(t, horizontal.digits)),
    ]),
    svg("text", { class: "rw-axis", x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, xLabel),
    inner({ x, y, box }),
  );
  node.perPixel = [(dx[1] - dx[0]) / (box.right - box.left), -(dy[1] - dy[0]) / (box.bottom - box.top)];
  return node;
}

export const path = ({ name, style, mark = "circle", at, labels = null }) =>
  svg(
    "g", { class: `rw-series rw-${style}` },
    svg("path", { class: "rw-line", d: pathOf(at) }),
    at.map((p, i) => svg("g", { class: i === at.length - 1 ? "rw-last" : null }, svg("title", {}, `${name}: ${labels?.[i] ?? i}`), MARKS[mark](...p))),
  );

export const handle = (x, y, label) =>
  svg("g", { class: "rw-handle" }, svg("title", {}, label), svg("circle", { cx: x, cy: y, r: 16, class: "rw-hold" }), svg("circle", { cx: x, cy: y, r: 6 }));

// Paths with named points. paths: [{name, style, mark, points}], points: [{x, y, label, style}]
export function planeChart({ width, height = 300, paths, points = [], labels = null, ...rest }) {
  const all = [...paths.flatMap((p) => p.points), ...points.map((p) => [p.x, p.y]), [0, 0]];
  const domains = [0, 1].map((k) => extent(all.map((p) => p[k]), { least: 1e-3 }));
  return plane({ width, height, domains, ...rest }, ({ x, y, box }) => [
    placeLabels(points.map((p) => ({ ...p, px: x(p.x), py: y(p.y) })), box).map((p) =>
      svg(
        "g", { class: `rw-landmark rw-${p.style}` },
        svg("circle", { cx: p.px, cy: p.py, r: 2.5 }),
        p.room && svg("text", { x: p.px + 5, y: p.py + 4 }, p.label),
        svg("title", {}, p.label),
      ),
    ),
    paths.map((p) => path({ ...p, labels, at: p.points.map(([a, b]) => [x(a), y(b)]) })),
  ]);
}

// A label is drawn where it covers no earlier one; every point keeps its title
function placeLabels(points, box) {
  const taken = [];
  return points.map((p) => {
    const w = 6.2 * p.label.length;
    const area = [p.px + 4, p.py - 7, p.px + 6 + w, p.py + 7];
    const room = area[2] < box.right && !taken.some((t) => area[0] < t[2] && area[2] > t[0] && area[1] < t[3] && area[3] > t[1]);
    if (room) taken.push(area);
    return { ...p, room };
  });
}

// Signed bars in rows: one row a label, one bar a series
export function barRows({ width, labels, series, xLabel, description, rowHeight = 9 }) {
  const left = Math.min(150, width * 0.4);
  const band = rowHeight * series.length + 6;
  const height = 30 + band * labels.length + 34;
  const domain = extent(series.flatMap((s) => s.values), { least: 0.2 });
  const x = linear(domain, [left, width - 8]);
  const { ticks, digits } = niceTicks(...domain, width < 420 ? 4 : 7);
  const bottom = 22 + band * labels.length;
  return svg(
    "svg", { class: "rw-chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description },
    ticks.map((t) => [
      svg("line", { class: Math.abs(t) < 1e-9 ? "rw-zero" : "rw-grid", x1: x(t), x2: x(t), y1: 16, y2: bottom }),
      svg("text", { class: "rw-tick", x: x(t), y: bottom + 15, "text-anchor": "middle" }, plain(t, digits)),
    ]),
    svg("text", { class: "rw-axis", x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, xLabel),
    labels.map((label, i) => [
      svg("text", { class: "rw-tick", x: left - 6, y: 18 + band * (i + 0.5) + 4, "text-anchor": "end" }, shorten(label, 22)),
      series.map((s, k) => {
        const [a, b] = [x(0), x(s.values[i])];
        return svg(
          "rect", { class: `rw-bar rw-${s.style === "sign" ? (s.values[i] > 0 ? "plus" : "minus") : s.style}`, x: Math.min(a, b), width: Math.max(Math.abs(b - a), 0.5), y: 20 + band * i + rowHeight * k, height: rowHeight - 1.5 },
          svg("title", {}, `${label}, ${s.name}: ${signed(s.values[i])}`),
        );
      }),
    ]),
  );
}
