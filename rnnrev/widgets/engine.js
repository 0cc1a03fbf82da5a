// The network in the page: the same functions as rnnrev.data.tokenize, rnnrev.cells and rnnrev.perturb.run.
// Weights are float32, sums are made in double precision: logits agree with the package to 1e-4.

// --- text to tokens (rnnrev.data.tokenize, line for line) ----------------------------------------

const TAG = /<\/?[A-Za-z!][^<>]{0,200}>/gu;
const TREEBANK = /(?<=[\p{L}\p{N}]) (n't|'(?:s|re|ve|ll|d|m))(?![\p{L}\p{N}_])/gu;
const TOKEN = /[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*|\.\.\.|[.,!?;:()"/$%&*-]/gu;
const CURLY = { "\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-" };

function unescapeEntities(text) {
  if (!text.includes("&")) return text;
  const box = document.createElement("textarea"); // holds text only: nothing in it is run or loaded
  box.innerHTML = text.replaceAll("<", "&lt;");
  return box.value;
}

export function tokenize(text) {
  const plain = unescapeEntities(text.replace(TAG, " "))
    .replace(/[\u2018\u2019\u201c\u201d\u2013\u2014]/g, (c) => CURLY[c])
    .toLowerCase();
  return plain.replace(TREEBANK, "$1").match(TOKEN) ?? [];
}

// --- numbers from base64 --------------------------------------------------------------------------

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const HALVES = new Float32Array(65536); // every float16, filled when first needed

function readArray(buffer, { dtype, offset, length }) {
  if (dtype === "int8") return new Int8Array(buffer, offset, length);
  if (dtype === "int32") return new Int32Array(buffer, offset, length);
  if (dtype === "float32") return new Float32Array(buffer, offset, length);
  if (dtype !== "float16") throw new Error(`unknown number type ${dtype}`);
  if (!HALVES[0x3c00]) for (let i = 0; i < 65536; i++) HALVES[i] = halfToFloat(i);
  return Float32Array.from(new Uint16Array(buffer, offset, length), (bits) => HALVES[bits]);
}

// Arrays that Python packed: {shape, data: base64 of float32}, as rows of plain numbers or one flat array.
export function unpack(packed) {
  return { shape: packed.shape, data: new Float32Array(bytesOf(packed.data).buffer) };
}

const unpacked = new WeakMap();
export function lazily(packed) {
  if (!unpacked.has(packed)) unpacked.set(packed, unpack(packed));
  return unpacked.get(packed);
}

// --- the network: embedding, GRU or minGRU, linear readout (rnnrev.model, rnnrev.cells) -------------

export const sigmoid = (x) => 0.5 * (1 + Math.tanh(0.5 * x));

export class Network {
  // header: as rnnrev.book.assets writes it; base64: its arrays
  constructor(header, base64) {
    const buffer = bytesOf(base64).buffer;
    const arrays = {};
    for (const [name, spec] of Object.entries(header.arrays)) arrays[name] = readArray(buffer, spec);
    Object.assign(this, header.sizes); // N, D, V
    this.fingerprint = header.fingerprint;
    this.bagFingerprint = header.bag_fingerprint;
    this.knobFingerprint = header.knob_fingerprint;
    this.name = header.name;
    this.words = header.words.split("\n");
    this.index = new Map(this.words.map((w, i) => [w, i]));
    this.a = arrays;
    const { N } = this;
    const width = arrays.b.length; // gates times units
    Object.assign(this, { width, blind: header.cell === "mingru" }); // whether gates see the state
    this.rows = new Float32Array(this.blind ? 0 : width * N); // U with gates as rows: each product reads memory in order
    for (let i = 0; i < this.rows.length; i++) this.rows[(i % width) * N + Math.floor(i / width)] = arrays.U[i];
    this.inputs = new Map();
    this.recent = new Map();
  }

  encode(text) {
    const ids = tokenize(text).map((w) => this.index.get(w) ?? 1);
    return ids.length ? ids : [1];
  }

  // x W + b of one word, kept
  project(id) {
    let u = this.inputs.get(id);
    if (u) return u;
    const { D, width } = this;
    const { embedding, embedding_scale: scale, W, b } = this.a;
    const sum = Float64Array.from(b);
    for (let d = 0; d < D; d++) {
      const x = Math.fround(embedding[id * D + d] * scale[id]);
      for (let j = 0, row = d * width; j < width; j++) sum[j] += x * W[row + j];
    }
    u = Float32Array.from(sum);
    if (this.inputs.size > 4000) this.inputs.clear();
    this.inputs.set(id, u);
    return u;
  }

  // h U + b_rec
  recur(h) {
    const { N, rows } = this;
    const out = Float32Array.from(this.a.b_rec);
    if (this.blind) return out;
    for (let j = 0, p = 0; j < 3 * N; j++) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      let i = 0;
      for (; i + 3 < N; i += 4, p += 4) {
        s0 += h[i] * rows[p];
        s1 += h[i + 1] * rows[p + 1];
        s2 += h[i + 2] * rows[p + 2];
        s3 += h[i + 3] * rows[p + 3];
      }
      for (; i < N; i++, p++) s0 += h[i] * rows[p];
      out[j] += s0 + s1 + s2 + s3;
    }
    return out;
  }

  combine(h, u, a) {
    const { N } = this;
    const next = new Float32Array(N);
    if (this.blind) return next.map((_, i) => u[N + i] + sigmoid(u[i]) * (h[i] - u[N + i]));
    for (let i = 0; i < N; i++) {
      const z = sigmoid(u[i] + a[i]);
      const r = sigmoid(u[N + i] + a[N + i]);
      const c = Math.tanh(u[2 * N + i] + r * a[2 * N + i]);
      next[i] = c + z * (h[i] - c);
    }
    return next;
  }

  step(h, id) {
    return this.combine(h, this.project(id), this.recur(h));
  }

  readout(h) {
    return dot(this.a.readout, h) + this.a.readout_b[0];
  }

  // States 0..T of a text; change(h, t) -> h after each, as in rnnrev.perturb.run. Runs that share `key` (one
  // condition) share the states of a common beginning: typing at the end of a text costs one step.
  run(ids, change = null, key = null) {
    const before = key && this.recent.get(key);
    let same = 0;
    if (before) while (same < ids.length && same < before.ids.length && ids[same] === before.ids[same]) same++;
    const states = before ? before.states.slice(0, same + 1) : [];
    for (let t = states.length; t <= ids.length; t++) {
      const h = t ? this.step(states[t - 1], ids[t - 1]) : Float32Array.from(this.a.h0);
      states.push(change ? change(h, t) : h);
    }
    if (key) {
      if (this.recent.size > 40) this.recent.clear();
      this.recent.set(key, { ids: [...ids], states });
    }
    return states;
  }
}

// J_recᵀ g of one step from h with the input u: (Cell.vjp of a GRU, exact)
export function vjp(net, h, u, g) {
  const { N, rows } = net;
  const { gates, direct } = partials(net, h, u);
  const out = new Float64Array(N);
  for (let i = 0; i < N; i++) out[i] = direct[i] * g[i];
  for (let j = 0, p = 0; j < 3 * N; j++) {
    const through = gates[j] * g[j % N];
    for (let i = 0; i < N; i++, p++) out[i] += through * rows[p];
  }
  return out;
}

// J_rec v of one step (driven.jvp)
export function jvp(net, h, u, v) {
  const { N, rows } = net;
  const { gates, direct } = partials(net, h, u);
  const out = new Float64Array(N);
  for (let i = 0; i < N; i++) out[i] = direct[i] * v[i];
  for (let j = 0, p = 0; j < 3 * N; j++) {
    let sum = 0;
    for (let i = 0; i < N; i++, p++) sum += v[i] * rows[p];
    out[j % N] += gates[j] * sum;
  }
  return out;
}

// Of a GRU's step: the change of h'_i with each gate's share of the state, and with h_i directly
function partials(net, h, u) {
  const { N } = net;
  const a = net.recur(h);
  const gates = new Float64Array(3 * N);
  const direct = new Float64Array(N);
  for (let i = 0; i < N; i++) {
    const z = sigmoid(u[i] + a[i]);
    const r = sigmoid(u[N + i] + a[N + i]);
    const c = Math.tanh(u[2 * N + i] + r * a[2 * N + i]);
    const slope = (1 - z) * (1 - c * c);
    direct[i] = z;
    gates[i] = (h[i] - c) * z * (1 - z);
    gates[N + i] = slope * a[2 * N + i] * r * (1 - r);
    gates[2 * N + i] = slope * r;
  }
  return { gates, direct };
}

// A network that keeps some balanced modes (rnnrev.balanced.ReducedRNN): z' = Psi'[F(mean + Phi z, x) - mean].
// `which` are columns of Phi and Psi; scale and centre, one a mode, give coordinates their unit and zero.
export class Reduced {
  constructor(net, { mean, Phi, Psi }, which, scale = null, centre = null) {
    const { N } = net;
    const k = which.length;
    const [m, phi, psi] = [mean, Phi, Psi].map(lazily);
    const width = phi.shape[1];
    const unit = scale ?? Array(k).fill(1);
    const zero = centre ?? Array(k).fill(0);
    Object.assign(this, { net, k });
    this.phi = which.map((c, j) => Float64Array.from({ length: N }, (_, i) => phi.data[i * width + c] * unit[j]));
    this.psi = which.map((c, j) => Float64Array.from({ length: N }, (_, i) => psi.data[i * width + c] / unit[j]));
    this.mean = Float64Array.from({ length: N }, (_, i) => which.reduce((s, c, j) => s + phi.data[i * width + c] * zero[j], m.data[i]));
    this.base = net.recur(this.mean);
    this.through = this.phi.map((column) => net.recur(column).map((v, j) => v - net.a.b_rec[j]));
    this.w = this.phi.map((column) => dot(net.a.readout, column));
    this.b = net.readout(this.mean);
  }

  lift(z) {
    const h = Float64Array.from(this.mean);
    for (let j = 0; j < this.k; j++) for (let i = 0; i < h.length; i++) h[i] += z[j] * this.phi[j][i];
    return h;
  }

  project(h) {
    return this.psi.map((column) => {
      let sum = 0;
      for (let i = 0; i < h.length; i++) sum += column[i] * (h[i] - this.mean[i]);
      return sum;
    });
  }

  step(z, id) {
    const a = Float64Array.from(this.base);
    for (let j = 0; j < this.k; j++) for (let i = 0; i < a.length; i++) a[i] += z[j] * this.through[j][i];
    return this.project(this.net.combine(this.lift(z), this.net.project(id), a));
  }

  readout(z) {
    return dot(this.w, z) + this.b;
  }
}

export function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

// --- changes of the state (rnnrev.perturb) ---------------------------------------------------------

// Coordinates of a state in the first k axes of a subspace: (h - h*) · dual
export function coordinates(h, hStar, dual, k) {
  const [S, width] = dual.shape;
  const c = new Array(k).fill(0);
  for (let i = 0; i < S; i++) for (let j = 0; j < k; j++) c[j] += (h[i] - hStar.data[i]) * dual.data[i * width + j];
  return c;
}

// perturb.amplify: coordinates are `gain` times those of the `intact` states
export function amplify(hStar, basis, dual, intact, k, gain) {
  const [S, width] = basis.shape;
  return (h, t) => {
    const c = coordinates(h, hStar, dual, k);
    const usual = coordinates(intact[t], hStar, dual, k);
    const out = Float32Array.from(h);
    for (let i = 0; i < S; i++) {
      for (let j = 0; j < k; j++) out[i] += (gain * usual[j] - c[j]) * basis.data[i * width + j];
    }
    return out;
  };
}

// perturb.start_from
export const startFrom = (h0) => (h, t) => (t === 0 ? Float32Array.from(h0) : h);
