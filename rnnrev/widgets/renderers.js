import {
  barRows, buttonsControl, checkControl, choiceControl, chosenProps, clamp, examplesControl, extent, groupOf, handle, html, legend, lineChart, linear,
  menuControl, niceTicks, path, pathOf, plain, plane, planeChart, send, signed, sliderControl, steps, svg, textControl, textsControl, tokenStrip, unique, view,
} from "./draw.js";
import { unpack } from "./engine.js";
import { eigenvalues, restingLine, ToyNetwork, Training } from "./trainer.js";

// One renderer a widget: controls, picture, and a sentence that says what is seen.

const last = (values) => values[values.length - 1];
const verdict = (logit) => (logit > 0 ? "positive" : "negative");
const START = "(start)";
const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

function unknownNote(frame) {
  const words = frame.tokens.filter((_, i) => !frame.known[i]);
  if (!words.length) return null;
  const list = [...new Set(words)].slice(0, 5).map((w) => `\u201c${w}\u201d`).join(", ");
  return html("p", { class: "rw-note" }, `Not among the network\u2019s words, read as unknown: ${list}.`);
}

const RENDERERS = {
  sentiment_trace(el, model) {
    return view(el, model, {
      title: "Type a sentence: the logit after each token",
      controls: [
        textControl(model, "text", "Sentence"),
        textsControl(model),
        examplesControl(model, "text", ["This movie is awesome.", "This movie is not awesome.", "This movie is extremely awesome."]),
      ],
      draw(frame, width) {
        const series = [
          { name: "network", style: "intact", mark: "circle", values: frame.network },
          { name: "bag of words", style: "bag", mark: "cross", values: frame.bag },
        ];
        return [
          legend(series),
          lineChart({
            width, series, labels: [START, ...frame.tokens], yLabel: "logit in nats (above 0: positive)",
            description: this.summary(frame),
          }),
          tokenStrip({
            tokens: frame.tokens, known: frame.known, label: "What each token adds: network above, bag of words below",
            rows: [{ name: "network", values: steps(frame.network) }, { name: "bag of words", values: steps(frame.bag) }],
          }),
          unknownNote(frame),
        ];
      },
      summary: (frame) =>
        `After ${counted(frame.tokens.length, "token")} the network reads ${signed(last(frame.network))} (${verdict(last(frame.network))}), ` +
        `the bag of words ${signed(last(frame.bag))} (${verdict(last(frame.bag))}).`,
    });
  },

  modifier_lab(el, model) {
    const props = model.get("props");
    const [modifiers] = props.spaces; // controls come after it
    return view(el, model, {
      title: "Modifier lab: turn a subspace of the state up and down",
      hint: "The gain multiplies the place in the subspace that the state would have: 1 is the network as trained, 0 removes it, less than 0 mirrors it.",
      controls: [
        textControl(model, "text", "Sentence"),
        textsControl(model),
        examplesControl(model, "text", ["The movie was not good.", "The movie was not bad.", "The movie was extremely good."]),
        sliderControl(model, "gain", "Gain", { min: -1, max: 3, step: 0.05, show: (v) => plain(v), ticks: [0, 1] }),
        sliderControl(model, "dimension", "Dimensions", { min: 1, max: props.dimensions, step: 1 }),
        choiceControl(model, "space", "Subspace", Object.fromEntries(props.spaces.map((name) => [name, name]))),
        choiceControl(model, "begin", "Begin", { h0: "at the beginning of a review, h\u2080", middle: "in the middle of a review, h*" }),
      ],
      draw(frame, width) {
        const gain = `gain ${plain(model.get("gain"))}`;
        const series = [
          { name: "intact", style: "intact", mark: "circle", values: frame.intact },
          { name: `perturbed (${model.get("space")}, ${gain})`, style: "perturbed", mark: "square", values: frame.perturbed },
        ];
        const labels = [START, ...frame.tokens];
        const landmarks = model.get("space") !== modifiers ? [] :
          chosenProps(model).landmarks.map((p) => ({ x: p.x, y: p.y, label: p.word, style: p.kind }));
        return [
          legend(series),
          lineChart({ width, series, labels, yLabel: "logit in nats (above 0: positive)", description: this.summary(frame) }),
          tokenStrip({
            tokens: frame.tokens, known: frame.known, label: "What each token adds: intact above, perturbed below",
            rows: [{ name: "intact", values: steps(frame.intact) }, { name: "perturbed", values: steps(frame.perturbed) }],
          }),
          unknownNote(frame),
          html("p", { class: "rw-caption" }, "The state\u2019s path in the plane of the subspace\u2019s first two axes",
            landmarks.length ? ", and where single modifiers leave it: " : "",
            [...new Set(landmarks.map((p) => p.style))].map((kind) =>
              html("span", { class: `rw-key rw-landmark rw-${kind}` }, svg("svg", { width: 8, height: 8, "aria-hidden": "true" }, svg("circle", { cx: 4, cy: 4, r: 3.5 })), ` ${kind}s `))),
          planeChart({
            width, labels, points: landmarks, xLabel: "first axis", yLabel: "second axis",
            paths: [
              { name: "intact", style: "intact", mark: "circle", points: frame.intact_path },
              { name: "perturbed", style: "perturbed", mark: "square", points: frame.perturbed_path },
            ],
            description: "Path of the hidden state in the plane of the subspace\u2019s first two axes, intact and perturbed, from the first token to the last.",
          }),
        ];
      },
      summary: (frame) =>
        `Intact the network ends at ${signed(last(frame.intact))} (${verdict(last(frame.intact))}); ` +
        `with gain ${plain(model.get("gain"))} on ${model.get("dimension")} dimensions of the subspace \u201c${model.get("space")}\u201d ` +
        `at ${signed(last(frame.perturbed))} (${verdict(last(frame.perturbed))}).`,
    });
  },

  barcode_explorer(el, model) {
    const props = model.get("props");
    const MOST = 4;
    const picker = html("div", { class: "rw-control rw-wide" });
    const id = unique("word");
    const input = html("input", { id, type: "text", list: `${id}-list`, autocomplete: "off", spellcheck: "false" });
    const note = html("p", { class: "rw-note", role: "status" });
    const change = (words) => {
      model.set("words", words);
      model.save_changes();
    };
    const add = () => {
      const word = input.value.trim().toLowerCase();
      const words = model.get("words");
      if (!word) return;
      if (!props.choices.includes(word)) note.textContent = `\u201c${word}\u201d is not among these ${props.choices.length} modifiers.`;
      else if (words.includes(word)) note.textContent = `\u201c${word}\u201d is shown already.`;
      else {
        note.textContent = "";
        input.value = "";
        change([...words, word].slice(-MOST));
      }
    };
    const drop = (word) => {
      change(model.get("words").filter((w) => w !== word));
      input.focus(); // the button that had the focus is gone
    };
    input.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), add()));
    input.addEventListener("input", () => props.choices.includes(input.value) && add());
    const chosen = html("ul", { class: "rw-chosen" });
    const list = () => {
      const words = model.get("words");
      chosen.replaceChildren(...words.map((w, i) =>
        html("li", { class: `rw-c${i}` }, html("span", { class: "rw-swatch", "aria-hidden": "true" }), w,
          words.length > 1 && html("button", { type: "button", "aria-label": `remove ${w}`, onclick: () => drop(w) }, "\u00d7"))));
    };
    model.on("change:words", list);
    list();
    picker.append(
      html("label", { for: id }, `Add a modifier (up to ${MOST})`),
      html("div", { class: "rw-row" }, input, html("button", { type: "button", onclick: add }, "Add")),
      html("datalist", { id: `${id}-list` }, props.choices.map((w) => html("option", { value: w }))),
      chosen, note,
    );
    return view(el, model, {
      title: "Barcodes: what a modifier does to the words after it",
      looks: ["order"],
      controls: [picker, choiceControl(model, "order", "Words in order of", { valence: "their valence", effect: "the first modifier\u2019s effect" })],
      draw(frame, width) {
        const order = props.probes.map((_, i) => i);
        const key = model.get("order") === "valence" ? props.valence : frame.rows[0];
        order.sort((a, b) => key[b] - key[a]);
        return [
          barRows({
            width, labels: order.map((i) => `${props.probes[i]} ${signed(props.valence[i], 1)}`),
            series: frame.rows.map((row, k) => ({ name: `after ${frame.words[k]}`, style: `c${k}`, values: order.map((i) => row[i]) })),
            xLabel: "change of what the word adds, in nats", description: this.summary(frame),
          }),
          html("p", { class: "rw-caption" }, "Beside each word: what it adds without a modifier, in nats."),
        ];
      },
      summary(frame) {
        const sides = frame.words.map((word, k) => {
          const mean = (sign) => {
            const kept = frame.rows[k].filter((_, i) => Math.sign(props.valence[i]) === sign);
            return kept.reduce((s, v) => s + v, 0) / kept.length;
          };
          return `\u201c${word}\u201d (${frame.kinds[k]}) changes positive words by ${signed(mean(1))} and negative words by ${signed(mean(-1))} on average`;
        });
        const pairs = frame.words.slice(1).map((w, k) => `${signed(frame.correlation[0][k + 1])} with \u201c${w}\u201d`);
        return `${sides.join("; ")}.` + (pairs.length ? ` The barcode of \u201c${frame.words[0]}\u201d correlates ${pairs.join(", ")}.` : "");
      },
    });
  },

  where_it_stands(el, model) {
    const place = sliderControl(model, "place", "Place", {
      min: 0, max: model.get("frame").places.length - 1, step: 1, wide: true,
      show: (i) => {
        const { places, tokens } = model.get("frame");
        return `${places[Math.min(i, places.length - 1)]} tokens before it, ${tokens.length - places[Math.min(i, places.length - 1)]} after`;
      },
    });
    const at = (frame) => Math.min(model.get("place"), frame.places.length - 1);
    const value = (v) => (v === null ? "\u2026" : signed(v));
    return view(el, model, {
      title: "Where does it stand? The same words at every place of a review",
      hint: "Influence: the final logit with the words put in at that place, less the final logit without them.",
      looks: ["place"],
      controls: [
        textControl(model, "phrase", "Words to slide through", { rows: 1, maxlength: 120 }),
        textControl(model, "text", "Review", { rows: 4 }),
        textsControl(model),
        place,
      ],
      draw(frame, width) {
        place.limit(frame.places.length - 1);
        const here = frame.places[at(frame)];
        const series = [
          { name: "intact", style: "intact", mark: "circle", values: frame.intact },
          { name: "h\u2080 replaced by a state on the attractor", style: "perturbed", mark: "square", values: frame.start },
          { name: "fast modes removed at the end", style: "slow", mark: "diamond", values: frame.slow },
          { name: "on the attractor, for good", style: "bag", bare: true, values: frame.places.map(() => frame.lasting) },
        ];
        return [
          html("p", { class: "rw-reading" }, `${frame.tokens.slice(0, here).join(" ")} `, html("mark", {}, model.get("phrase")), ` ${frame.tokens.slice(here).join(" ")}`),
          legend(series),
          lineChart({
            width, series, xs: frame.places, mark: here, least: 0.5, yLabel: "influence on the final logit, in nats",
            xLabel: "tokens of the review before it", description: this.summary(frame),
          }),
          unknownNote(frame),
        ];
      },
      summary(frame) {
        const i = at(frame);
        return `\u201c${model.get("phrase")}\u201d after ${frame.places[i]} of ${frame.tokens.length} tokens changes the final logit by ${value(frame.intact[i])}; ` +
          `with h\u2080 replaced by ${value(frame.start[i])}, with the fast modes removed at the end by ${value(frame.slow[i])}. On the attractor it counts ${signed(frame.lasting)}.`;
      },
    });
  },

  build_a_bag(el, model) {
    const on = () => ["modifiers", "beginning", "end"].filter((name) => model.get(name));
    return view(el, model, {
      title: "Build your own bag of words: what each token counts",
      controls: [
        textControl(model, "text", "Review", { rows: 3 }),
        groupOf("Let the bag of words know", checkControl(model, "modifiers", "modifiers: words that turn the volume"),
          checkControl(model, "beginning", "the beginning of the review"), checkControl(model, "end", "the end of the review")),
      ],
      draw(frame, width) {
        return [
          barRows({
            width, rowHeight: 16, xLabel: "logit of the review, in nats", description: this.summary(frame),
            labels: ["words alone", on().length ? "with what is on" : "nothing is on", "network"].map((l, i) => `${l} ${signed(frame.logit[i], 1)}`),
            series: [{ name: "logit", style: "sign", values: frame.logit }],
          }),
          tokenStrip({
            tokens: frame.tokens, known: frame.known, label: "What each token counts: by itself above, in its context below (nats)",
            rows: [{ name: "by itself", values: frame.valence }, { name: "in context", values: frame.counts }],
          }),
          lineChart({
            width, height: 190, labels: frame.tokens, yLabel: "volume: factor of what a token counts",
            series: [{ name: "volume", style: "perturbed", mark: "circle", values: frame.volume }], least: 1,
            description: `The volume that each token meets: ${frame.tokens.map((w, t) => `${w} ${frame.volume[t].toFixed(1)}`).slice(0, 40).join(", ")}.`,
          }),
          lineChart({
            width, height: 190, labels: frame.tokens, yLabel: "memory: sum of what was read (nats)",
            series: [{ name: "memory", style: "intact", mark: "circle", values: frame.memory }],
            description: `The sum after the last token is ${signed(last(frame.memory))} nats.`,
          }),
          unknownNote(frame),
        ];
      },
      summary(frame) {
        const change = frame.counts.map((v, t) => v - frame.valence[t]);
        const most = change.reduce((best, v, t) => (Math.abs(v) > Math.abs(change[best]) ? t : best), 0);
        const said = `The words alone read ${signed(frame.logit[0])}, with ${on().join(", ") || "nothing"} switched on ${signed(frame.logit[1])}, the network ${signed(frame.logit[2])}.`;
        return on().length ? `${said} Most changed: \u201c${frame.tokens[most]}\u201d, from ${signed(frame.valence[most])} to ${signed(frame.counts[most])}.` : said;
      },
    });
  },

  who_still_matters(el, model) {
    const frame = () => model.get("frame");
    const count = () => frame().tokens.length;
    const read = sliderControl(model, "read", "Tokens read", {
      min: 0, max: count(), step: 1, also: ["frame"], show: (n) => (n && n < count() ? `${n} of ${count()}` : `all ${count()}`),
    });
    const word = sliderControl(model, "word", "Token to follow", {
      min: 1, max: count(), step: 1, also: ["frame"], show: (i) => `\u201c${frame().tokens[clamp(i, 1, count()) - 1]}\u201d`,
    });
    return view(el, model, {
      title: "Who still matters? What each token of a review counts for the logit",
      hint: "A token\u2019s pull: what it did to the state beyond the average word, times how the logit after the last token read depends on that state (exact, to first order). Press a token to follow it.",
      controls: [textControl(model, "text", "Review", { rows: 4 }), read, word],
      draw(frame, width) {
        for (const slider of [read, word]) slider.limit(frame.tokens.length);
        const values = frame.fade.slice(frame.word);
        return [
          tokenStrip({
            tokens: frame.tokens, known: frame.known, least: 0.1, digits: 2, here: frame.word, pick: (i) => send(model, "word", i + 1),
            label: `Pull of each token on the logit after ${counted(frame.read, "token")}, in nats`, rows: [{ name: "pull", values: frame.pull }],
          }),
          html("p", { class: "rw-caption" }, `How the pull of \u201c${frame.tokens[frame.word]}\u201d changes as more is read:`),
          lineChart({
            width, height: 200, series: [{ name: "pull", style: "intact", mark: "circle", values }], xs: values.map((_, i) => frame.word + 1 + i),
            mark: frame.read > frame.word ? frame.read : null, least: 0.1, yLabel: "pull in nats", xLabel: "tokens read", description: this.summary(frame),
          }),
          unknownNote(frame),
        ];
      },
      summary(frame) {
        const known = frame.pull.map((v, i) => [v, i]).filter(([v]) => v !== null).sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]));
        const top = known.slice(0, 3).map(([v, i]) => `\u201c${frame.tokens[i]}\u201d ${signed(v)}`).join(", ");
        const [first, end] = [frame.fade[frame.word], last(frame.fade)];
        return `After ${counted(frame.read, "token")} the logit is ${signed(frame.logit[frame.read])}; most pull on it: ${top}. ` +
          `\u201c${frame.tokens[frame.word]}\u201d counts ${signed(first)} right after it and ${signed(end)} at the end.`;
      },
    });
  },

  the_plane(el, model) {
    const props = model.get("props");
    const [dx, dy] = [[-3.2, 3.2], [-2.6, 5.2]];
    let perPixel = [0, 0];
    const from = (n, label) =>
      sliderControl(model, "start", label, {
        min: -4, max: 4, step: 0.1, show: (v) => signed(v, 1), read: (s) => s[n],
        write: (v) => model.get("start").map((old, i) => (i === n ? v : old)),
      });
    const clouds = props.clouds.map((cloud) => {
      const bins = Array.from({ length: 9 }, () => []);
      cloud.at.forEach((p, i) => bins[Math.round(clamp(cloud.logit[i], -4, 4)) + 4].push(p));
      return bins;
    });
    return view(el, model, {
      title: "The plane: memory to the right, volume up",
      hint: "A sentence is a path from the ring to where the logit is read; arrows show what one word does at each place (to scale). Drag the ring, or use the sliders, to start elsewhere.",
      controls: [
        textControl(model, "text", "Sentence", { rows: 1 }),
        examplesControl(model, "text", ["The movie was good.", "The movie was not good.", "The movie was extremely good.", "The movie was not bad."]),
        textControl(model, "word", "Word whose arrows are shown", { rows: 1, maxlength: 40 }),
        buttonsControl("Arrows of", Object.fromEntries(["the", "good", "bad", "not", "extremely"].map((w) => [w, () => send(model, "word", w)]))),
        sliderControl(model, "k", "Numbers kept", { min: 1, max: props.modes, step: 1 }),
        from(0, "start, memory from h\u2080"), from(1, "start, volume from h\u2080"),
        choiceControl(model, "volume", "Volume, after every token", Object.fromEntries(props.volumes.map((name) => [name, name]))),
        props.networks.length > 1 && menuControl(model, "second", "A second network", ["none", ...props.networks.slice(1)]),
      ],
      drag: {
        on: ".rw-handle",
        start: () => [...model.get("start")],
        move: (px, py, [m, v]) => send(model, "start", [m + px * perPixel[0], v + py * perPixel[1]].map((x) => clamp(Math.round(x * 10) / 10, -4, 4))),
      },
      draw(frame, width) {
        const several = frame.networks.length > 1;
        const side = Math.floor(Math.min(several && width >= 640 ? (width - 16) / 2 : width, 560));
        const altered = model.get("volume") !== "as it is";
        const one = (net, number) => {
          const arrow = unique("arrow");
          const clip = unique("clip");
          const labels = [START, ...net.tokens];
          const chart = plane(
            { width: side, height: Math.round(side * 0.85), domains: [dx, dy], xLabel: "memory (s.d.)", yLabel: "volume (s.d.)", description: `${net.name}: path of the sentence and arrows of \u201c${model.get("word")}\u201d in the plane of memory and volume.` },
            ({ x, y, box }) => [
              svg("defs", {},
                svg("marker", { id: arrow, viewBox: "0 0 6 6", refX: 5, refY: 3, markerWidth: 4, markerHeight: 4, orient: "auto" }, svg("path", { d: "M0,0L6,3L0,6z", class: "rw-head" })),
                svg("clipPath", { id: clip }, svg("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }))),
              svg("g", { "clip-path": `url(#${clip})` },
                clouds[number].map((bin, shade) => bin.length > 0 &&
                  svg("path", { class: `rw-cloud rw-v${shade}`, d: bin.map(([m, v]) => `M${x(m).toFixed(1)},${y(v).toFixed(1)}h0`).join("") })),
                net.field.map(([m, v], i) => {
                  const [p, q] = props.grid[i];
                  if (Math.hypot(m, v) < 0.01) return svg("circle", { class: "rw-rest", cx: x(p), cy: y(q), r: 1.6 });
                  return svg("line", { class: "rw-flow", x1: x(p), y1: y(q), x2: x(p + m), y2: y(q + v), "marker-end": `url(#${arrow})` });
                }),
                path({ name: "whole network", style: "intact", at: net.whole_path.map(([m, v]) => [x(m), y(v)]), labels }),
                path({ name: "reduced", style: "perturbed", mark: "square", at: net.reduced_path.map(([m, v]) => [x(m), y(v)]), labels })),
              handle(x(net.whole_path[0][0]), y(net.whole_path[0][1]), "start of the path"),
            ],
          );
          perPixel = chart.perPixel;
          const series = [
            { name: altered ? `whole network, volume ${model.get("volume")}` : "whole network", style: "intact", mark: "circle", values: net.whole },
            { name: `${counted(model.get("k"), "number")} kept`, style: "perturbed", mark: "square", values: net.reduced },
            altered && { name: "whole network, as it is", style: "bag", mark: "cross", values: net.intact },
          ].filter(Boolean);
          return html("section", {}, several && html("h4", {}, net.name), legend(series), chart,
            lineChart({ width: side, height: 220, series, labels, yLabel: "logit in nats (above 0: positive)", description: `${net.name}: logit after each token, whole network and reduced.` }),
            unknownNote(net), !net.word_known && html("p", { class: "rw-note" }, `\u201c${model.get("word")}\u201d is not among the network\u2019s words: the arrows are those of an unknown word.`));
        };
        const numbers = [0, model.get("second")];
        return [html("div", { class: "rw-networks" }, frame.networks.map((net, i) => one(net, numbers[i])))];
      },
      summary: (frame) => frame.networks.map((net) =>
        `${net.name}: the whole network ends at ${signed(last(net.whole))}${model.get("volume") === "as it is" ? "" : ` with the volume ${model.get("volume")} (${signed(last(net.intact))} as it is)`}, ` +
        `with ${counted(model.get("k"), "number")} kept at ${signed(last(net.reduced))}.`).join(" "),
    });
  },

  flow_2d(el, model) {
    const { presets } = model.get("props");
    const entry = (i, j, label) =>
      sliderControl(model, "matrix", label, {
        min: -1.2, max: 1.2, step: 0.01, show: (v) => plain(v), ticks: [0, 1],
        read: (m) => m[i][j],
        write: (v) => model.get("matrix").map((row, k) => row.map((old, n) => (k === i && n === j ? v : old))),
      });
    const from = (k, label) =>
      sliderControl(model, "start", label, {
        min: -1.5, max: 1.5, step: 0.05, show: (v) => plain(v), read: (s) => s[k],
        write: (v) => model.get("start").map((old, n) => (n === k ? v : old)),
      });
    const size = 1.5;
    let perPixel = [0, 0];
    return view(el, model, {
      title: "A linear flow in the plane: h\u2032 = A h",
      hint: "Arrows point from h towards A h. Drag the ring, or use the sliders, to start the path elsewhere.",
      controls: [
        buttonsControl("Matrix", Object.fromEntries(Object.entries(presets).map(([name, m]) => [name, () => send(model, "matrix", m)]))),
        entry(0, 0, "A\u2081\u2081"), entry(0, 1, "A\u2081\u2082"), entry(1, 0, "A\u2082\u2081"), entry(1, 1, "A\u2082\u2082"),
        from(0, "start, first coordinate"), from(1, "start, second coordinate"),
      ],
      drag: {
        on: ".rw-handle",
        start: () => [...model.get("start")],
        move: (dx, dy, [x, y]) => send(model, "start", [x + dx * perPixel[0], y + dy * perPixel[1]].map((v) => clamp(Math.round(v * 100) / 100, -size, size))),
      },
      draw(frame, width) {
        const side = Math.min(width, 440);
        const m = model.get("matrix");
        const arrow = unique("arrow");
        const grid = Array.from({ length: 13 }, (_, i) => -size + (i * 2 * size) / 12);
        const flow = plane(
          { width: side, height: side, domains: [[-size, size], [-size, size]], xLabel: "first coordinate", yLabel: "second coordinate", description: this.summary(frame), className: "rw-clip" },
          ({ x, y, box }) => {
            const clip = unique("clip");
            const ray = ([a, b], style, label) =>
              svg("g", { class: `rw-ray rw-${style}` }, svg("line", { x1: x(-3 * a), y1: y(-3 * b), x2: x(3 * a), y2: y(3 * b) }), svg("title", {}, label));
            return [
              svg("defs", {},
                svg("marker", { id: arrow, viewBox: "0 0 6 6", refX: 5, refY: 3, markerWidth: 5, markerHeight: 5, orient: "auto" }, svg("path", { d: "M0,0L6,3L0,6z", class: "rw-head" })),
                svg("clipPath", { id: clip }, svg("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }))),
              svg("g", { "clip-path": `url(#${clip})` },
                grid.map((p) => grid.map((q) => {
                  const [u, v] = [m[0][0] * p + m[0][1] * q - p, m[1][0] * p + m[1][1] * q - q];
                  if (Math.hypot(u, v) < 0.01) return svg("circle", { class: "rw-rest", cx: x(p), cy: y(q), r: 1.6 });
                  return svg("line", { class: "rw-flow", x1: x(p), y1: y(q), x2: x(p + 0.3 * u), y2: y(q + 0.3 * v), "marker-end": `url(#${arrow})` });
                })),
                frame.right && frame.right.map((v, k) => ray(v, `c${k + 1}`, `right vector of mode ${k + 1}`)),
                frame.left && frame.left.map((v, k) => svg("g", { class: "rw-left" }, ray(v.map((e) => e / Math.hypot(...v)), `c${k + 1}`, `left vector of mode ${k + 1}`))),
                path({ name: "path", style: "intact", at: frame.path.map(([a, b]) => [x(clamp(a, -9, 9)), y(clamp(b, -9, 9))]) })),
              handle(x(frame.path[0][0]), y(frame.path[0][1]), "start of the path"),
            ];
          },
        );
        perPixel = flow.perPixel;
        return [html("div", { class: "rw-pair" }, flow, unitCircle(frame.eigvals), modesTable(frame))];
      },
      quiet: true, // the list beside the picture says it already
      summary: (frame) => frame.eigvals.map((_, k) => modeText(frame, k)).join("; ") + ".",
    });
  },

  attractor_3d(el, model) {
    const { scene } = model.get("props");
    const places = [...scene.cloud.xyz, ...scene.curve.xyz];
    const centre = [0, 1, 2].map((k) => places.reduce((s, p) => s + p[k], 0) / places.length);
    const far = Math.sqrt(Math.max(...places.map((p) => p.reduce((s, v, k) => s + (v - centre[k]) ** 2, 0))));
    const peak = Math.max(...scene.cloud.logit.map(Math.abs));
    const shade = (logit) => Math.round(clamp((logit / peak) * 4, -4, 4)) + 4;
    const paths = scene.paths ?? [];
    const time = sliderControl(model, "time", "Token", {
      min: 0, max: 1, step: 1,
      show(t) {
        const shown = paths[model.get("path") - 1];
        return shown ? tokenAt(shown, t) : "no review chosen";
      },
    });
    return view(el, model, {
      title: "States, fixed points and readout in three dimensions",
      hint: "Drag to turn the picture, or use the sliders.",
      looks: ["yaw", "pitch", "zoom", "cloud", "curve", "arrows", "path", "time"],
      controls: [
        sliderControl(model, "yaw", "Turn", { min: -180, max: 180, step: 2, show: (v) => `${plain(v, 0)}\u00b0` }),
        sliderControl(model, "pitch", "Tilt", { min: -90, max: 90, step: 2, show: (v) => `${plain(v, 0)}\u00b0` }),
        sliderControl(model, "zoom", "Zoom", { min: 0.5, max: 6, step: 0.1, show: (v) => `\u00d7${v.toFixed(1)}` }),
        groupOf("Show", checkControl(model, "cloud", "states of reviews"), checkControl(model, "curve", "fixed points"), checkControl(model, "arrows", "readout and slow mode")),
        paths.length ? menuControl(model, "path", "Path of a review", ["none", ...paths.map((p) => p.name)]) : null,
        paths.length ? time : null,
      ],
      drag: {
        on: ".rw-space",
        start: () => [model.get("yaw"), model.get("pitch")],
        move(dx, dy, [yaw, pitch]) {
          model.set("yaw", ((yaw + dx * 0.5 + 540) % 360) - 180);
          send(model, "pitch", clamp(pitch + dy * 0.5, -90, 90));
        },
      },
      draw(frame, width) {
        const height = Math.round(clamp(width * 0.75, 260, 520));
        const [a, b] = [model.get("yaw"), model.get("pitch")].map((d) => (d * Math.PI) / 180);
        const scale = ((Math.min(width, 1.5 * height) / 2) * 1.05 * model.get("zoom")) / far; // clouds are longer than wide
        const name = (text, x, y, style) => // about 6.6 pixels a letter: no name runs out of the picture
          svg("text", { class: `rw-name ${style}`, x: clamp(x, 2, Math.max(2, width - 6.6 * text.length - 2)), y: clamp(y, 12, height - 4) }, text);
        const project = (p) => {
          const [x, y, z] = p.map((v, k) => v - centre[k]);
          const [u, w] = [x * Math.cos(a) - y * Math.sin(a), x * Math.sin(a) + y * Math.cos(a)];
          return [width / 2 + scale * u, height / 2 - scale * (z * Math.cos(b) + w * Math.sin(b))];
        };
        const dots = (xyz, logit, style) => {
          const bins = Array.from({ length: 9 }, () => []);
          xyz.forEach((p, i) => bins[shade(logit[i])].push(project(p)));
          return bins.map((bin, k) => bin.length > 0 &&
            svg("path", { class: `${style} rw-v${k}`, d: bin.map(([x, y]) => `M${x.toFixed(1)},${y.toFixed(1)}h0`).join("") }));
        };
        const shown = paths[model.get("path") - 1];
        if (shown) time.limit(shown.xyz.length - 1);
        const t = shown ? Math.min(model.get("time"), shown.xyz.length - 1) : 0;
        const tips = [0, 1, 2].map((k) => centre.map((c, j) => c + (j === k ? far * 0.5 : 0)));
        return [
          svg(
            "svg", { class: "rw-chart rw-space", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": this.summary(frame) },
            tips.map((tip, k) => {
              const [from, to] = [project(centre), project(tip)];
              return svg("line", { class: "rw-zero", x1: from[0], y1: from[1], x2: to[0], y2: to[1] });
            }),
            model.get("cloud") && dots(scene.cloud.xyz, scene.cloud.logit, "rw-cloud"),
            model.get("curve") && [
              svg("path", { class: "rw-curve", d: pathOf((scene.curve.line ?? scene.curve.xyz).map(project)) }),
              dots(scene.curve.xyz, scene.curve.logit, "rw-fixed"),
            ],
            model.get("arrows") && (scene.arrows ?? []).map((arrow, k) => {
              const [from, to] = [project(arrow.from), project(arrow.to)];
              return svg("g", { class: `rw-arrow rw-c${k + 1}` }, svg("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1] }),
                svg("circle", { cx: to[0], cy: to[1], r: 4 }));
            }),
            shown && path({ name: shown.name, style: "perturbed", mark: "square", at: shown.xyz.slice(0, t + 1).map(project), labels: shown.tokens }),
            // names last, on top of the dots; short ones on a phone
            tips.map(project).map(([x, y], k) => name(width < 480 ? scene.axes[k].split(" (")[0] : scene.axes[k], x + 3, y, "rw-axis")),
            model.get("arrows") && (scene.arrows ?? []).map((arrow, k) => {
              const [x, y] = project(arrow.to);
              return svg("g", { class: `rw-arrow rw-c${k + 1}` }, name(arrow.name, x + 7, y + 22 + 15 * k, ""));
            }),
          ),
          html("div", { class: "rw-scale", "aria-hidden": "true" }, `logit ${signed(-peak, 1)}`,
            svg("svg", { width: 126, height: 14, focusable: "false" }, Array.from({ length: 9 }, (_, k) => svg("path", { class: `rw-fixed rw-v${k}`, d: `M${7 + 14 * k},7h0` }))), signed(peak, 1)),
          shown && html("p", { class: "rw-reading" }, shown.tokens.map((token, i) => [i === t ? html("mark", {}, token) : token, " "])),
        ];
      },
      summary() {
        const shown = paths[model.get("path") - 1];
        const said = `${scene.cloud.xyz.length} states of reviews and ${scene.curve.xyz.length} fixed points, coloured by logit, from ${signed(Math.min(...scene.curve.logit), 1)} to ${signed(Math.max(...scene.curve.logit), 1)} along the curve of fixed points.`;
        return shown ? `${said} ${shown.name}: ${tokenAt(shown, Math.min(model.get("time"), shown.xyz.length - 1))}.` : said;
      },
    });
  },

  relax(el, model) {
    const { system } = model.get("props");
    const MOST = 600;
    let shown = Infinity; // how much of the path is drawn: new steps appear one by one
    let pace = 1;
    let timer = null;
    let perPixel = [0, 0];
    const reach = (k) => Math.max(0.5, ...system.kicks.map((kick) => Math.abs(kick.z[k])), ...system.B.map((row) => Math.abs(row[k]))) * 1.5;
    const from = (which, label) =>
      sliderControl(model, "start", label, {
        min: -1, max: 1, step: 0.05, also: ["mode"], show: (v) => plain(v * reach(axis(which))), read: (s) => clamp(s[axis(which)] / reach(axis(which)), -1, 1),
        write: (v) => model.get("start").map((old, n) => (n === axis(which) ? v * reach(n) : old)),
      });
    const axis = (which) => (which ? clamp(model.get("mode"), 1, system.k - 1) : 0);
    const read = (words) => {
      shown = model.get("sequence").length;
      pace = Math.ceil(words.length / 25);
      send(model, "sequence", [...model.get("sequence"), ...words].slice(0, MOST));
    };
    const restart = () => {
      shown = Infinity;
      send(model, "sequence", []);
    };
    const play = () => {
      if (shown >= model.get("frame").logit.length - 1) {
        shown = Infinity;
        return;
      }
      shown += pace;
      made.redraw();
      timer = setTimeout(play, 60);
    };
    const still = window.matchMedia("(prefers-reduced-motion: reduce)");
    model.on("change:frame", () => {
      clearTimeout(timer);
      if (still.matches) shown = Infinity;
      else if (shown < Infinity) timer = setTimeout(play, 60);
    });
    const made = view(el, model, {
      title: "Pull the state off the attractor and watch it relax",
      hint: "Drag the ring, or use the sliders, to choose where the state starts; then read words.",
      looks: ["mode"],
      stop: () => clearTimeout(timer),
      controls: [
        buttonsControl("Start off the attractor, along", Object.fromEntries(system.kicks.map((kick) => [kick.name.replace("off the attractor, along ", ""), () => {
          shown = Infinity;
          const size = kick.z.map(Math.abs);
          model.set("mode", Math.max(1, size.indexOf(Math.max(...size))));
          send(model, "start", kick.z);
        }]))),
        from(0, "start, along the attractor"), from(1, "start, along the other mode"),
        menuControl(model, "mode", "Mode on the vertical axis", system.labels.map((l, i) => (i ? l : `${l} (horizontal)`))),
        buttonsControl("Read", {
          "average text": () => read([""]), "\u00d7 10": () => read(Array(10).fill("")), "\u00d7 100": () => read(Array(100).fill("")), ...Object.fromEntries(system.words.map((w) => [w, () => read([w])])), "start again": restart,
        }),
      ],
      drag: {
        on: ".rw-handle",
        start: () => [...model.get("start")],
        move: (dx, dy, start) => {
          shown = Infinity;
          send(model, "start", start.map((v, n) => (n === 0 ? v + dx * perPixel[0] : n === axis(1) ? v + dy * perPixel[1] : v)));
        },
      },
      draw(frame, width) {
        const n = Math.min(shown, frame.logit.length - 1) + 1;
        const [z, logit] = [frame.z.slice(0, n), frame.logit.slice(0, n)];
        const words = ["start", ...model.get("sequence").map((w) => w || "\u00b7")].slice(0, n);
        const j = axis(1);
        const domains = [0, j].map((k) => {
          const all = frame.z.map((v) => v[k]);
          return extent([...all, -reach(k), reach(k)], { margin: 0.03 });
        });
        const state = plane(
          { width, height: 300, domains, xLabel: "along the attractor (slow mode)", yLabel: system.labels[j], description: this.summary(frame) },
          ({ x, y, box }) => [
            svg("line", { class: "rw-attractor", x1: box.left, x2: box.right, y1: y(0), y2: y(0) }),
            path({ name: "state", style: "intact", at: z.map((v) => [x(v[0]), y(v[j])]), labels: words }),
            z.map((v, i) => words[i] !== "\u00b7" && i > 0 && svg("text", { x: x(v[0]) + 7, y: y(v[j]) - 6 }, words[i])),
            handle(x(z[0][0]), y(z[0][j]), "start of the path"),
          ],
        );
        perPixel = state.perPixel;
        return [
          state,
          lineChart({
            width, height: 220, series: [{ name: "logit", style: "intact", values: logit }], labels: words, least: 1,
            yLabel: "logit in nats (above 0: positive)", description: `Logit after each step, at the end ${signed(last(logit))}.`,
          }),
        ];
      },
      summary(frame) {
        const off = (v) => Math.hypot(...v.slice(1));
        return `After ${counted(frame.logit.length - 1, "step")} the state is ${plain(off(last(frame.z)))} off the attractor (${plain(off(frame.z[0]))} at the start) and the logit is ${signed(last(frame.logit))} (${signed(frame.logit[0])} at the start).`;
      },
    });
    return made;
  },

  toy_trainer(el, model) {
    const props = model.get("props");
    const language = () => ({
      ...props.language,
      modifiers: props.language.modifiers.map((m) => (m.alone ? { ...m, reach: model.get("reach") } : m)),
    });
    const D = props.language.words.length;
    const not = props.language.modifiers.find((m) => m.alone).number;
    const kernel = model.get("run") !== undefined; // there TensorFlow trains; a page trains by itself
    let training = null; // or {history} of networks that came trained
    let timer = null;
    const kept = () => training?.history ?? [];
    const shown = () => kept()[Math.min(model.get("at"), kept().length - 1)] ?? null;
    const show = (at) => {
      scrubber.limit(Math.max(1, kept().length - 1), kept().length < 2);
      if (model.get("at") === at) made.redraw();
      else send(model, "at", at);
    };
    const press = (text, on) => {
      button.textContent = text;
      button.setAttribute("aria-pressed", String(on));
    };
    const stop = () => {
      clearTimeout(timer);
      timer = null;
      if (!kernel) press(training && !training.done && training.step ? "Go on" : "Train", false);
      else if (model.get("run") === "train") send(model, "run", "stop");
    };
    const forget = () => {
      stop();
      training = null;
      if (!kernel) press("Train", false);
      show(0);
    };
    const tick = () => {
      const [began, before] = [performance.now(), kept().length];
      while (performance.now() < began + 40 && !training.done) training.advance();
      training.seconds = (training.seconds ?? 0) + (performance.now() - began) / 1000;
      if (training.done) stop();
      else timer = setTimeout(tick, 0);
      if (kept().length > before) show(kept().length - 1);
    };
    const train = () => {
      if (timer !== null || (kernel && model.get("run"))) stop();
      else if (kernel) send(model, "run", "train");
      else {
        if (!training || training.done) training = new Training(language(), { kind: model.get("cell") });
        press("Pause", true);
        tick();
      }
    };
    const told = () => {
      const run = model.get("run");
      press({ train: "Stop", stop: "Stopping \u2026" }[run] ?? "Train", Boolean(run));
      if (run !== "train") return;
      training = { history: [] };
      show(0);
    };
    const heard = () => {
      if (model.get("run") !== "train") return; // sent before it heard that it is to stop
      training.history.push(arrived(model.get("latest")));
      show(kept().length - 1);
    };
    const arrived = (one) => ({ ...one, theta: unpack(one.weights).data });
    const take = () => {
      stop();
      training = { done: true, history: props.trained.map(arrived) };
      show(kept().length - 1);
    };
    const button = html("button", { type: "button", "aria-pressed": "false", onclick: train }, "Train");
    if (kernel) {
      model.on("change:run", told);
      model.on("change:latest", heard);
    }
    const scrubber = sliderControl(model, "at", "Back through training", {
      min: 0, max: 1, step: 1, wide: true,
      show() {
        const at = shown();
        return at ? `after ${counted(at.step, "step")}` : "nothing to go back through yet: press Train";
      },
    });
    for (const name of ["cell", "reach"]) {
      let before = model.get(name);
      model.on(`change:${name}`, () => {
        if (model.get(name) === before) return;
        before = model.get(name);
        if (training && (name === "cell" || !training.done || training.net)) forget();
      });
    }
    const made = view(el, model, {
      title: `Train a network on twelve words, ${kernel ? "with TensorFlow" : "here in the page"}`,
      hint: "It has to say the sum so far after every word. Press Train, watch, and type words.",
      looks: ["at", "cell"],
      stop: () => clearTimeout(timer),
      controls: [
        html("div", { class: "rw-control rw-wide rw-buttons", role: "group", "aria-label": "Training" }, button,
          html("button", { type: "button", onclick: forget }, "Start again"),
          html("button", { type: "button", onclick: take }, "Take a trained one")),
        choiceControl(model, "cell", "Cell", { gru: "GRU", ugrnn: "UGRNN" }),
        sliderControl(model, "reach", "Not turns round the next", { min: 1, max: 8, step: 1, show: (v) => counted(v, "token") }),
        scrubber,
        textControl(model, "text", "Words", { maxlength: 400 }),
        examplesControl(model, "text", ["not a a bad good", "very good", "not very good", "not not good"]),
        html("p", { class: "rw-hint rw-wide" }, `It knows ${props.language.words.join(", ")}.`),
      ],
      draw(frame, width) {
        const at = shown();
        const series = [{ name: "sum so far", style: "bag", mark: "cross", values: frame.sums }];
        const seen = at && look(at, frame);
        if (seen) series.unshift({ name: "the network says", style: "intact", mark: "circle", values: seen.says });
        const labels = [START, ...frame.tokens];
        const sums = [
          legend(series),
          lineChart({ width, height: 230, series, labels, yLabel: "sum", description: this.summary(frame) }),
          unknownNote(frame),
        ];
        if (!seen) return sums;
        const side = Math.min(230, width);
        const beside = width - side - 24 > 260;
        const rest = beside ? width - side - 24 : width;
        return [
          kept().length > 1 && errorChart(kept(), at.step, width),
          html("div", { class: "rw-pair" }, spectrum(seen.eigvals, side),
            plane({
              width: rest, height: 250, domains: [0, 1].map((k) => extent([...seen.line, ...seen.path].map((p) => p[k]), { least: 0.2 })),
              xLabel: "what the network says", yLabel: "along the kick of \u201cnot\u201d",
              description: "States in a plane: where they rest, and the path of the words.",
            }, ({ x, y }) => [
              svg("path", { class: "rw-attractor", fill: "none", d: pathOf(seen.line.map(([a, b]) => [x(a), y(b)])) }),
              path({ name: "state", style: "intact", at: seen.path.map(([a, b]) => [x(a), y(b)]), labels }),
              seen.path.map(([a, b], i) => i > 0 && i < 12 && svg("text", { class: "rw-name", x: x(a) + 6, y: y(b) - 6 }, labels[i])),
            ])),
          html("p", { class: "rw-caption" }, `${beside ? "Left" : "Above"}: eigenvalues of \u2202F/\u2202h without input, where the network says 0, with the unit circle. ${beside ? "Right" : "Below"}: the green line is where states come to rest; black is the path of the words.`),
          ...sums,
        ];
      },
      summary(frame) {
        const at = shown();
        const truth = `The sum of \u201c${frame.tokens.join(" ")}\u201d is ${signed(last(frame.sums), 0)}`;
        if (!at) return `${truth}. No network has been trained yet.`;
        const { says, eigvals } = look(at, frame);
        const pairs = eigvals.filter(([re, im]) => im > 1e-6 && Math.hypot(re, im) > 0.3).length;
        const spent = at.seconds ?? (at === last(kept()) && training.seconds);
        const seconds = spent ? `, ${spent.toFixed(0)} s of computing,` : "";
        return `After ${counted(at.step, "step")}${seconds} the mean squared error is ${at.error.toPrecision(2)}. ${truth}, the network says ${signed(last(says))}. Its slowest mode has |\u03bb| = ${Math.hypot(...eigvals[0]).toFixed(2)}, and ${counted(pairs, "pair")} of complex ones ${pairs === 1 ? "is" : "are"} larger than 0.3.`;
      },
    });

    if (kernel && model.get("run")) told();
    else if (props.open) take();
    else scrubber.limit(1, true);

    // What there is to see of a network that was kept
    function look(at, frame) {
      const theta = Float64Array.from(at.theta);
      const net = new ToyNetwork(at.kind ?? training.net.kind, at.units ?? training.net.N, D, theta).knows(props.language);
      if (!at.line) {
        at.line = restingLine(net, props.language);
        at.centre = at.line.reduce((p, q) => (Math.abs(net.say(q)) < Math.abs(net.say(p)) ? q : p));
        at.eigvals = eigenvalues(net.jacobian(at.centre)) ?? [];
        const kick = net.step(at.centre, not, new Float64Array(net.N)).map((v, k) => v - at.centre[k]);
        const along = net.w.reduce((s, v, k) => s + v * kick[k], 0) / net.w.reduce((s, v) => s + v * v, 0);
        const off = kick.map((v, k) => v - along * net.w[k]);
        at.axis = off.map((v) => v / (Math.hypot(...off) || 1));
      }
      const place = (h) => [net.say(h), at.axis.reduce((s, v, k) => s + v * (h[k] - at.centre[k]), 0)];
      const states = net.states(frame.tokens.map((token) => props.language.words.indexOf(token)));
      return { says: states.map((h) => net.say(h)), eigvals: at.eigvals, line: at.line.map(place), path: states.map(place) };
    }
    return made;
  },
};

// Mean squared error on a log scale, over steps of training
function errorChart(history, now, width) {
  const logs = history.map(({ error }) => Math.log10(error));
  const height = 150;
  const box = { left: 50, right: width - 22, top: 22, bottom: height - 34 };
  const [x, y] = [linear([0, last(history).step || 1], [box.left, box.right]), linear([Math.min(-2, ...logs), Math.max(1, ...logs)], [box.bottom, box.top])];
  const { ticks } = niceTicks(0, last(history).step || 1, width < 420 ? 3 : 6);
  const place = history.find(({ step }) => step === now);
  return svg(
    "svg", { class: "rw-chart rw-loss", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Mean squared error over training, from ${history[0].error.toPrecision(2)} to ${last(history).error.toPrecision(2)}.` },
    [-2, -1, 0, 1].map((k) => [svg("line", { class: "rw-grid", x1: box.left, x2: box.right, y1: y(k), y2: y(k) }),
      svg("text", { class: "rw-tick", x: box.left - 6, y: y(k) + 4, "text-anchor": "end" }, String(10 ** k))]),
    ticks.map((t) => svg("text", { class: "rw-tick", x: x(t), y: box.bottom + 15, "text-anchor": "middle" }, String(t))),
    svg("text", { class: "rw-axis", x: 0, y: 12 }, "mean squared error on other texts"),
    svg("text", { class: "rw-axis", x: (box.left + box.right) / 2, y: height - 3, "text-anchor": "middle" }, "step of training"),
    svg("g", { class: "rw-series rw-intact" }, svg("path", { class: "rw-line", d: pathOf(history.map(({ step }, i) => [x(step), y(logs[i])])) })),
    place && svg("line", { class: "rw-here", x1: x(place.step), x2: x(place.step), y1: box.top, y2: box.bottom }),
  );
}

function spectrum(eigvals, side) {
  const x = linear([-1.25, 1.25], [0, side]);
  const y = linear([-1.25, 1.25], [side, 0]);
  return html("div", { class: "rw-inset" },
    svg("svg", { class: "rw-chart rw-spectrum", width: side, height: side, viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": `${eigvals.length} eigenvalues in the complex plane, with the unit circle.` },
      svg("line", { class: "rw-grid", x1: 0, x2: side, y1: y(0), y2: y(0) }), svg("line", { class: "rw-grid", x1: x(0), x2: x(0), y1: 0, y2: side }),
      svg("circle", { class: "rw-circle", cx: x(0), cy: y(0), r: x(1) - x(0) }),
      eigvals.map(([re, im]) => svg("circle", { class: `rw-value ${Math.abs(im) > 1e-6 ? "rw-c3" : "rw-c1"}`, cx: x(re), cy: y(im), r: 4 },
        svg("title", {}, `\u03bb = ${plain(re)}${Math.abs(im) > 1e-6 ? ` ${im < 0 ? "\u2212" : "+"} ${Math.abs(im).toFixed(2)}i` : ""}`)))),
    html("p", {}, "\u03bb and the unit circle"));
}

const tokenAt = (shown, t) => `${shown.tokens[t] ?? START}, logit ${signed(shown.logit[Math.min(t, shown.logit.length - 1)])}`;

function modeText({ eigvals, size, tau }, k) {
  const [re, im] = eigvals[k];
  const value = Math.abs(im) > 1e-9 ? `${plain(re)} ${im < 0 ? "\u2212" : "+"} ${Math.abs(im).toFixed(2)}i` : plain(re);
  const pace = tau[k] === null ? "neither grows nor fades" : tau[k] < 0 ? "grows" : `\u03c4 = ${tau[k].toFixed(tau[k] < 10 ? 1 : 0)} tokens`;
  return `\u03bb${k ? "\u2082" : "\u2081"} = ${value}, |\u03bb| = ${size[k].toFixed(2)}, ${pace}`;
}

const modesTable = (frame) =>
  html("ul", { class: "rw-modes" },
    frame.eigvals.map((_, k) => html("li", { class: `rw-c${k + 1}` }, html("span", { class: "rw-swatch", "aria-hidden": "true" }), modeText(frame, k))),
    html("li", {}, frame.right ? "Solid lines: right vectors r. Dashed: left vectors \u2113." : "No real, independent modes: no lines to draw."));

function unitCircle(eigvals) {
  const side = 150;
  const x = linear([-1.5, 1.5], [0, side]);
  const y = linear([-1.5, 1.5], [side, 0]);
  return html("div", { class: "rw-inset" },
    svg("svg", { class: "rw-chart", width: side, height: side, role: "img", "aria-label": "Eigenvalues in the complex plane, with the unit circle." },
      svg("line", { class: "rw-grid", x1: 0, x2: side, y1: y(0), y2: y(0) }), svg("line", { class: "rw-grid", x1: x(0), x2: x(0), y1: 0, y2: side }),
      svg("circle", { class: "rw-circle", cx: x(0), cy: y(0), r: x(1) - x(0) }),
      eigvals.map(([re, im], k) => svg("circle", { class: `rw-value rw-c${k + 1}`, cx: x(re), cy: y(im), r: 5 }))),
    html("p", {}, "\u03bb and the unit circle"));
}

// All that a view hears goes through here, so that nothing of it is left in the model when it is closed
export function render({ model, el }) {
  const heard = [];
  const own = {
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    save_changes: () => model.save_changes(),
    on(event, callback) {
      model.on(event, callback);
      heard.push([event, callback]);
    },
  };
  const made = RENDERERS[model.get("kind")](el, own);
  return () => {
    for (const [event, callback] of heard) model.off(event, callback);
    made.stop();
  };
}
