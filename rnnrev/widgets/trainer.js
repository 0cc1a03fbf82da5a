// A small network that is trained in the page: the language, the cell with its gradient by hand,
// Adam, and the eigenvalues of its Jacobian. Numbers are doubles; all weights lie in one array.

// Random numbers that can be had again (mulberry32), uniform and normal
export function randomly(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

// --- the language (rnnrev.book.language): {words, valence, chances, modifiers: [{number, gain, reach, alone}]} ------

// What words multiply what follows them by, and the sum so far after each
export function runningSums(language, numbers) {
  const acting = new Map(language.modifiers.map((m) => [m.number, m]));
  let total = 0;
  return numbers.map((number, t) => {
    let factor = 1;
    for (let s = 0; s < t; s++) {
      const m = acting.get(numbers[s]);
      if (m && t - s <= m.reach) factor *= 1 + m.gain;
    }
    total += (language.valence[number] ?? 0) * factor;
    return total;
  });
}

// One text; its valence words tend to one side, so that short texts have sums as large as long ones
export function drawText(language, length, random) {
  const side = random.uniform();
  const alone = language.modifiers.find((m) => m.alone);
  const text = [];
  while (text.length < length) {
    let u = random.uniform() * language.chances.reduce((s, p) => s + p, 0);
    let number = 0;
    while (number < language.words.length - 1 && (u -= language.chances[number]) > 0) number++;
    if (alone && number === alone.number && text.slice(-alone.reach).includes(number)) continue;
    if (language.valence[number]) {
      const sign = random.uniform() < side ? 1 : -1;
      number = language.valence.indexOf(sign * Math.abs(language.valence[number]));
    }
    text.push(number);
  }
  return text;
}

// --- the network --------------------------------------------------------------------------------------------------

const GATES = { gru: 3, ugrnn: 2 };
const squash = (x) => 1 / (1 + Math.exp(-x));

export class ToyNetwork {
  constructor(kind, N, D, theta = null) {
    const G = GATES[kind];
    Object.assign(this, { kind, N, D, G, width: G * N });
    const sizes = { W: D * G * N, U: N * G * N, b: G * N, b_rec: G * N, h0: N, w: N, c: 1 };
    const total = Object.values(sizes).reduce((s, n) => s + n, 0);
    this.theta = theta ?? new Float64Array(total);
    let from = 0;
    for (const [name, size] of Object.entries(sizes)) {
      this[name] = this.theta.subarray(from, from + size);
      from += size;
    }
  }

  // No word (x = −1) is the average noise word, as rnnrev.book.inside.centred has it
  knows(language) {
    const acting = language.modifiers.map((m) => m.number);
    const quiet = language.words.map((_, i) => i).filter((i) => !language.valence[i] && !acting.includes(i));
    this.none = Float64Array.from({ length: this.width }, (_, j) => quiet.reduce((s, i) => s + this.W[i * this.width + j], 0) / quiet.length);
    return this;
  }

  // As rnnrev.cells.initial_weights: orthogonal U, gates that keep
  start(random) {
    const { N, D, width, kind } = this;
    const limit = Math.sqrt(6 / (D + N));
    this.W.forEach((_, i) => (this.W[i] = limit * (2 * random.uniform() - 1)));
    for (let gate = 0; gate < this.G; gate++) {
      const rows = [];
      for (let i = 0; i < N; i++) {
        const row = Float64Array.from({ length: N }, () => random.normal());
        for (const other of rows) {
          const along = other.reduce((s, v, k) => s + v * row[k], 0);
          other.forEach((v, k) => (row[k] -= along * v));
        }
        const size = Math.hypot(...row);
        rows.push(row.map((v) => v / size));
        rows[i].forEach((v, k) => (this.U[i * width + gate * N + k] = v));
      }
    }
    for (let k = 0; k < N; k++) this.b[k] = 1;
    this.w.forEach((_, i) => (this.w[i] = random.normal() / Math.sqrt(N)));
    return this;
  }

  // One step from state h with word x (−1: no input). kept, if given, takes gates and recurrent shares at `at`.
  step(h, x, out, kept = null, at = 0) {
    const { N, width, U, W, b, b_rec, kind } = this;
    const a = kept ? kept.a.subarray(at * width, (at + 1) * width) : new Float64Array(width);
    a.set(b_rec);
    for (let i = 0; i < N; i++) {
      const [v, from] = [h[i], i * width];
      for (let j = 0; j < width; j++) a[j] += v * U[from + j];
    }
    const gates = kept ? kept.gates.subarray(at * width, (at + 1) * width) : new Float64Array(width);
    const row = x < 0 ? this.none : W.subarray(x * width, (x + 1) * width);
    for (let k = 0; k < N; k++) {
      const input = (j) => b[j] + row[j];
      const z = squash(input(k) + a[k]);
      let c, r = 0;
      if (kind === "gru") {
        r = squash(input(N + k) + a[N + k]);
        c = Math.tanh(input(2 * N + k) + r * a[2 * N + k]);
        gates[N + k] = r;
        gates[2 * N + k] = c;
      } else {
        c = Math.tanh(input(N + k) + a[N + k]);
        gates[N + k] = c;
      }
      gates[k] = z;
      out[k] = c + z * (h[k] - c);
    }
    return out;
  }

  say(h) {
    let sum = this.c[0];
    for (let k = 0; k < this.N; k++) sum += this.w[k] * h[k];
    return sum;
  }

  // States before the first word and after each
  states(words) {
    const path = [Float64Array.from(this.h0)];
    for (const x of words) path.push(this.step(path[path.length - 1], x, new Float64Array(this.N)));
    return path;
  }

  // From the gradient g of the state after, those of gates' inputs (du), recurrent shares (da) and the state before
  back(h, kept, at, g, du, da, before) {
    const { N, width, U, kind } = this;
    const [base, last] = [at * width, kind === "gru" ? 2 * N : N];
    for (let k = 0; k < N; k++) {
      const [z, c] = [kept.gates[base + k], kept.gates[base + last + k]];
      const dc = g[k] * (1 - z) * (1 - c * c);
      du[k] = da[k] = g[k] * (h[k] - c) * z * (1 - z);
      du[last + k] = da[last + k] = dc;
      if (kind === "gru") {
        const r = kept.gates[base + N + k];
        da[last + k] = dc * r;
        du[N + k] = da[N + k] = dc * kept.a[base + last + k] * r * (1 - r);
      }
      before[k] = g[k] * z;
    }
    for (let i = 0; i < N; i++) {
      const row = i * width;
      let sum = 0;
      for (let j = 0; j < width; j++) sum += da[j] * U[row + j];
      before[i] += sum;
    }
  }

  // Mean squared error over all tokens of texts of one length, and its gradient (by back-propagation through time)
  loss(texts, targets) {
    const { N, D, width } = this;
    const gradient = new ToyNetwork(this.kind, N, D);
    const [steps, total] = [texts[0].length, texts.length * texts[0].length];
    const kept = { a: new Float64Array(steps * width), gates: new Float64Array(steps * width) };
    const path = Array.from({ length: steps + 1 }, () => new Float64Array(N));
    const [du, da] = [new Float64Array(width), new Float64Array(width)];
    let [g, before] = [new Float64Array(N), new Float64Array(N)];
    let error = 0;
    texts.forEach((text, n) => {
      path[0].set(this.h0);
      for (let t = 0; t < steps; t++) this.step(path[t], text[t], path[t + 1], kept, t);
      g.fill(0);
      for (let t = steps - 1; t >= 0; t--) {
        const [h, off] = [path[t + 1], this.say(path[t + 1]) - targets[n][t]];
        error += (off * off) / total;
        const above = (2 * off) / total;
        gradient.c[0] += above;
        for (let k = 0; k < N; k++) {
          gradient.w[k] += above * h[k];
          g[k] += above * this.w[k];
        }
        this.back(path[t], kept, t, g, du, da, before);
        const from = text[t] * width;
        for (let j = 0; j < width; j++) {
          gradient.W[from + j] += du[j];
          gradient.b[j] += du[j];
          gradient.b_rec[j] += da[j];
        }
        for (let i = 0; i < N; i++) {
          const [v, row] = [path[t][i], i * width];
          for (let j = 0; j < width; j++) gradient.U[row + j] += v * da[j];
        }
        [g, before] = [before, g];
      }
      for (let k = 0; k < N; k++) gradient.h0[k] += g[k];
    });
    return { error, gradient: gradient.theta };
  }

  // ∂F/∂h at h without input, as rows
  jacobian(h) {
    const { N, width } = this;
    const kept = { a: new Float64Array(width), gates: new Float64Array(width) };
    this.step(h, -1, new Float64Array(N), kept, 0);
    return Array.from({ length: N }, (_, i) => {
      const [g, row] = [new Float64Array(N), new Float64Array(N)];
      g[i] = 1;
      this.back(h, kept, 0, g, new Float64Array(width), new Float64Array(width), row);
      return row;
    });
  }
}

// --- training -------------------------------------------------------------------------------------------------------

export class Training {
  constructor(language, { kind = "gru", N = 20, seed = 1, steps = 4000, batch = 16, length = 16, rate = 0.015 } = {}) {
    Object.assign(this, { language, steps, batch, length, rate, step: 0, history: [] });
    this.random = randomly(seed);
    this.net = new ToyNetwork(kind, N, language.words.length).start(this.random);
    [this.mean, this.square] = [0, 1].map(() => new Float64Array(this.net.theta.length));
    const exam = randomly(99); // other texts, the same at every look
    this.exam = Array.from({ length: 40 }, () => drawText(language, length, exam));
    this.truth = this.exam.map((text) => runningSums(language, text));
    this.keep();
  }

  get done() {
    return this.step >= this.steps;
  }

  // Mean squared error on texts it does not learn from, with the weights as they are now
  keep() {
    let error = 0;
    this.exam.forEach((text, n) => this.net.states(text).slice(1).forEach((h, t) => (error += (this.net.say(h) - this.truth[n][t]) ** 2)));
    error /= this.exam.length * this.length;
    this.history.push({ step: this.step, error, theta: Float32Array.from(this.net.theta) });
  }

  advance() {
    const { net, mean, square, steps } = this;
    const texts = Array.from({ length: this.batch }, () => drawText(this.language, this.length, this.random));
    const { gradient } = net.loss(texts, texts.map((text) => runningSums(this.language, text)));
    const step = ++this.step;
    let norm = 0;
    for (const v of gradient) norm += v * v;
    const scale = Math.min(1, 1 / Math.sqrt(norm));
    const part = Math.min(1, step / steps);
    const falling = this.rate * Math.min(1, step / 50) * (0.02 + 0.49 * (1 + Math.cos(Math.PI * part)));
    const now = (falling * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step);
    for (let i = 0; i < gradient.length; i++) {
      const v = scale * gradient[i];
      mean[i] += 0.1 * (v - mean[i]);
      square[i] += 0.001 * (v * v - square[i]);
      net.theta[i] -= (now * mean[i]) / (Math.sqrt(square[i]) + 1e-8);
    }
    if (step % Math.ceil(steps / 120) === 0 || step === steps) this.keep();
  }
}

// --- what is looked at ------------------------------------------------------------------------------------------------

// States that hardly move without input: where the network comes to rest after so many words of one sign
export function restingLine(net, language, most = 12) {
  const [up, down] = [1, -1].map((v) => language.valence.indexOf(v));
  const rest = (h) => {
    for (let t = 0; t < 40; t++) h = net.step(h, -1, new Float64Array(net.N));
    return h;
  };
  const side = (word) => Array.from({ length: most }, (_, k) => rest(net.states(Array(k + 1).fill(word)).at(-1)));
  return [...side(down).reverse(), rest(Float64Array.from(net.h0)), ...side(up)];
}

// Eigenvalues of a real matrix (rows): Hessenberg form, then QR steps with Wilkinson's shift, in complex numbers.
// Source: Golub & Van Loan, Matrix Computations, section 7.
export function eigenvalues(rows) {
  const n = rows.length;
  const re = rows.map((row) => Float64Array.from(row));
  for (let k = 0; k < n - 2; k++) { // Householder
    const size = Math.hypot(...re.slice(k + 1).map((row) => row[k]));
    if (size < 1e-300) continue;
    const v = re.map((row, i) => (i > k ? row[k] : 0));
    v[k + 1] += v[k + 1] < 0 ? -size : size;
    const square = v.reduce((s, x) => s + x * x, 0);
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let i = k + 1; i < n; i++) sum += v[i] * re[i][j];
      for (let i = k + 1; i < n; i++) re[i][j] -= (2 * sum * v[i]) / square;
    }
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += re[i][j] * v[j];
      for (let j = k + 1; j < n; j++) re[i][j] -= (2 * sum * v[j]) / square;
    }
  }
  const im = re.map(() => new Float64Array(n));
  const found = [];
  let [end, tries] = [n - 1, 0];
  while (end >= 0) {
    let from = end;
    const big = (i) => Math.abs(re[i][i]) + Math.abs(im[i][i]);
    while (from > 0 && Math.hypot(re[from][from - 1], im[from][from - 1]) > 1e-13 * (big(from) + big(from - 1) + 1e-30)) from--;
    if (from === end) {
      found.push([re[end][end], im[end][end]]);
      [end, tries] = [end - 1, 0];
      continue;
    }
    if (++tries > 200) return null;
    const [sr, si] = tries % 11 === 10 ? [re[end][end] + Math.hypot(re[end][end - 1], im[end][end - 1]), 0] : wilkinson(re, im, end);
    for (let i = from; i <= end; i++) {
      re[i][i] -= sr;
      im[i][i] -= si;
    }
    const turns = [];
    for (let k = from; k < end; k++) { // H = QR by Givens rotations
      const [ar, ai, br, bi] = [re[k][k], im[k][k], re[k + 1][k], im[k + 1][k]];
      const size = Math.hypot(ar, ai, br, bi) || 1;
      const [c, d, e, f] = [ar / size, ai / size, br / size, bi / size];
      turns.push([c, d, e, f]);
      for (let j = k; j <= end; j++) { // [ conj(a) conj(b); −b a ]
        const [pr, pi, qr, qi] = [re[k][j], im[k][j], re[k + 1][j], im[k + 1][j]];
        re[k][j] = c * pr + d * pi + e * qr + f * qi;
        im[k][j] = c * pi - d * pr + e * qi - f * qr;
        re[k + 1][j] = -(e * pr - f * pi) + c * qr - d * qi;
        im[k + 1][j] = -(e * pi + f * pr) + c * qi + d * qr;
      }
    }
    turns.forEach(([c, d, e, f], step) => { // RQ
      const k = from + step;
      for (let i = from; i <= Math.min(end, k + 1); i++) {
        const [pr, pi, qr, qi] = [re[i][k], im[i][k], re[i][k + 1], im[i][k + 1]];
        re[i][k] = c * pr - d * pi + e * qr - f * qi;
        im[i][k] = c * pi + d * pr + e * qi + f * qr;
        re[i][k + 1] = -(e * pr + f * pi) + c * qr + d * qi;
        im[i][k + 1] = -(e * pi - f * pr) + c * qi - d * qr;
      }
    });
    for (let i = from; i <= end; i++) {
      re[i][i] += sr;
      im[i][i] += si;
    }
  }
  return found.sort((p, q) => Math.hypot(...q) - Math.hypot(...p));
}

// The eigenvalue of the last 2 × 2 block that is nearer to its last entry
function wilkinson(re, im, k) {
  const [ar, ai, dr, di] = [re[k - 1][k - 1], im[k - 1][k - 1], re[k][k], im[k][k]];
  const [br, bi, cr, ci] = [re[k - 1][k], im[k - 1][k], re[k][k - 1], im[k][k - 1]];
  const [hr, hi] = [(ar - dr) / 2, (ai - di) / 2];
  const [pr, pi] = [hr * hr - hi * hi + br * cr - bi * ci, 2 * hr * hi + br * ci + bi * cr];
  const size = Math.hypot(pr, pi);
  let rr = Math.sqrt(Math.max(0, (size + pr) / 2));
  let ri = Math.sqrt(Math.max(0, (size - pr) / 2)) * (pi < 0 ? -1 : 1);
  if (hr * rr + hi * ri > 0) [rr, ri] = [-rr, -ri];
  return [dr + hr + rr, di + hi + ri];
}
