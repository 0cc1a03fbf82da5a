import { barRows, choiceControl, examplesControl, html, legend, lineChart, planeChart, plain, signed, sliderControl, steps, textControl, tokenStrip, unique, view } from "./draw.js";

// One renderer a widget: controls, picture, and a sentence that says what is seen.

const last = (values) => values[values.length - 1];
const verdict = (logit) => (logit > 0 ? "positive" : "negative");
const START = "(start)";

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
        `After ${frame.tokens.length} tokens the network reads ${signed(last(frame.network))} (${verdict(last(frame.network))}), ` +
        `the bag of words ${signed(last(frame.bag))} (${verdict(last(frame.bag))}).`,
    });
  },

  modifier_lab(el, model) {
    const props = model.get("props");
    const spaces = { modifiers: "modifier subspace", random: "random subspace", matched: "random, same variance" };
    return view(el, model, {
      title: "Modifier lab: scale a subspace of the state after every token",
      hint: "Gain 1 is the network as trained, 0 removes the component, more than 1 amplifies it, less than 0 mirrors it.",
      controls: [
        textControl(model, "text", "Sentence"),
        examplesControl(model, "text", ["The movie was not good.", "The movie was not bad.", "The movie was extremely good."]),
        sliderControl(model, "gain", "Gain", { min: -1, max: 3, step: 0.05, show: (v) => plain(v), ticks: [0, 1] }),
        sliderControl(model, "dimension", "Dimensions", { min: 1, max: props.dimensions, step: 1 }),
        choiceControl(model, "space", "Subspace", spaces),
      ],
      draw(frame, width) {
        const gain = `gain ${plain(model.get("gain"))}`;
        const series = [
          { name: "intact", style: "intact", mark: "circle", values: frame.intact },
          { name: `perturbed (${spaces[model.get("space")]}, ${gain})`, style: "perturbed", mark: "square", values: frame.perturbed },
        ];
        const labels = [START, ...frame.tokens];
        const landmarks = model.get("space") !== "modifiers" ? [] :
          props.landmarks.map((p) => ({ x: p.x, y: p.y, label: p.word, style: p.kind }));
        return [
          legend(series),
          lineChart({ width, series, labels, yLabel: "logit in nats (above 0: positive)", description: this.summary(frame) }),
          tokenStrip({
            tokens: frame.tokens, known: frame.known, label: "What each token adds: intact above, perturbed below",
            rows: [{ name: "intact", values: steps(frame.intact) }, { name: "perturbed", values: steps(frame.perturbed) }],
          }),
          unknownNote(frame),
          html("p", { class: "rw-caption" }, "The state\u2019s path in the plane of the subspace\u2019s first two axes",
            landmarks.length ? ", with where single modifiers leave it" : "", ":"),
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
        `with gain ${plain(model.get("gain"))} on ${model.get("dimension")} dimensions of the ${spaces[model.get("space")]} ` +
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
    input.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), add()));
    input.addEventListener("input", () => props.choices.includes(input.value) && add());
    const chosen = html("ul", { class: "rw-chosen" });
    const list = () => {
      const words = model.get("words");
      chosen.replaceChildren(...words.map((w, i) =>
        html("li", { class: `rw-c${i}` }, html("span", { class: "rw-swatch", "aria-hidden": "true" }), w,
          words.length > 1 && html("button", { type: "button", "aria-label": `remove ${w}`, onclick: () => change(model.get("words").filter((v) => v !== w)) }, "\u00d7"))));
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
};

export function render({ model, el }) {
  const made = RENDERERS[model.get("kind")](el, model);
  return () => made.stop();
}
