import { coordinates, lazily, scaleChange, tokenize } from "./engine.js";

// What each widget draws, as rnnrev.widgets.frames computes it: settings and network in, plain numbers out.
// `get` reads a control, `props` what stays the same. A generator yields frames that become more complete.

const MAX_TOKENS = 300;

function textOf(net, text) {
  const tokens = tokenize(text);
  return { tokens: (tokens.length ? tokens : ["<unk>"]).slice(0, MAX_TOKENS), ids: net.encode(text).slice(0, MAX_TOKENS) };
}

const SPACES = { modifiers: "", random: "control_", matched: "matched_" };

export const FRAMES = {
  sentiment_trace(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const bag = [net.a.bag_b[0]];
    for (const id of ids) bag.push(bag[bag.length - 1] + net.a.beta[id]);
    const network = net.run(ids, null, "intact").map((h) => net.readout(h));
    return { tokens, known: ids.map((i) => i !== 1), network, bag };
  },

  modifier_lab(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const prefix = SPACES[get("space")];
    const lab = props.lab;
    const [hStar, basis, dual] = [lab.h_star, lab[`${prefix}basis`], lab[`${prefix}dual`]].map(lazily);
    const change = scaleChange(hStar, basis, dual, get("dimension"), get("gain"));
    const runs = {
      intact: net.run(ids, null, "intact"),
      perturbed: net.run(ids, change, `lab ${get("space")} ${get("dimension")} ${get("gain")}`),
    };
    const frame = { tokens, known: ids.map((i) => i !== 1) };
    for (const [name, states] of Object.entries(runs)) {
      frame[name] = states.map((h) => net.readout(h));
      frame[`${name}_path`] = states.map((h) => coordinates(h, hStar, dual, 2));
    }
    return frame;
  },

  barcode_explorer(net, props, get) {
    const words = get("words");
    const all = lazily(props.lab.barcodes);
    const width = all.shape[1];
    const index = words.map((w) => props.choices.indexOf(w));
    const rows = index.map((i) => Array.from(all.data.subarray(i * width, (i + 1) * width)));
    return {
      words: [...words],
      kinds: index.map((i) => props.kinds[i]),
      rows,
      correlation: rows.map((x) => rows.map((y) => correlation(x, y))),
    };
  },
};

// Widgets whose frames need no network: they answer at once
export const WITHOUT_NETWORK = new Set(["barcode_explorer"]);

export function correlation(x, y) {
  const mean = (v) => v.reduce((s, a) => s + a, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  let xy = 0, xx = 0, yy = 0;
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}
