import { amplify, coordinates, dot, jvp, lazily, Reduced, sigmoid, startFrom, tokenize, vjp } from "./engine.js";
import { runningSums } from "./trainer.js";

// What each widget draws, as rnnrev.widgets computes it: settings and network in, plain numbers out.
// `get` reads a control, `props` what stays the same. A generator yields frames that become more complete.

const MAX_TOKENS = 300;

function textOf(net, text) {
  const tokens = tokenize(text);
  return { tokens: (tokens.length ? tokens : ["<unk>"]).slice(0, MAX_TOKENS), ids: net.encode(text).slice(0, MAX_TOKENS) };
}

const PLACES = 31;

// A text read by the bag of words with a volume knob (rnnrev.knob), with the parts that are on
function knob(net, ids, on) {
  const [c, ...held] = net.a.knob_shared;
  const [fades, quick, slow] = held.slice(0, 3).map(sigmoid);
  const [y0, s0, p0, q0, , , d0, e0, w, b] = held.slice(3);
  const end = on("end") ? c : 0;
  let [p, q] = on("beginning") ? [p0, q0] : [d0 / (1 - quick), e0 / (1 - slow)];
  let s = s0;
  const [wrote, volume, memory, shares] = [[], [], [], []];
  for (const id of ids) {
    const [v, k, d, e] = net.a.knob.subarray(4 * id, 4 * id + 4);
    volume.push(Math.exp(p + q));
    wrote.push(v * volume[volume.length - 1]);
    shares.push(sigmoid(k));
    s = shares[shares.length - 1] * s + wrote[wrote.length - 1];
    memory.push(w * s);
    const [turnQuick, turnSlow] = on("modifiers") ? [d, e] : [d0, e0];
    [p, q] = [quick * p + turnQuick, slow * q + turnSlow];
  }
  const counts = Array(ids.length);
  let [kept, faded] = [1, 1];
  for (let t = ids.length - 1; t >= 0; t--) {
    counts[t] = w * wrote[t] * (kept + end * faded);
    [kept, faded] = [kept * shares[t], faded * fades];
  }
  const start = w * (s0 * kept + (on("end") ? (y0 - s0) * faded : 0));
  return { counts, volume, memory, logit: counts.reduce((sum, v) => sum + v, start + b) };
}

export const FRAMES = {
  sentiment_trace(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const bag = [net.a.bow_b[0]];
    for (const id of ids) bag.push(bag[bag.length - 1] + net.a.bow_beta[id]);
    const network = net.run(ids, null, "intact").map((h) => net.readout(h));
    return { tokens, known: ids.map((i) => i !== 1), network, bag };
  },

  modifier_lab(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const { basis, dual: axes } = props.lab[get("space")];
    const parts = [props.lab.h_star, basis, axes].map(lazily);
    const [hStar, , dual] = parts;
    const middle = get("begin") === "middle";
    const start = middle ? startFrom(hStar.data) : (h) => h;
    const intact = net.run(ids, start, middle ? "middle" : "intact");
    const change = amplify(...parts, intact, get("dimension"), get("gain"));
    const settings = ["lab", ...["begin", "space", "dimension", "gain"].map(get)].join(" ");
    const runs = { intact, perturbed: net.run(ids, (h, t) => change(start(h, t), t), settings) };
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

  // Yields a coarse picture first: every eighth place, then every fourth, …
  *where_it_stands(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const inserted = net.encode(get("phrase")).slice(0, MAX_TOKENS);
    const [hStar, l, r] = [props.point.h_star, props.point.l, props.point.r].map((p) => lazily(p).data);
    const n = Math.min(ids.length + 1, PLACES);
    const places = Array.from({ length: n }, (_, i) => Math.floor((i * ids.length) / Math.max(n - 1, 1) + 0.5));

    const gain = dot(net.a.readout, r);
    const slow = (h) => h.reduce((sum, v, i) => sum + gain * l[i] * (v - hStar[i]), 0);
    const away = net.a.h0.reduce((sum, v, i) => sum + l[i] * (v - hStar[i]), 0);
    const start = startFrom(hStar.map((v, i) => v + r[i] * away));
    const whole = { intact: net.run(ids, null, "intact"), start: net.run(ids, start, "start") };
    const end = (states, place) => {
      let h = states[place];
      for (const id of inserted) h = net.step(h, id);
      for (let t = place; t < ids.length; t++) h = net.step(h, ids[t]);
      return h;
    };
    const final = { intact: whole.intact[ids.length], start: whole.start[ids.length] };
    let h = Float32Array.from(hStar);
    for (const id of inserted) h = net.step(h, id);
    const frame = { tokens, known: ids.map((i) => i !== 1), places, intact: Array(n).fill(null), start: Array(n).fill(null), slow: Array(n).fill(null), lasting: slow(h) };
    const wanted = get("place");
    const order = [];
    for (const step of [8, 4, 2, 1]) for (let i = 0; i < n; i += step) if (!order.includes(i)) order.push(i);
    order.unshift(wanted < n ? wanted : n - 1, n - 1);
    let clock = performance.now();
    for (const i of order) {
      if (frame.intact[i] !== null) continue;
      const intact = end(whole.intact, places[i]);
      frame.intact[i] = net.readout(intact) - net.readout(final.intact);
      frame.slow[i] = slow(intact) - slow(final.intact);
      frame.start[i] = net.readout(end(whole.start, places[i])) - net.readout(final.start);
      if (performance.now() - clock > 40) {
        yield { ...frame };
        clock = performance.now();
      }
    }
    yield frame;
  },

  build_a_bag(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const states = net.run(ids, null, "intact");
    const alone = knob(net, ids, () => false);
    const built = knob(net, ids, get);
    return {
      tokens, known: ids.map((i) => i !== 1), valence: alone.counts, counts: built.counts, volume: built.volume,
      memory: built.memory, logit: [alone.logit, built.logit, net.readout(states[ids.length])],
    };
  },

  who_still_matters(net, props, get) {
    const { tokens, ids } = textOf(net, get("text"));
    const n = Math.min(get("read"), ids.length) || ids.length;
    const followed = Math.min(Math.max(get("word"), 1), ids.length) - 1;
    const states = net.run(ids, null, "intact");
    const { tokens: fillers, weights } = props.average;
    const did = (t) => {
      const [h, a] = [states[t], net.recur(states[t])];
      const out = Float64Array.from(states[t + 1]);
      fillers.forEach((id, f) => net.combine(h, net.project(id), a).forEach((v, i) => (out[i] -= weights[f] * v)));
      return out;
    };
    // what each token did to the state, kept while the text before it stays the same
    const kept = (net.deposits ??= { ids: [], done: [] });
    let same = 0;
    while (same < ids.length && kept.ids[same] === ids[same]) same++;
    const done = kept.done.slice(0, same);
    for (let t = same; t < ids.length; t++) done.push(did(t));
    net.deposits = { ids: [...ids], done };
    const pull = Array(ids.length).fill(null);
    let g = Float64Array.from(net.a.readout);
    for (let t = n - 1; t >= 0; t--) {
      pull[t] = dot(g, done[t]);
      if (t) g = vjp(net, states[t], net.project(ids[t]), g);
    }
    const fade = Array(ids.length).fill(null);
    let v = done[followed];
    for (let t = followed; t < ids.length; t++) {
      if (t > followed) v = jvp(net, states[t], net.project(ids[t]), v);
      fade[t] = dot(net.a.readout, v);
    }
    return { tokens, known: ids.map((i) => i !== 1), read: n, word: followed, pull, fade, logit: states.map((h) => net.readout(h)) };
  },

  the_plane(net, props, get, others) {
    const second = get("second");
    const shown = [0, ...(second > 0 && second < props.networks.length ? [second] : [])];
    return { networks: shown.map((number) => chartOf(number ? others[number] : net, props, number, get)) };
  },

  flow_2d(net, props, get) {
    const [[a, b], [c, d]] = get("matrix");
    const half = (a + d) / 2;
    const inside = half * half - (a * d - b * c);
    const root = Math.sqrt(Math.abs(inside));
    const real = inside >= 0 || root < 1e-12;
    let eigvals = real ? [[half + root, 0], [half - root, 0]] : [[half, root], [half, -root]];
    if (real && Math.abs(eigvals[1][0]) > Math.abs(eigvals[0][0])) eigvals = eigvals.reverse();
    const size = eigvals.map(([x, y]) => Math.hypot(x, y));
    const path = [[...get("start")]];
    const bound = (v) => Math.min(Math.max(v, -1e6), 1e6);
    for (let t = 0; t < 40; t++) {
      const [x, y] = path[t];
      path.push([bound(a * x + b * y), bound(c * x + d * y)]);
    }
    let right = null, left = null;
    if (real && root > 1e-6) {
      right = eigvals.map(([v]) => eigenvector(a, b, c, d, v));
      const [[x1, y1], [x2, y2]] = right;
      const det = x1 * y2 - x2 * y1;
      left = [[y2 / det, -x2 / det], [-y1 / det, x1 / det]];
    }
    const tau = size.map((s) => (Math.abs(s - 1) < 1e-9 ? null : s < 1e-12 ? 0 : -1 / Math.log(s)));
    return { eigvals, size, tau, right, left, path };
  },

  toy_trainer(net, props, get) {
    const tokens = tokenize(get("text")).slice(0, 60);
    const numbers = tokens.map((token) => props.language.words.indexOf(token));
    const modifiers = props.language.modifiers.map((m) => (m.alone ? { ...m, reach: get("reach") } : m));
    return { tokens, known: numbers.map((n) => n >= 0), sums: [0, ...runningSums({ ...props.language, modifiers }, numbers)] };
  },

  attractor_3d: (net, props) => ({ points: props.scene.cloud.logit.length }),

  relax(net, props, get) {
    const { A, B, c, c0, words } = props.system;
    const z = [[...get("start")]];
    for (const word of get("sequence")) {
      const last = z[z.length - 1];
      const pushed = word ? B[words.indexOf(word)] : null;
      z.push(A.map((row, i) => dot(row, last) + (pushed ? pushed[i] : 0)));
    }
    return { z, logit: z.map((v) => c0 + dot(c, v)) };
  },
};

const GAINS = { "as it is": 1, removed: 0, doubled: 2, "held at its start": null }; // rnnrev.widgets.VOLUMES

const made = new WeakMap(); // reduced networks of each chart
function reducedOf(net, chart) {
  if (!made.has(chart)) {
    const { volume, scale, centre } = chart;
    const flat = new Reduced(net, chart, [0, volume], scale, centre);
    made.set(chart, { first: new Map(), flat, pair: new Reduced(net, chart, [0, volume]) });
  }
  return made.get(chart);
}

// One network of the widget "The plane": its sentence as a path, whole and with k modes, and a word's field
function chartOf(net, props, number, get) {
  const chart = props.charts[number];
  const { volume, scale, centre } = chart;
  const { tokens, ids } = textOf(net, get("text"));
  const [k, gain] = [get("k"), GAINS[get("volume")]];
  const { first: kept, flat, pair } = reducedOf(net, chart);
  if (!kept.has(k)) kept.set(k, new Reduced(net, chart, Array.from({ length: k }, (_, i) => i)));
  const small = kept.get(k);
  const from = get("start");
  const begin = Float64Array.from(net.a.h0, (v, i) => v + pair.phi[0][i] * from[0] * scale[0] + pair.phi[1][i] * from[1] * scale[1]);
  const where = `${from}`;
  const plain = net.run(ids, startFrom(begin), `plane ${where}`);
  const place = (h) => pair.project(h)[1];
  const changed = (own, intact, first) => (gain === null ? first : gain === 1 ? own : centre[1] + gain * (intact - centre[1]));
  const first = place(begin);
  const whole = gain === 1 ? plain : net.run(ids, (h, t) => {
    if (!t) return Float32Array.from(begin);
    const move = changed(0, place(plain[t]), first) - place(h);
    return h.map((v, i) => v + move * pair.phi[1][i]);
  }, `plane ${where} ${get("volume")}`);
  const z = [small.project(begin)];
  const usual = [z[0]];
  for (const id of ids) {
    usual.push(small.step(usual[usual.length - 1], id));
    const next = small.step(z[z.length - 1], id);
    if (volume < k) next[volume] = changed(next[volume], usual[usual.length - 1][volume], z[0][volume]);
    z.push(next);
  }
  const seen = ([m, v]) => [(m - centre[0]) / scale[0], (v - centre[1]) / scale[1]];
  const word = get("word").trim().toLowerCase();
  const id = net.index.get(word) ?? 1;
  return {
    tokens, known: ids.map((i) => i !== 1), name: props.networks[number],
    intact: plain.map((h) => net.readout(h)), whole: whole.map((h) => net.readout(h)), reduced: z.map((v) => small.readout(v)),
    whole_path: whole.map((h) => seen(pair.project(h))),
    reduced_path: z.map((v) => seen([v[0], volume < k ? v[volume] : centre[1]])),
    field: props.grid.map((at) => flat.step(at, id).map((v, i) => v - at[i])),
    word_known: net.index.has(word),
  };
}

function eigenvector(a, b, c, d, value) {
  const rows = [[a - value, b], [c, d - value]];
  const [p, q] = Math.hypot(...rows[1]) > Math.hypot(...rows[0]) ? rows[1] : rows[0];
  const v = [-q / Math.hypot(p, q), p / Math.hypot(p, q)];
  const larger = Math.abs(v[1]) > Math.abs(v[0]) + 1e-9 ? v[1] : v[0];
  return larger > 0 ? v : [-v[0], -v[1]];
}

// Widgets whose frames need no network: they answer at once
export const WITHOUT_NETWORK = new Set(["attractor_3d", "barcode_explorer", "flow_2d", "relax", "toy_trainer"]);

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
